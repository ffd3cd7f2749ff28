"""Sign-in: guesses are locked out, nobody is locked out by somebody else's, and the log says what happened."""

import io
import logging
import re
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from annotation.models import AuditLog, User
from annotation.permissions import Role
from annotation.services.members import role_give

pytestmark = pytest.mark.django_db
PASSWORD = "a long and quiet harbour"
LOGIN = "/accounts/login/"
FACTOR = "/accounts/second-factor/"


@pytest.fixture(autouse=True)
def behind_a_proxy(settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    settings.AXES_FAILURE_LIMIT = 3


@pytest.fixture
def anna() -> User:
    user = User.objects.create_user("anna", password=PASSWORD)
    role_give(user=user, role=Role.RESEARCHER)
    return user


def sign_in(
    browser: Client | None = None,
    password: str = PASSWORD,
    *,
    name: str = "anna",
    address: str = "192.0.2.1",
    code: str = "",
) -> Any:
    form = {"username": name, "password": password, "code": code}
    return (browser or Client()).post(LOGIN, form, headers={"X-Forwarded-For": address})


def guess(*, name: str = "anna", address: str = "192.0.2.1") -> Any:
    responses = [sign_in(password=f"guess {number}", name=name, address=address) for number in range(3)]
    return responses[-1]


def app_code(user: User, steps: int = 0) -> str:
    """The code that the app of this account shows, so many steps from now."""
    key = TOTPDevice.objects.get(user=user).bin_key
    return f"{totp(key, t0=-30 * steps):06d}"


def set_up(user: User) -> tuple[Client, list[str]]:
    """Set a second factor up as the page says; return the browser and the spare codes."""
    browser = Client()
    sign_in(browser)
    browser.post(FACTOR, {"begin": "yes"})
    page = browser.post(FACTOR, {"code": app_code(user)}).content.decode()
    return browser, re.findall(r"<li><code>(\w+)</code></li>", page)


# --- locks ---


def test_guesses_are_locked_and_the_page_says_for_how_long(anna: User) -> None:
    response = guess()
    assert response.status_code == 429 and "15 minutes" in response.content.decode()
    assert response["Retry-After"] == "900"
    assert sign_in().status_code == 429  # also the right password
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert sign_in().status_code == 302


def test_guesses_from_one_address_lock_nobody_elsewhere_and_no_other_name(anna: User) -> None:
    User.objects.create_user("ben", password=PASSWORD)
    guess()
    assert sign_in(address="198.51.100.2").status_code == 302
    assert sign_in(name="ben").status_code == 302


def test_who_shares_the_address_cannot_lock_a_browser_that_has_signed_in_before(anna: User) -> None:
    known = Client()
    assert sign_in(known).status_code == 302
    known.post("/accounts/logout/")
    guess()
    assert sign_in(Client()).status_code == 429
    assert sign_in(known, "wrong").status_code == 200
    assert sign_in(known).status_code == 302


def test_a_note_of_another_name_or_of_our_own_making_opens_no_lock(anna: User) -> None:
    User.objects.create_user("ben", password=PASSWORD)
    browser = Client()
    sign_in(browser, name="ben")
    browser.post("/accounts/logout/")
    guess()
    assert sign_in(browser).status_code == 429
    browser.cookies["known_browser"] = "anna:forged"
    assert sign_in(browser).status_code == 429


def test_trying_on_does_not_make_the_lock_longer(anna: User) -> None:
    guess()
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=14))
    assert sign_in().status_code == 429
    assert AccessAttempt.objects.get().attempt_time < timezone.now() - timedelta(minutes=13)


def test_a_header_that_a_client_writes_itself_does_not_count(anna: User) -> None:
    for number in range(3):
        sign_in(password="guess", address=f"203.0.113.{number}, 192.0.2.1")
    assert sign_in().status_code == 429


@pytest.mark.parametrize("name", ["a\0b", "x" * 151, "\ud800", "", "\u202eanna", "a" * 10_000])
def test_odd_names_are_refused_without_a_fault(name: str) -> None:
    form = {"username": name.encode("utf-8", "surrogatepass"), "password": "x"}
    for _ in range(4):
        assert Client().post(LOGIN, form, headers={"X-Forwarded-For": "192.0.2.1"}).status_code in (200, 400, 429)


def test_the_log_says_who_signed_in_and_what_was_refused_but_nothing_that_may_be_a_password(
    anna: User, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="personaeval"):
        sign_in()
        sign_in(password="hunter2 hunter2")
        guess(name="my own password", address="198.51.100.7")
        guess()
    assert "sign-in of anna" in caplog.text and "sign-in refused for anna" in caplog.text
    assert "sign-in locked for anna" in caplog.text and "locked for a name that no account has" in caplog.text
    assert "hunter2" not in caplog.text and "my own password" not in caplog.text


# --- the second factor ---


def test_a_second_factor_is_set_up_by_the_code_that_the_app_shows_and_then_asked_for(anna: User) -> None:
    browser = Client()
    sign_in(browser)
    assert not TOTPDevice.objects.exists() and browser.get(FACTOR).status_code == 200
    assert not TOTPDevice.objects.exists()  # looking changes nothing
    browser.post(FACTOR, {"begin": "yes"})
    page = browser.get(FACTOR).content.decode()
    assert "<svg" in page and browser.get(FACTOR).content.decode().count("<code>") == 1
    assert sign_in().status_code == 302  # nothing is asked before it is confirmed
    assert browser.post(FACTOR, {"code": "000000"}).status_code == 422
    TOTPDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    shown = browser.post(FACTOR, {"code": app_code(anna)}).content.decode()
    assert len(re.findall(r"<li><code>\w+</code></li>", shown)) == 8
    assert "<svg" not in browser.get(FACTOR).content.decode()

    refused = sign_in()
    assert refused.status_code == 200 and "has a second factor" in refused.content.decode()
    assert sign_in(code=app_code(anna, 1)).status_code == 302
    assert AuditLog.objects.filter(action="second_factor_set").count() == 1


def test_a_code_works_once(anna: User) -> None:
    set_up(anna)
    code = app_code(anna, 1)
    assert sign_in(code=code).status_code == 302
    assert sign_in(code=code).status_code == 200


def test_wrong_codes_make_the_next_one_wait(anna: User) -> None:
    set_up(anna)
    sign_in(code="000000")
    assert TOTPDevice.objects.get().throttling_failure_count == 1
    TOTPDevice.objects.update(throttling_failure_count=12)  # each one doubles a second
    assert "Wait a moment" in sign_in(code=app_code(anna, 1)).content.decode()


def test_each_spare_code_signs_in_once(anna: User) -> None:
    _, spare = set_up(anna)
    assert sign_in(code=spare[0]).status_code == 302
    assert sign_in(code=spare[0]).status_code == 200
    assert StaticToken.objects.count() == 7


def test_it_is_taken_away_with_a_code_and_by_the_command(anna: User) -> None:
    browser, spare = set_up(anna)
    assert browser.post(FACTOR, {"code": "000000"}).status_code == 422
    TOTPDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    assert browser.post(FACTOR, {"code": spare[1]}).status_code == 302
    assert sign_in().status_code == 302
    set_up(anna)
    call_command("reset_second_factor", "anna", stdout=io.StringIO())
    assert sign_in().status_code == 302 and not StaticToken.objects.exists()
    assert [entry.user for entry in AuditLog.objects.filter(action="second_factor_remove")] == [None, anna]
    for name, message in (("anna", "no second factor"), ("nobody", "no account")):
        with pytest.raises(CommandError, match=message):
            call_command("reset_second_factor", name)


def test_the_secret_is_shown_only_while_it_is_set_up(anna: User) -> None:
    browser, _ = set_up(anna)
    key = TOTPDevice.objects.get().key
    assert key not in browser.get(FACTOR).content.decode()
