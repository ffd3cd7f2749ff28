"""Registering systems and binding arms."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from annotation.errors import ServiceError
from annotation.models import AuditLog, Study
from annotation.studyref import study_from_reference
from modelhub.models import ArmBinding, Generation, System
from modelhub.runs.lifecycle import run_start
from modelhub.systems.registering import content_digest, present_fingerprint, system_register
from tests.factories import make_study
from tests.modelhub.live import make_live_study, write_script

pytestmark = pytest.mark.django_db


def register(script: Path, name: str = "sys", **changes: object) -> None:
    options = {"engine": "scripted", "model": str(script), "decoding": "{}", **changes}
    call_command("register_system", name, **options)


@pytest.mark.parametrize(
    "changes", [{"decoding": '{"style": "tailored"}'}, {"persona_style": "none"}, {"adapter": "some-adapter"}]
)
def test_everything_that_shapes_outputs_is_in_the_fingerprint(tmp_path: Path, changes: dict[str, str]) -> None:
    script = write_script(tmp_path)
    register(script, "one")
    register(script, "two", **changes)
    assert System.objects.get(name="one").fingerprint != System.objects.get(name="two").fingerprint


def test_the_name_and_place_of_a_file_are_not_in_the_fingerprint(tmp_path: Path) -> None:
    script = write_script(tmp_path)
    (tmp_path / "copy.yaml").write_bytes(script.read_bytes())
    register(script, "one")
    register(tmp_path / "copy.yaml", "two")
    assert System.objects.get(name="one").fingerprint == System.objects.get(name="two").fingerprint


def test_a_changed_file_changes_the_present_fingerprint(tmp_path: Path) -> None:
    script = write_script(tmp_path)
    register(script)
    system = System.objects.get()
    script.write_text(script.read_text("utf-8").replace("walk", "nap now"), encoding="utf-8")
    assert present_fingerprint(system) != system.fingerprint


def test_every_file_of_a_folder_counts(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "a").write_text("1")
    before = content_digest(str(tmp_path / "m"))
    (tmp_path / "m" / "b").write_text("2")
    assert content_digest(str(tmp_path / "m")) != before


def test_an_unbound_system_may_change_and_a_bound_one_may_not(tmp_path: Path) -> None:
    script = write_script(tmp_path)
    register(script)
    register(script, decoding='{"style": "tailored"}')
    study = make_study(state="draft", given_items=0, written_items=1)
    call_command("bind_arms", study.slug, "1=sys")
    register(script, decoding='{"style": "tailored"}')
    with pytest.raises(CommandError, match="must stay as it is; this would change: decoding, fingerprint"):
        register(script)
    assert System.objects.get().decoding == {"style": "tailored"}


def test_a_system_that_has_made_something_may_not_change(tmp_path: Path) -> None:
    script = write_script(tmp_path)
    register(script)
    run = run_start(stage="infer_personas", arguments={})
    Generation.objects.create(run=run, system=System.objects.get(), text="An answer.", finish_reason="stop")
    with pytest.raises(CommandError, match="has made outputs, so it must stay as it is; this would change: decoding"):
        register(script, decoding='{"style": "tailored"}')


def test_options_that_change_answers_are_part_of_the_fingerprint_and_no_others() -> None:
    def fingerprint(**options: object) -> str:
        return present_fingerprint(
            System(engine="openai", model="m", endpoint="http://127.0.0.1:9/v1", options=options)
        )

    assert fingerprint() == fingerprint(concurrency=2)
    assert fingerprint() == fingerprint(tensor_parallel_size=4, max_num_seqs=16, enforce_eager=True)
    shaping: list[dict[str, object]] = [
        {"extra_body": {"min_tokens": 3}},
        {"leave_out": ["seed"]},
        {"quantization": "fp8"},
    ]
    assert len({fingerprint(), *(fingerprint(**one) for one in shaping), fingerprint(kv_cache_dtype="fp8")}) == 5


def test_mistakes_in_a_registration_are_named(tmp_path: Path) -> None:
    script = write_script(tmp_path)
    for changes, message in [
        ({"engine": "magic"}, "Known engines: openai, scripted, transformers, vllm"),
        ({"model": "nowhere.yaml"}, "nowhere.yaml cannot be read"),
        ({"decoding": "{"}, "not valid JSON"),
        ({"decoding": "[]"}, "must be a JSON object"),
    ]:
        with pytest.raises(CommandError, match=message):
            register(script, **changes)
    assert not System.objects.exists()


def test_binding_writes_the_fingerprint_and_marks_a_demonstration(tmp_path: Path) -> None:
    study = make_live_study(tmp_path, state="draft")
    for binding in ArmBinding.objects.select_related("arm", "system"):
        assert binding.arm.fingerprint == binding.system.fingerprint
    assert study.demonstration
    entry = AuditLog.objects.get(action="arms_bound")
    assert "general" not in json.dumps(entry.data)


def test_arms_are_named_by_code_or_number(tmp_path: Path) -> None:
    register(write_script(tmp_path))
    study = make_study(state="draft", given_items=0, written_items=1)
    second = study.arms.get(ordinal=2)
    call_command("bind_arms", f"{study.slug}@1", f"{second.code}=sys", "1=sys")
    assert ArmBinding.objects.count() == 2


def test_all_mistakes_of_a_binding_are_reported_and_nothing_is_bound(tmp_path: Path) -> None:
    register(write_script(tmp_path))
    study = make_study(state="draft", given_items=0, written_items=1)
    with pytest.raises(CommandError) as caught:
        call_command("bind_arms", study.slug, "1=sys", "7=sys", "2=unknown")
    assert "Arm '7' is not in" in str(caught.value) and "no system called 'unknown'" in str(caught.value)
    assert not ArmBinding.objects.exists()


def test_an_open_study_cannot_be_bound(tmp_path: Path) -> None:
    register(write_script(tmp_path))
    study = make_study(state="open")
    with pytest.raises(CommandError, match="only while the study is a draft"):
        call_command("bind_arms", study.slug, "1=sys")


def test_files_changed_since_registration_cannot_be_bound(tmp_path: Path) -> None:
    script = write_script(tmp_path)
    register(script)
    script.write_text(script.read_text("utf-8") + "\n# changed\n", encoding="utf-8")
    study = make_study(state="draft", given_items=0, written_items=1)
    with pytest.raises(CommandError, match="have changed since it was registered"):
        call_command("bind_arms", study.slug, "1=sys")


def test_a_script_inside_the_project_is_stored_by_its_short_path() -> None:
    system = system_register(
        name="demo", engine="scripted", model="examples/demo/script.yaml", persona_style="field", decoding={}
    )
    assert system.model == "examples/demo/script.yaml"


def test_a_study_is_found_by_slug_and_version() -> None:
    first = make_study(slug="twice")
    second = Study.objects.create(slug="twice", version=2, owner=first.owner, kind=first.kind)
    assert study_from_reference("twice") == second
    assert study_from_reference("twice@1") == first
    for wrong in ("twice@3", "twice@x", "twice@²"):
        with pytest.raises(ServiceError, match="Versions: 1, 2"):
            study_from_reference(wrong)
    with pytest.raises(ServiceError, match="Known studies: twice"):
        study_from_reference("thrice")
