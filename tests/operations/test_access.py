"""Who may read /metrics."""

from typing import Any

import pytest
from django.test import Client

TOKEN = "a-token-of-enough-characters"

pytestmark = pytest.mark.django_db(transaction=True)


def status(**environ: str) -> int:
    return Client().get("/metrics", **{"HTTP_HOST": "127.0.0.1:8000", **environ}).status_code  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_without_a_token_this_computer_may_read_them(address: str) -> None:
    assert status(REMOTE_ADDR=address) == 200


@pytest.mark.parametrize(
    "environ",
    [
        {"REMOTE_ADDR": "192.0.2.7"},
        {"REMOTE_ADDR": ""},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_X_FORWARDED_PROTO": "https"},
        {"HTTP_X_FORWARDED_HOST": "127.0.0.1"},
        {"HTTP_FORWARDED": "for=127.0.0.1"},
        {"HTTP_X_REAL_IP": "127.0.0.1"},
        {"HTTP_VIA": "1.1 proxy"},
        {"HTTP_HOST": "study.example.org"},
    ],
    ids=lambda environ: next(iter(environ)),
)
def test_without_a_token_neither_strangers_nor_a_proxy_on_this_computer_may(environ: dict[str, str]) -> None:
    assert status(**environ) == 404


@pytest.mark.parametrize(
    ("given", "expected"),
    [(f"Bearer {TOKEN}", 200), (f"Bearer {TOKEN}x", 404), (TOKEN, 404), ("Bearer ", 404), ("", 404), ("Bearer é", 404)],
)
def test_with_a_token_only_its_holder_may_from_anywhere(settings: Any, given: str, expected: int) -> None:
    settings.METRICS_TOKEN = TOKEN
    assert status(HTTP_AUTHORIZATION=given, REMOTE_ADDR="192.0.2.7", HTTP_X_FORWARDED_FOR="192.0.2.8") == expected
    assert status(HTTP_AUTHORIZATION=given) == expected
