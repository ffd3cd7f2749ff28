"""The test tools themselves: what they promise to other tests."""

import urllib.error
import urllib.request

from tests.tools.processes import Server

A_FILE = "/static/vendor/htmx-2.0.10.min.js"


def status(server: Server, path: str) -> int:
    try:
        with urllib.request.urlopen(server.base_url + path, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_server_comes_back_on_the_same_port_after_a_hard_kill(server: Server) -> None:
    assert status(server, A_FILE) == 200
    server.kill9()
    server.restart()
    assert status(server, A_FILE) == 200
