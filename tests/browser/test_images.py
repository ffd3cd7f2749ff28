"""Images of prompts in a browser: loaded, described, opened in full size, and never in the way of the responses."""

import json

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from annotation.models import Study
from tests.browser.test_reading import DESK, PHONE, TABLET, is_in_view
from tests.browser.visits import EVERY_SIZE, faults_of
from tests.browser.walk import sideways_scroll
from tests.tools.gallery import session_of
from tests.tools.gallery_images import SHAPES, image_spots, make_image_study
from tests.tools.processes import Server
from tests.tools.spots import participant_at_work, path_of

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("server")]
ALT = "Bars for the rain of twelve months."


def open_page(page: Page, study: Study, size: dict[str, int]) -> None:
    page.set_viewport_size({"width": size["width"], "height": size["height"]})
    page.goto(path_of(participant_at_work(study)))


@pytest.mark.parametrize("size", [DESK, TABLET, PHONE], ids=["desktop", "tablet", "phone"])
def test_an_image_of_any_shape_is_loaded_and_leaves_the_responses_in_reach(page: Page, size: dict[str, int]) -> None:
    for shape, (width, _, _) in SHAPES.items():
        open_page(page, make_image_study(shape), size)
        image = page.get_by_role("img", name=ALT)
        expect(image).to_be_visible()
        assert image.evaluate("one => one.naturalWidth") == width, shape
        box = image.bounding_box()
        assert box and box["height"] <= size["height"] / 3 + 2, shape
        assert sideways_scroll(page) == 0, shape
        if size == DESK:
            pane = page.locator("[data-pane]").first
            pane.scroll_into_view_if_needed()
            assert is_in_view(page, pane), shape


def test_the_image_opens_in_full_size_by_keyboard(page: Page) -> None:
    open_page(page, make_image_study(), DESK)
    link = page.get_by_role("link", name=ALT)
    link.focus()
    with page.context.expect_page() as opened:
        page.keyboard.press("Enter")
    assert "/images/" in opened.value.url


def test_an_image_that_does_not_come_is_told_in_words(page: Page) -> None:
    def fail(route: Route) -> None:
        route.abort()

    page.route("**/images/**", fail)
    open_page(page, make_image_study(), DESK)
    image = page.get_by_role("img", name=ALT)
    expect(image).to_be_visible()
    assert image.evaluate("one => one.naturalWidth") == 0
    box = image.bounding_box()
    assert box and box["width"] > 100 and box["height"] > 15


def test_a_researcher_sees_the_image_in_the_preview_too(page: Page, server: Server) -> None:
    study = make_image_study()
    page.context.add_cookies([{"name": "sessionid", "value": session_of(study.owner.username), "url": server.base_url}])
    page.goto(f"/research/{study.slug}/v1/texts/?shows=rate")
    image = page.frame_locator("iframe").get_by_role("img", name=ALT)
    expect(image).to_be_visible()
    assert image.evaluate("one => one.complete && one.naturalWidth") > 0


@pytest.mark.parametrize("size", EVERY_SIZE)
def test_pages_with_images_are_accessible_and_light(browser: Browser, server: Server, size: str) -> None:
    study = make_image_study()
    Study.objects.filter(pk=study.pk).update(slug="images-before")
    found = faults_of(browser, server.base_url, image_spots(study.owner), session_of(study.owner.username), size)
    assert not found, json.dumps(found, indent=2)
