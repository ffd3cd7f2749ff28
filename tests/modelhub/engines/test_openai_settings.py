"""The settings of the openai engine, and the key that nothing may show."""

import logging
import sys
import traceback
from typing import Any

import pytest

from modelhub.engines import engine_module
from modelhub.engines.base import EngineError
from modelhub.engines.openai.engine import OpenAIEngine, check, create
from modelhub.engines.openai.settings import read_settings
from tests.modelhub.engines.asking import came_of
from tests.modelhub.engines.openai_asking import (
    KEY,
    VARIABLE,
    Waits,
    completion,
    engine,
    request,
    result,
    settings,
    settings_for,
)
from tests.tools.faultproxy import FaultProxy, Reply

# The key


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 422, 429, 500])
def test_a_key_that_the_server_repeats_appears_nowhere(
    proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    repeats = {"X-Request-Id": KEY, "Location": f"http://127.0.0.1/{KEY}"}
    proxy.plan(*[Reply(status, headers=repeats, repeat_headers=True)] * 2)
    given = settings(proxy, api_key_variable=VARIABLE, max_retries=1)
    server = read_settings(given)
    there = OpenAIEngine(server, sleep=Waits())
    prompts = [request("a private " + "matter")]  # in pieces, as tracebacks show lines of this file
    with caplog.at_level(logging.DEBUG):
        try:
            said = repr(came_of(there, prompts))
        except EngineError as error:
            said = "".join(traceback.format_exception(error))
            assert error.__context__ is None
    assert proxy.seen[0].headers["authorization"] == f"Bearer {KEY}"
    for text in (said, caplog.text, repr(there), repr(server), repr(given), repr(there.usage())):
        assert KEY not in text
        assert "a private matter" not in text


def test_a_local_server_gets_no_key_unless_its_variable_is_named(
    proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "an-organization")
    proxy.plan(completion())
    result(proxy)
    assert KEY not in str(proxy.seen[0].headers)
    assert "an-organization" not in str(proxy.seen[0].headers)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "10.1.2.3", "192.168.0.7", "vllm", "gpu.lab.internal", "[fd00::1]"]
)
def test_a_local_or_private_server_needs_no_key(host: str) -> None:
    check(settings_for(f"http://{host}:8000/v1"))


def test_openai_itself_needs_the_usual_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(EngineError, match="OPENAI_API_KEY is not set"):
        check(settings_for("https://api.openai.com/v1"))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    check(settings_for("https://api.openai.com/v1"))


def test_another_provider_never_gets_the_key_of_openai_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(EngineError, match="the key for api.example.org in the option api_key_variable"):
        check(settings_for("https://api.example.org/v1"))


def test_a_key_never_travels_unencrypted_through_the_internet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    check(settings_for("https://api.example.org/v1", options={"api_key_variable": VARIABLE}))
    with pytest.raises(EngineError, match="use https"):
        check(settings_for("http://api.example.org/v1", options={"api_key_variable": VARIABLE}))


@pytest.mark.parametrize("key", [f"{KEY}\n{KEY}", f"{KEY}ü", f"Bearer {KEY}"])
def test_a_key_that_cannot_be_one_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv(VARIABLE, key)
    with pytest.raises(EngineError, match=f"{VARIABLE} holds characters") as caught:
        check(settings_for(options={"api_key_variable": VARIABLE}))
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("pasted", [KEY, "4f1c0ffee4f1c0ffee"])
def test_a_key_in_the_place_of_its_variables_name_is_refused_without_showing_it(pasted: str) -> None:
    with pytest.raises(EngineError, match="api_key_variable") as caught:
        check(settings_for("https://api.example.org/v1", options={"api_key_variable": pasted}))
    assert pasted not in str(caught.value)


@pytest.mark.parametrize("body", [{"api_key": KEY}, {"headers": [{"Authorization": f"Bearer {KEY}"}]}, {"token": KEY}])
def test_a_key_in_extra_body_which_is_stored_is_refused_without_showing_it(body: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match="only api_key_variable can bring one") as caught:
        check(settings_for(options={"extra_body": body}))
    assert KEY not in str(caught.value)
    check(settings_for(options={"extra_body": {"min_tokens": 10, "prompt_cache_key": "personas"}}))


# Settings


@pytest.mark.parametrize(
    "endpoint", ["", "localhost:8000", "ftp://a.example/v1", "http://", "http://h:notaport/v1", "http://a b/v1"]
)
def test_an_endpoint_that_is_no_address_is_refused(endpoint: str) -> None:
    with pytest.raises(EngineError, match="must be the address of a server"):
        check(settings_for(endpoint))


@pytest.mark.parametrize(
    "endpoint",
    [f"http://me:{KEY}@127.0.0.1/v1", f"http://{KEY}@127.0.0.1/v1", f"http://127.0.0.1/v1?key={KEY}",
     f"http://127.0.0.1/v1#{KEY}"],
)  # fmt: skip
def test_an_endpoint_with_a_secret_in_it_is_refused_without_showing_it(endpoint: str) -> None:
    with pytest.raises(EngineError, match="no name, password, query or fragment") as caught:
        check(settings_for(endpoint))
    assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"options": {"concurrency": 0, "speed": 9}}, "concurrency: (.|\n)*speed: is not known"),
        ({"options": {"extra_body": {"temperature": 1, "n": 2}}}, "may not hold n, temperature"),
        ({"options": {"price_per_million_prompt_tokens": 1}}, "both prices or none"),
        ({"options": {"leave_out": ["temperature"]}}, "leave_out names temperature"),
        ({"decoding": {"dtype": "float16"}}, "the server alone decides"),
        ({"decoding": {"temprature": 1}}, "temprature: is not known"),
        ({"model": ""}, "needs the name of a model"),
    ],
)
def test_settings_that_cannot_be_used_are_named(given: dict[str, Any], text: str) -> None:
    with pytest.raises(EngineError, match=text):
        check(settings_for(**given))


def test_checking_makes_no_request(proxy: FaultProxy) -> None:
    check(settings(proxy))
    create(settings(proxy))
    assert proxy.seen == []


def test_a_missing_package_is_named_with_the_way_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(EngineError, match="package aiohttp.* pip install -r requirements-web.txt"):
        check(settings_for())


def test_it_is_found_by_its_name() -> None:
    assert engine_module("openai").create is create


def test_nothing_is_asked_for_no_requests(proxy: FaultProxy) -> None:
    assert came_of(engine(proxy), []) == []
    assert proxy.seen == []
