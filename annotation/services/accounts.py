"""Make accounts of researchers, and give them another password."""

import secrets

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from annotation.errors import ServiceError
from annotation.models import User
from annotation.permissions import Role
from annotation.services.log import audit_log
from annotation.services.members import role_give

PASSWORD_BYTES = 12


def account_create(*, username: str, role: Role, by: User | None, superuser: bool = False) -> tuple[User, str]:
    """Make an account, and return it with its random password, which is stored as its hash alone. Logged.

    Raises:
        ServiceError: the name is taken, or cannot be one.
    """
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    try:
        User.username_validator(username)
        with transaction.atomic():
            make = User.objects.create_superuser if superuser else User.objects.create_user
            user = make(username=username, password=password)
            role_give(user=user, role=role)
            audit_log(user=by, action="researcher_create", username=username, superuser=superuser)
    except ValidationError as error:
        raise ServiceError(f"{username!r} cannot be a username: {' '.join(error.messages)}") from error
    except IntegrityError as error:
        raise ServiceError(
            f"There is an account {username!r} already. A new password: manage.py changepassword {username}"
        ) from error
    return user, password


def account_password_renew(*, user: User, by: User) -> str:
    """Give the account another random password, and return it. Whoever is signed in with it is signed out. Logged."""
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    user.set_password(password)
    with transaction.atomic():
        user.save(update_fields=["password"])
        audit_log(user=by, action="password_renew", username=user.username)
    return password


def account_activate(*, user: User, active: bool, by: User) -> None:
    """Let an account sign in, or no longer; what it owns stays. Logged.

    Raises:
        ServiceError: it is one's own, which would lock out the one who does it.
    """
    if user.pk == by.pk:
        raise ServiceError("Your own account cannot be switched off here; ask another admin.")
    user.is_active = active
    with transaction.atomic():
        user.save(update_fields=["is_active"])
        audit_log(user=by, action="account_activate" if active else "account_deactivate", username=user.username)
