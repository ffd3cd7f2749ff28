"""The images of prompts, as files beside the tables: each once, under the name that the tables give."""

from pathlib import Path
from typing import Any

from annotation.errors import ServiceError
from annotation.export.columns import Column
from annotation.models import Study
from annotation.studyfile.images import stored_name

IMAGE_FILE = Column(
    "image_file",
    "string",
    "The file with the image shown with the prompt, in the folder or ZIP of a whole export; empty where none is.",
)
IMAGE_ALT = Column("image_alt", "string", "What that image shows, in words; empty where none is.", typed=True)
IMAGE_FACTS = (
    Column("image_media_type", "string", "Its media type; empty where none is."),
    Column("image_width", "integer", "Its width in pixels; null (CSV: empty) where none is."),
    Column("image_height", "integer", "Its height in pixels; null (CSV: empty) where none is."),
)


class ItemImages:
    """The images that a study's items show, looked up once."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.items: dict[str, dict[str, Any]] = dict(study.items.exclude(image={}).values_list("key", "image"))
        self.media_types: dict[str, str] = dict(study.images.values_list("sha256", "media_type"))

    def file(self, item: str) -> str:
        """Return the name of the file of an item's image; empty where there is none."""
        sha256 = self.items[item]["sha256"] if item in self.items else ""
        return stored_name(sha256, self.media_types[sha256]) if sha256 in self.media_types else ""

    def alt(self, item: str) -> str:
        """Return what an item's image shows, in words."""
        return str(self.items[item]["alt"]) if item in self.items else ""

    def facts(self, item: str) -> dict[str, Any]:
        """Return the cells of `IMAGE_FACTS`."""
        shown = self.items.get(item, {})
        return {
            "image_media_type": self.media_types.get(shown.get("sha256", ""), ""),
            "image_width": shown.get("width"),
            "image_height": shown.get("height"),
        }

    @property
    def files(self) -> list[str]:
        """The names of all files, without one twice."""
        return sorted({self.file(item) for item in self.items} - {""})

    def write(self, folder: Path) -> None:
        """Write the files below a folder. Raises ServiceError where the database lacks one, before any is written."""
        wanted = {image["sha256"] for image in self.items.values()}
        if lacking := sorted(item for item, image in self.items.items() if image["sha256"] not in self.media_types):
            raise ServiceError(
                f"The image of item {lacking[0]!r} of {self.study} is not in the database any more, so nothing was "
                "exported: the tables would name a file that nobody has. Restore it from a backup."
            )
        for image in self.study.images.filter(sha256__in=wanted).iterator(chunk_size=10):
            path = folder / stored_name(image.sha256, image.media_type)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(bytes(image.data))
