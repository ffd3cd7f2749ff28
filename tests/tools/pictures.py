"""Take pictures of pages, from a fresh demonstration: `make pictures`, or some of them: `ARGS="study rate-*"`.

They go to var/pictures: every page on a desktop, a tablet and a phone, light and dark, with an index to look through.
`ARGS=--docs` takes anew those that the documentation shows.
"""

from tests.tools import isolation  # isort: skip  (before anything reads the settings)

import io
import os
from argparse import ArgumentParser
from fnmatch import fnmatch
from itertools import product
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personaeval.settings")
django.setup()

from django.conf import settings  # noqa: E402
from PIL import Image  # noqa: E402
from playwright.sync_api import Browser, sync_playwright  # noqa: E402

from modelhub.demo import collect_static, demo_prepare  # noqa: E402
from tests.tools import chromium  # noqa: E402
from tests.tools.gallery import gallery, people_take_the_demonstration, session_of  # noqa: E402
from tests.tools.gallery_asking import asking_spots  # noqa: E402
from tests.tools.gallery_assessment import assessment_spots  # noqa: E402
from tests.tools.gallery_controls import control_spots  # noqa: E402
from tests.tools.gallery_elicitation import elicitation_spots  # noqa: E402
from tests.tools.gallery_images import image_spots  # noqa: E402
from tests.tools.gallery_languages import language_spots  # noqa: E402
from tests.tools.gallery_making import making_spots  # noqa: E402
from tests.tools.gallery_marking import marking_spots  # noqa: E402
from tests.tools.gallery_pipeline import pipeline_spots  # noqa: E402
from tests.tools.processes import Server  # noqa: E402
from tests.tools.spots import Spot, open_spot  # noqa: E402

FOLDER = settings.BASE_DIR / "var" / "pictures"
DOCS = settings.BASE_DIR / "docs" / "pictures"
SIZES = {
    "desktop": {"width": 1440, "height": 900},
    "tablet": {"width": 768, "height": 1024},
    "phone": {"width": 390, "height": 844},
}
SCHEMES = ("light", "dark")
# What README.md and the guides show, in light.
SHOWN = {
    "rate-answered": "desktop",
    "write-typing": "phone",
    "rate": "phone",
    "study": "desktop",
    "ar-rate": "phone",
    "de-consent": "phone",
}
PEOPLE = 5
COLOURS = 128  # enough for these pages, and a third of the size


def take(browser: Browser, server: Server, spot: Spot, session: str, size: str, scheme: str) -> Image.Image:
    """Return the picture of a whole page."""
    viewport = SIZES[size]
    colours: Any = scheme
    with open_spot(
        browser, server.base_url, spot, session, viewport=viewport, locale="en-GB", color_scheme=colours
    ) as page:
        if spot.act:
            spot.act(page)
        # A window as high as the page: what sticks to an edge then stands at the page's own edges.
        height = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": viewport["width"], "height": max(height, viewport["height"])})
        page.evaluate("scrollTo(0, 0)")
        picture = page.screenshot(animations="disabled")
    return Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)


def main() -> None:
    """Set up the demonstration in a temporary folder, let people take it, and visit the pages that are asked for."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=["*"], help="of pages, such as study or rate-*; default: all")
    parser.add_argument("--docs", action="store_true", help="those that the documentation shows, into its folder")
    asked = parser.parse_args()
    demo = demo_prepare()
    collect_static()
    server = Server(Path(isolation.VAR_DIR) / "server.log")
    server.start()
    try:
        people_take_the_demonstration(demo, server.base_url, PEOPLE)
        studies = [*control_spots(), *assessment_spots(), *asking_spots(), *marking_spots(), *elicitation_spots()]
        studies += [*language_spots(), *making_spots(demo.study.owner), *image_spots(demo.study.owner)]
        spots, session = [*gallery(demo), *studies, *pipeline_spots()], session_of()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium.ensure(), args=list(chromium.FLAGS))
            if asked.docs:
                _for_docs(browser, server, spots, session)
            else:
                _to_look_at(browser, server, _named(spots, asked.names), session)
            browser.close()
    finally:
        server.stop()


def _named(spots: list[Spot], names: list[str]) -> list[Spot]:
    return [spot for spot in spots if any(fnmatch(spot.name, name) for name in names)]


def _for_docs(browser: Browser, server: Server, spots: list[Spot], session: str) -> None:
    DOCS.mkdir(parents=True, exist_ok=True)
    for spot in _named(spots, list(SHOWN)):
        size = SHOWN[spot.name]
        take(browser, server, spot, session, size, "light").save(DOCS / f"{spot.name}-{size}.png", optimize=True)


def _to_look_at(browser: Browser, server: Server, spots: list[Spot], session: str) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for spot in spots:
        print(spot.name, flush=True)
        for size, scheme in product(SIZES, SCHEMES):
            picture = take(browser, server, spot, session, size, scheme)
            picture.save(FOLDER / f"{spot.name}-{size}-{scheme}.png")
    _write_index([spot.name for spot in spots])


def _write_index(names: list[str]) -> None:
    """Write a page that shows the pictures beside each other."""
    rows = []
    for name in names:
        shown = "".join(
            f'<img src="{name}-{size}-{scheme}.png" width="{SIZES[size]["width"] // 3}" alt="{name}, {size}, {scheme}">'
            for size, scheme in product(SIZES, SCHEMES)
        )
        rows.append(f"<h2>{name}</h2>\n<p>{shown}</p>")
    head = '<!doctype html><meta charset="utf-8"><title>Pictures</title>'
    (FOLDER / "index.html").write_text("\n".join([head, *rows]), encoding="utf-8")
    print(FOLDER / "index.html")


if __name__ == "__main__":
    main()
