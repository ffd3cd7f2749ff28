"""Find the study a command means."""

from annotation.errors import ServiceError
from annotation.models import Study


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
