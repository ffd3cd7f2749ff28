"""Find the study, the participant and the user that a command means."""

from annotation.errors import ServiceError
from annotation.models import Participant, Study, User


def study_from_reference(text: str) -> Study:
    """Return the study called `slug` (its newest version) or `slug@version`.

    Raises ServiceError naming the studies or versions that do exist.
    """
    slug, _, version = text.partition("@")
    versions = Study.objects.filter(slug=slug).order_by("-version")
    newest = versions.first()
    if newest is None:
        known = sorted(set(Study.objects.values_list("slug", flat=True)))
        raise ServiceError(f"There is no study called {slug!r}. Known studies: {', '.join(known) or 'none yet'}.")
    if not version:
        return newest
    if version.isascii() and version.isdigit():
        study = versions.filter(version=int(version)).first()
        if study is not None:
            return study
    known = [str(number) for number in versions.values_list("version", flat=True)]
    raise ServiceError(f"Study {slug} has no version {version!r}. Versions: {', '.join(reversed(known))}.")


def participant_from_code(study: Study, code: str) -> Participant:
    """Return the study's participant with a public code such as P-017; ServiceError if there is none."""
    prefix, _, number = code.strip().upper().partition("-")
    if number.isascii() and number.isdigit() and len(number) < 10:
        for participant in study.participants.select_related("study").filter(number=int(number)):
            if participant.code == f"{prefix}-{int(number):03d}":
                return participant
    raise ServiceError(f"{study} has no participant {code!r}. Codes look like P-017 and stand in every export.")


def user_from_name(name: str) -> User:
    """Return the user who signs in with this name; ServiceError if there is none."""
    user = User.objects.filter(username=name).first()
    if user is None:
        raise ServiceError(f"There is no user called {name!r}; name the account of whoever does this.")
    return user
