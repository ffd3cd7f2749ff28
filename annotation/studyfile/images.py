"""Images of prompts: files beside the study's, read once and kept in the database, from where we serve them."""

import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from annotation.models import StudyImage

# By what Pillow finds in the file, whatever its name says. No SVG: it is a document, which may hold scripts.
MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
ENDINGS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/gif": "gif"}
# What the files of stored images are called where a study is written as a file.
_STORED = re.compile(r"images/(?P<sha256>[0-9a-f]{64})\.[a-z]+")
MOST_BYTES = 2_000_000
MOST_PIXELS = 25_000_000


@dataclass(frozen=True)
class ImageFile:
    """An image as it is stored: its bytes, and what is known of them."""

    data: bytes
    media_type: str
    width: int
    height: int

    @property
    def sha256(self) -> str:
        """The hash by which the protocol and its address name it."""
        return hashlib.sha256(self.data).hexdigest()


def stored_name(sha256: str, media_type: str) -> str:
    """Return what a study file calls an image that is in the database."""
    return f"images/{sha256}.{ENDINGS[media_type]}"


def stored_image(sha256: str) -> ImageFile | None:
    """Return an image that some study on this site has, by its hash."""
    found = StudyImage.objects.filter(sha256=sha256).first()
    return ImageFile(bytes(found.data), found.media_type, found.width, found.height) if found else None


def read_image(name: str, folder: Path | None) -> ImageFile:
    """Return the image of that name below a folder; one that was written from this site's database needs no file.

    Raises:
        ValueError: it is not there, too large, or no image.
    """
    written = _STORED.fullmatch(name)
    if written and not (folder and (folder / name).is_file()) and (stored := stored_image(written["sha256"])):
        return stored
    if folder is None:
        raise ValueError(
            f"{name!r} is not here; add images to items on the page Edit, or send a study with them as .zip"
        )
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{name!r} leads out of the folder of the file that names it; put the image beside it")
    if not path.is_file():
        raise ValueError(
            f"{name!r} does not exist; put it beside the file that names it, and send both as .zip, or choose it again "
            "on the form"
        )
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{name!r} has {path.stat().st_size} bytes; at most {MOST_BYTES} are shown to participants")
    data = path.read_bytes()
    try:
        with Image.open(io.BytesIO(data), formats=list(MEDIA_TYPES)) as image:
            kind, (width, height) = str(image.format), image.size
            if width * height > MOST_PIXELS:
                raise ValueError(f"{name!r} has {width} × {height} pixels; make it smaller")
            image.verify()
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{name!r} is no image that browsers show; use PNG, JPEG, WebP or GIF") from error
    return ImageFile(data, MEDIA_TYPES[kind], width, height)
