"""Keep files that researchers bring for a draft until they are imported, for a day at most."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path, PurePath
from typing import Any

from django.utils import timezone

from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import Study, Upload, User
from annotation.parsing import MIB, TooMuch, check_bytes
from annotation.rowfiles import ENDINGS, ending_of

MAX_BYTES = 32 * MIB
KEPT = timedelta(days=1)
MOST_WAITING = 20  # of a study
_TOLD = (".xlsx", ".xls", ".ods")  # their reader tells what would be right
_LONGEST_NAME = Upload._meta.get_field("name").max_length or 0


def upload_store(*, study: Study, user: User, kind: str, name: str, content: bytes) -> Upload:
    """Keep a file for a draft.

    Raises:
        NotAllowedNow: the study is no draft.
        ServiceError: the file is empty, too long or of no kind that is read, or too many wait.
    """
    if study.state != Study.State.DRAFT:
        raise NotAllowedNow(f"Data are brought into drafts only; {study} is {study.state}.")
    plain = "".join(char for char in PurePath(name.replace("\\", "/")).name if char.isprintable())[-_LONGEST_NAME:]
    if not ending_of(PurePath(plain)) and PurePath(plain).suffix.lower() not in _TOLD:
        raise ServiceError(f"{plain}: files must end in {', '.join(ENDINGS)}.")
    if not content:
        raise ServiceError(f"{plain} is empty; choose the file again.")
    try:
        check_bytes(len(content), MAX_BYTES, "take some of the rows at a time, or use the command line")
    except TooMuch as error:
        raise ServiceError(f"{plain} {error}.") from error
    if study.uploads.count() >= MOST_WAITING:
        raise ServiceError(f"{MOST_WAITING} files of {study} wait to be imported; import or remove some of them first.")
    return Upload.objects.create(study=study, user=user, kind=kind, name=plain, content=content, size=len(content))


def upload_choose(*, upload: Upload, columns: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """Keep how a file is to be read: which column holds which field, and how its rows are taken."""
    upload.columns, upload.options = dict(columns), dict(options)
    upload.save(update_fields=["columns", "options"])


def upload_remove(*, upload: Upload) -> None:
    """Forget a file that was imported or is not wanted; doing it twice changes nothing."""
    Upload.objects.filter(pk=upload.pk).delete()


def uploads_expire() -> int:
    """Forget files that nobody has imported within a day; return how many."""
    return Upload.objects.filter(created_at__lt=timezone.now() - KEPT).delete()[0]


@contextmanager
def unpacked(upload: Upload) -> Iterator[Path]:
    """Put a file into a folder of its own under its name, as its readers want it; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="upload-") as folder:
        path = Path(folder) / upload.name
        path.write_bytes(bytes(upload.content))
        yield path
