"""The second factor of an account: an app that shows codes (TOTP, RFC 6238), and spare codes on paper."""

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from annotation.errors import ServiceError
from annotation.models import User
from annotation.services.log import audit_log

SPARE_CODES = 8


def factor_of(user: User) -> TOTPDevice | None:
    """Return the app that is in use."""
    found: TOTPDevice | None = TOTPDevice.objects.filter(user=user, confirmed=True).first()
    return found


def factor_offered(user: User) -> TOTPDevice | None:
    """Return the app that is being set up."""
    found: TOTPDevice | None = TOTPDevice.objects.filter(user=user, confirmed=False).first()
    return found


def factor_offer(*, user: User) -> None:
    """Begin to set up an app; begun twice it is the same secret. Nothing changes for sign-in before it is confirmed."""
    with transaction.atomic():
        if User.objects.select_for_update().filter(pk=user.pk).exists() and not factor_of(user):
            TOTPDevice.objects.get_or_create(user=user, confirmed=False, defaults={"name": "app"})


def factor_check(*, user: User, code: str) -> None:
    """Check a code of the app, or a spare one; it works once.

    Raises:
        ServiceError: there is no code, it is not right, or it comes too soon after wrong ones: each doubles the wait.
    """
    code = "".join(code.split())
    if not code:
        raise ServiceError(_("This account has a second factor: enter the code that your app shows, or a spare code."))
    kind = TOTPDevice if code.isdigit() else StaticDevice  # the spare ones have letters
    if not _is_right(kind.objects.filter(user=user, confirmed=True), code):
        raise ServiceError(_("This code is not right or has been used. Enter the one that your app shows now."))


def factor_confirm(*, user: User, code: str) -> list[str]:
    """Put the app that is being set up into use, logged, and return spare codes.

    Raises:
        ServiceError: the code is not the app's, or comes too soon after wrong ones.
    """
    if not _is_right(TOTPDevice.objects.filter(user=user, confirmed=False), "".join(code.split())):
        raise ServiceError(_("This code is not right. Check the clock of the device, and enter what it shows now."))
    with transaction.atomic():
        if not TOTPDevice.objects.filter(user=user, confirmed=False).update(confirmed=True):
            raise ServiceError(_("The second factor has been set up already, by another click."))
        spare = StaticDevice.objects.create(user=user, name="spare codes", confirmed=True)
        codes = [StaticToken.random_token() for _ in range(SPARE_CODES)]
        StaticToken.objects.bulk_create(StaticToken(device=spare, token=code) for code in codes)
        audit_log(user=user, action="second_factor_set", username=user.get_username())
    return codes


def _is_right(devices: QuerySet[Device], code: str) -> bool:
    """Whether the code is one of the device's; a wrong one is counted, so no error may undo this transaction."""
    with transaction.atomic():
        device = devices.select_for_update().first()
        waits = device is not None and not device.verify_is_allowed()[0]
        is_right = device is not None and not waits and device.verify_token(code)
    if waits:
        raise ServiceError(_("Wrong codes have been entered just before. Wait a moment, then enter the next one."))
    return bool(is_right)


def factor_remove(*, user: User, by: User | None) -> bool:
    """Take the second factor away and return whether there was one; logged. `by` is None for a command."""
    with transaction.atomic():
        count, _ = TOTPDevice.objects.filter(user=user).delete()
        StaticDevice.objects.filter(user=user).delete()
        if count:
            audit_log(user=by, action="second_factor_remove", username=user.get_username())
    return bool(count)
