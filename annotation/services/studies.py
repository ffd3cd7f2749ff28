"""Save a study's definition as a draft; open, pause and close it."""

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from annotation.dryrun import stored_dry_run
from annotation.errors import NotAllowedNow, ServiceError, StaleVersion
from annotation.models import Assignment, Participant, Study, User
from annotation.protocol import definition_document, definition_hash, problems_before_opening, protocol_hash
from annotation.services.definitions import definition_write
from annotation.services.locks import study_lock
from annotation.services.log import audit_log
from annotation.services.outputs import outputs_request_missing
from annotation.services.previews import previews_discard
from annotation.services.tallies import tallies_make
from annotation.studyfile import StudyDefinition


def study_save(
    *,
    definition: StudyDefinition,
    owner: User,
    new_version: bool = False,
    discard_outputs: bool = False,
    user: User | None = None,
) -> Study:
    """Create a draft, or bring the existing draft in line with `definition`, and return it.

    A study that has been opened is returned unchanged if the definition is identical. `new_version` makes a draft of
    its own with the next version number; participants and ratings stay with theirs. `user` is who does it, by default
    the owner.

    Raises:
        NotAllowedNow: the definition differs from that of a study which is frozen, or has been worked on.
        ServiceError: the study is another user's, or outputs would be lost and `discard_outputs` is not given.
    """
    with transaction.atomic():
        latest = Study.objects.filter(slug=definition.slug).order_by("-version").first()
        if latest is not None and latest.owner_id != owner.pk:
            raise ServiceError(
                f"Study {latest.slug} belongs to {latest.owner.username}: "
                f"load it with --owner {latest.owner.username}, or give the study in your file another slug."
            )
        if latest is None or new_version:
            version = 1 if latest is None else latest.version + 1
            return _create(definition=definition, owner=owner, version=version, user=user or owner)
        study_lock(study_id=latest.pk)
        latest.refresh_from_db()
        return _bring_in_line(latest, definition, discard_outputs=discard_outputs, user=user or owner)


def study_rewrite(
    *, study: Study, definition: StudyDefinition, seen: str, user: User, discard_outputs: bool = False
) -> Study:
    """Bring this draft in line with `definition`, which was made from the one with the hash `seen`.

    Raises:
        StaleVersion: somebody has changed the draft since; `current` is the hash of what stands.
        NotAllowedNow, ServiceError: as `study_save`.
    """
    with transaction.atomic():
        study_lock(study_id=study.pk)
        study.refresh_from_db()
        if seen != (current := definition_hash(study)):
            raise StaleVersion(f"{study} was changed elsewhere since this page was opened.", current=current)
        return _bring_in_line(study, definition, discard_outputs=discard_outputs, user=user)


def study_open(*, study: Study, user: User | None) -> None:
    """Open a draft, freezing its definition, or a paused study, checking that it is still what was frozen.

    Given personas without outputs, whose arms all have a system, are queued for generation.

    Raises:
        NotAllowedNow: the study is open already or closed.
        ServiceError: it is not ready (all reasons at once), or it is not what was frozen.
    """
    with transaction.atomic():
        study_lock(study_id=study.pk)  # holds off a load of the file, so that what is hashed is what stands
        study.refresh_from_db()
        if study.state == Study.State.DRAFT:
            _freeze(study)
        elif study.state == Study.State.PAUSED and protocol_hash(study) != study.protocol_hash:
            raise ServiceError(
                f"{study} is not what was frozen when it opened: its protocol hash no longer matches. "
                "Find out what changed the database, or load the file with --new-version."
            )
        _move(study, to=Study.State.OPEN, states=[Study.State.DRAFT, Study.State.PAUSED])
        audit_log(user=user, action="study_open", study=study, protocol_hash=study.protocol_hash)


def study_pause(*, study: Study, user: User | None) -> None:
    """Let no new place be handed out until the study is opened again. Raises NotAllowedNow unless it is open."""
    with transaction.atomic():
        _move(study, to=Study.State.PAUSED, states=[Study.State.OPEN])
        audit_log(user=user, action="study_pause", study=study)


def study_close(*, study: Study, user: User | None) -> None:
    """End the study for good. Raises NotAllowedNow if it was never opened or is closed already."""
    with transaction.atomic():
        _move(study, to=Study.State.CLOSED, states=[Study.State.OPEN, Study.State.PAUSED])
        Study.objects.filter(pk=study.pk).update(closed_at=timezone.now())
        audit_log(user=user, action="study_close", study=study)
        study.refresh_from_db()


def _bring_in_line(study: Study, definition: StudyDefinition, *, discard_outputs: bool, user: User) -> Study:
    """Make the draft say what the definition says; the caller holds the study's turn."""
    if definition_document(study) == definition.document():
        return study
    _free_draft(study)
    return _update(study=study, definition=definition, discard_outputs=discard_outputs, user=user)


def _create(*, definition: StudyDefinition, owner: User, version: int, user: User) -> Study:
    try:
        study = Study.objects.create(slug=definition.slug, version=version, owner=owner, kind=definition.kind)
    except IntegrityError as error:
        raise ServiceError(f"Version {version} of {definition.slug} has just been loaded; look at it first.") from error
    definition_write(study=study, definition=definition, discard_outputs=False)
    audit_log(user=user, action="study_load", study=study, version=version)
    return study


def _update(*, study: Study, definition: StudyDefinition, discard_outputs: bool, user: User) -> Study:
    try:
        definition_write(study=study, definition=definition, discard_outputs=discard_outputs)
    except ProtectedError as error:
        raise ServiceError(
            f"The change would remove parts of {study} that later steps have recorded work on, and that record stays. "
            "Load the file with --new-version to make a draft of its own."
        ) from error
    audit_log(user=user, action="study_load", study=study, version=study.version)
    return study


def _free_draft(study: Study) -> None:
    """Refuse what is no draft any more, and remove what previews left in one."""
    if study.state != Study.State.DRAFT:
        raise NotAllowedNow(
            f"{study} is {study.state}, so its definition is frozen, and the file now says something else. "
            "Load it with --new-version to make a draft of its own; participants and ratings stay where they are."
        )
    previews_discard(study=study)
    if Assignment.objects.filter(participant__study=study).exists():
        raise NotAllowedNow(
            f"{study} has been worked on, so its definition can no longer be changed. "
            "Load the file with --new-version to make a draft of its own."
        )


def _freeze(study: Study) -> None:
    """Request what is missing and store the hash; the caller holds the study's turn and then changes its state."""
    # Taken first: what a worker had filled by then is either seen here, or its claim is, which is a problem.
    opened_at = timezone.now()
    problems = problems_before_opening(study)
    if problems:
        raise ServiceError("\n".join([f"{study} cannot be opened yet:", *(f"- {problem}" for problem in problems)]))
    previews_discard(study=study)
    outputs_request_missing(study=study)
    tallies_make(study=study, kind=Participant.Kind.PERSON)  # now, so that nobody waits for it who takes part
    Study.objects.filter(pk=study.pk, state=Study.State.DRAFT).update(
        opened_at=opened_at,
        protocol_hash=protocol_hash(study, opened_at=opened_at),
        pace=stored_dry_run(study).pace,
    )


def _move(study: Study, *, to: Study.State, states: list[Study.State]) -> None:
    moved = Study.objects.filter(pk=study.pk, state__in=states).update(state=to)
    study.refresh_from_db()
    if moved != 1:
        hint = "Closed is final; a new version can be loaded." if study.state == Study.State.CLOSED else ""
        raise NotAllowedNow(
            f"{study} is {study.state}; only what is {' or '.join(states)} can become {to}. {hint}".strip()
        )
