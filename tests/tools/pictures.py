"""Take a picture of every page, at desktop and phone width, from a fresh demonstration: `make pictures`."""

from tests.tools import isolation  # isort: skip  (before anything reads the settings)

import io
import os
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personaeval.settings")
django.setup()

from django.conf import settings  # noqa: E402
from PIL import Image  # noqa: E402
from playwright.sync_api import Browser, sync_playwright  # noqa: E402

from modelhub.demo import collect_static, demo_prepare  # noqa: E402
from tests.tools import chromium  # noqa: E402
from tests.tools.gallery import gallery, people_take_the_demonstration, session_of  # noqa: E402
from tests.tools.gallery_assessment import assessment_spots  # noqa: E402
from tests.tools.gallery_controls import control_spots  # noqa: E402
from tests.tools.gallery_elicitation import elicitation_spots  # noqa: E402
from tests.tools.gallery_languages import language_spots  # noqa: E402
from tests.tools.gallery_making import making_spots  # noqa: E402
from tests.tools.gallery_pipeline import pipeline_spots  # noqa: E402
from tests.tools.processes import Server  # noqa: E402
from tests.tools.spots import Spot, open_spot  # noqa: E402

FOLDER = settings.BASE_DIR / "docs" / "pictures"
SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
PEOPLE = 5
COLOURS = 128  # enough for these pages, and a third of the size


def take(browser: Browser, server: Server, spot: Spot, session: str, folder: Path) -> None:
    """Write `<name>-desktop.png` and `<name>-phone.png`."""
    for size, viewport in SIZES.items():
        with open_spot(browser, server.base_url, spot, session, viewport=viewport, locale="en-GB") as page:
            if spot.act:
                spot.act(page)
            # A window as high as the page: what sticks to an edge then stands at the page's own edges.
            height = page.evaluate("document.documentElement.scrollHeight")
            page.set_viewport_size({"width": viewport["width"], "height": max(height, viewport["height"])})
            page.evaluate("scrollTo(0, 0)")
            picture = page.screenshot(animations="disabled")
            small = Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
            small.save(folder / f"{spot.name}-{size}.png", optimize=True)


def main() -> None:
    """Set up the demonstration in a temporary folder, let people take it, and visit every page."""
    demo = demo_prepare()
    collect_static()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.png"):
        old.unlink()
    server = Server(Path(isolation.VAR_DIR) / "server.log")
    server.start()
    try:
        people_take_the_demonstration(demo, server.base_url, PEOPLE)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium.ensure(), args=list(chromium.FLAGS))
            studies = [*control_spots(), *assessment_spots(), *elicitation_spots(), *language_spots()]
            studies += making_spots(demo.study.owner)
            spots, session = [*gallery(demo), *studies, *pipeline_spots()], session_of()
            for spot in spots:
                print(spot.name, flush=True)
                take(browser, server, spot, session, FOLDER)
            browser.close()
    finally:
        server.stop()
    write_index(spots)


def write_index(spots: list[Spot]) -> None:
    """List the pictures on a page of their own."""
    rows = [
        f"## {spot.name}\n\n"
        f'<img src="{spot.name}-desktop.png" width="560" alt="{spot.name} on a desktop"> '
        f'<img src="{spot.name}-phone.png" width="220" alt="{spot.name} on a phone">\n'
        for spot in spots
    ]
    text = "# Every page, on a desktop and on a phone\n\nMade by `make pictures`.\n\n" + "\n".join(rows)
    (FOLDER / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
