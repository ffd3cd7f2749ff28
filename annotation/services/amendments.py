"""Change what an opened study may still change: logged, with a reason, and part of the protocol and its hash.

What was rated stays as it was: prompts, personas, outputs, questions and scales are not among it. Each amendment is
part of the document that the next hash is taken of, together with the hash before it, so that the hashes form a chain.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone
from pydantic import BaseModel, ValidationError, create_model

from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import Amendment, Study, User
from annotation.protocol import protocol_hash
from annotation.services.locks import study_lock
from annotation.services.log import audit_log
from annotation.services.text import reason_text
from annotation.studyfile import messages
from annotation.studyfile.schema import Design, StudyFile
from annotation.studyfile.schema_base import FileSection
from annotation.studyfile.schema_options import Recruitment

TEXTS = ("title", "contact", "consent", "instructions", "debrief", "content_warning")
NUMBERS = ("raters_per_item", "assignment_hours", "quota")
OPENED = (Study.State.OPEN, Study.State.PAUSED)
_SECTIONS: dict[str, type[FileSection]] = {
    **dict.fromkeys(TEXTS, StudyFile),
    "raters_per_item": Design,
    "assignment_hours": Design,
    "quota": Recruitment,
}


def _part(name: str) -> type[BaseModel]:
    """Return the model of one value, which is held to what the study file is held to."""
    field = _SECTIONS[name].model_fields[name]
    return create_model(f"Amended_{name}", __base__=FileSection, **{name: (field.annotation, field)})  # type: ignore[call-overload]


_PARTS = {name: _part(name) for name in _SECTIONS}


@dataclass(frozen=True)
class Wanted:
    """One value to be changed: a text in one of the study's languages, or a number."""

    what: str
    value: Any
    language: str = ""


class AmendmentError(ServiceError):
    """What is wrong with the values of an amendment, by (what, language)."""

    def __init__(self, problems: Mapping[tuple[str, str], str]) -> None:
        super().__init__("\n".join(_named(place, problem) for place, problem in problems.items()))
        self.problems = dict(problems)


def study_amend(*, study: Study, wanted: list[Wanted], reason: str, user: User | None) -> Amendment:
    """Change texts and numbers of an open or paused study, and return the amendment. Logged.

    Values that stand already are passed over. Texts that a participant has agreed to are kept with their agreement, by
    their hash.

    Raises:
        NotAllowedNow: the study is a draft, which is simply edited, or closed.
        AmendmentError: values that the study file would not take either.
        ServiceError: nothing would change, there is no reason, or the definition is not what was frozen.
    """
    _check(wanted)

    def change() -> list[dict[str, Any]]:
        changes = [
            {"what": one.what, "language": one.language, "before": before, "after": one.value}
            for one in wanted
            if (before := value_of(study, one.what, one.language)) != one.value
        ]
        if not changes:
            raise ServiceError("Nothing would change: every value stands so already.")
        for one in wanted:
            _set(study, one)
        study.save(update_fields=[*TEXTS, "raters_per_item", "assignment_hours", "recruitment", "translations"])
        return changes

    return amendment_write(study=study, reason=reason, user=user, change=change)


def amendment_write(
    *, study: Study, reason: str, user: User | None, change: Callable[[], list[dict[str, Any]]]
) -> Amendment:
    """Let `change` write what it changes and say what that was, and return the amendment.

    Raises:
        NotAllowedNow: the study is neither open nor paused.
        ServiceError: there is no reason, the definition is not what was frozen, or whatever `change` raises.
    """
    why = reason_text(reason, what=f"amending {study}")
    with transaction.atomic():
        study_lock(study_id=study.pk)
        study.refresh_from_db()
        if study.state not in OPENED:
            raise NotAllowedNow(
                f"{study} is {study.state}; only what is open or paused is amended. A draft is edited, and "
                "for a closed study a new version is made."
            )
        if protocol_hash(study) != study.protocol_hash:
            raise ServiceError(f"{study} is not what was frozen when it opened; it is not amended on top of that.")
        number = study.amendments.count() + 1
        amendment = Amendment.objects.create(
            study=study, number=number, at=timezone.now(), user=user, reason=why, hash_before=study.protocol_hash,
            changes=change(),
        )  # fmt: skip
        amendment.hash_after = protocol_hash(study)
        amendment.save(update_fields=["hash_after"])
        Study.objects.filter(pk=study.pk).update(protocol_hash=amendment.hash_after)
        study.refresh_from_db()
        audit_log(
            user=user, action="study_amend", study=study, number=number, reason=why,
            changed=[one["what"] for one in amendment.changes], protocol_hash=amendment.hash_after,
        )  # fmt: skip
    return amendment


def value_of(study: Study, what: str, language: str = "") -> Any:
    """Return what stands now; of a text in another language, what is shown in it."""
    if what == "quota":
        return study.recruitment.get("quota")
    if language:
        return study.translations.get(language, {}).get(what, getattr(study, what))
    return getattr(study, what)


def _check(wanted: list[Wanted]) -> None:
    problems = {}
    for one in wanted:
        if one.value == _SECTIONS[one.what].model_fields[one.what].default:
            continue  # what the file may leave out may be taken away
        try:
            _PARTS[one.what].model_validate({one.what: one.value})
        except ValidationError as error:
            problems[one.what, one.language] = messages.describe(error.errors(include_url=False)[0])
    if problems:
        raise AmendmentError(problems)


def _set(study: Study, one: Wanted) -> None:
    if one.what == "quota":
        others = {name: value for name, value in study.recruitment.items() if name != "quota"}
        study.recruitment = others if one.value is None else {**others, "quota": one.value}
    elif one.language:
        texts = {**study.translations.get(one.language, {}), one.what: one.value}
        study.translations = {**study.translations, one.language: texts}
    else:
        setattr(study, one.what, one.value)


def _named(place: tuple[str, str], problem: str) -> str:
    what, language = place
    return f"{what}{f' ({language})' if language else ''}: {problem}"
