"""Load a study file: `manage.py load_study study.yaml`."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from annotation.errors import ServiceError
from annotation.management.base import ProjectCommand
from annotation.models import Persona, Study, User
from annotation.services.studies import study_save
from annotation.studyfile import read_study_file


class Command(ProjectCommand):
    help = "Create or update a draft study from its file. Every mistake is reported at once; then nothing is written."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="The study file; docs/study-file.md describes it.")
        parser.add_argument("--owner", metavar="USERNAME", help="Who owns the study. Default: the only user there is.")
        parser.add_argument("--new-version", action="store_true", help="Make a draft of its own, one version higher.")
        parser.add_argument(
            "--discard-outputs", action="store_true", help="Allow a change after which outputs no longer fit."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Load the file; raise CommandError with everything that is wrong."""
        study = study_save(
            definition=read_study_file(options["file"]),
            owner=_owner(options["owner"]),
            new_version=options["new_version"],
            discard_outputs=options["discard_outputs"],
        )
        self.stdout.write("\n".join(_summary(study)))


def _owner(username: str | None) -> User:
    users = list(User.objects.order_by("username")[:20])
    names = ", ".join(user.username for user in users)
    if username is not None:
        owner = User.objects.filter(username=username).first()
        if owner is None:
            raise ServiceError(f"There is no user {username!r}. Users: {names or 'none yet'}.")
        return owner
    if len(users) == 1:
        return users[0]
    if users:
        raise ServiceError(f"Whose study is it? Add --owner with one of: {names}.")
    raise ServiceError("There is no user yet who could own the study; make one with `manage.py createsuperuser`.")


def _summary(study: Study) -> list[str]:
    name = f"{study.slug}@{study.version}"
    state = "draft" if study.state == Study.State.DRAFT else f"unchanged ({study.state}, definition identical)"
    given = Persona.objects.filter(item__study=study, source=Persona.Source.GIVEN).count()
    lines = [
        f"{name}: {state}",
        (
            f"  {study.items.count()} items, {given} with a given persona; {study.aspects.count()} aspects; "
            f"{len(study.practice)} practice items"
        ),
    ]
    for arm in study.arms.order_by("ordinal"):
        # By number alone: whoever loads a study may be blinded, and its pages and exports know arms by their codes.
        lines.append(f"  arm {arm.ordinal}{' (control)' if arm.is_control else ''}")
    if study.state == Study.State.DRAFT:
        lines += ["Next:", *_next_steps(study, name)]
    return lines


def _next_steps(study: Study, name: str) -> list[str]:
    is_assessment = study.kind == Study.Kind.PERSONA_ASSESSMENT
    steps = []
    if study.items_imported and is_assessment:
        steps = [
            f"  bring personas    manage.py import_personas {name} --help",
            f"  or stored ones    manage.py add_inferred_personas {name} --help",
        ]
    elif study.items_imported:
        steps = [f"  bring personas    manage.py add_personas_to_rate {name} --help"]
    if not (study.items_imported and is_assessment):
        steps += [
            f"  bind systems      manage.py bind_arms {name} 1=SYSTEM 2=SYSTEM",
            f"  or bring outputs  manage.py import_outputs {name} --help",
        ]
    return [*steps, f"  then              manage.py open_study {name}"]
