"""The curves of a training run in a real browser: they renew themselves, and the numbers stay open meanwhile."""

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, expect

from annotation.permissions import Role
from annotation.services.members import role_give
from modelhub.demo import USERNAME
from modelhub.models import Run
from modelhub.runs.lifecycle import run_finish
from tests.browser.visits import visit
from tests.factories import make_user
from tests.modelhub.training_rows import add_log, make_training
from tests.tools.gallery import session_of
from tests.tools.processes import Server
from tests.tools.spots import Spot

pytestmark = pytest.mark.browser


def test_curves_grow_while_a_run_trains_and_rest_when_it_has_ended(browser: Browser, server: Server) -> None:
    role_give(user=make_user(USERNAME), role=Role.ANALYST)
    run = make_training(finished=False)
    add_log(run, "train", 10, 0.5, loss=2.0)
    spot = Spot("run", reverse("modelhub:run", args=[run.key]), signed_in=True)
    with visit(browser, server.base_url, spot, session_of()) as seen:
        page = seen.page
        expect(page.locator("#curves")).to_contain_text("Logged up to step 10")
        page.get_by_text("The numbers behind the curves").click()
        add_log(run, "eval", 20, 1.0, eval_loss=1.75)
        run_finish(run=run, state=Run.State.FINISHED)
        expect(page.locator("#curves")).to_contain_text("Logged up to step 20", timeout=30_000)
        expect(page.locator("#curve-numbers")).to_be_visible()
        expect(page.locator("#curve-epochs")).to_contain_text("1.75")
        expect(page.locator("#curves[hx-get]")).to_have_count(0)
