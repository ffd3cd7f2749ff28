"""A test that waits for the end of its run, with a server and a browser open; its name keeps it out of other runs."""

import os
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.tools.processes import ProjectProcess, Server


@pytest.mark.browser
def test_that_waits(server: Server, worker: ProjectProcess, page: Page) -> None:
    page.goto(f"{server.base_url}/accounts/login/")
    Path(os.environ["WAITING"]).touch()
    while True:
        signal.pause()
