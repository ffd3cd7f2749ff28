"""Who may see and do what.

Participants have a link and no account. An account is a *researcher* or an *analyst* (two groups), or an admin
(superuser); any other account sees nothing. Researchers see the blinded data of the studies they own and of those
they were attached to. Only analysts may learn which system stands behind an arm, and only of studies that are theirs as
analysts: one who is attached as a researcher stays blind there, and who is attached as an analyst changes nothing.
"""

from enum import StrEnum

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy

from annotation.models import Study, StudyMember, User


class Role(StrEnum):
    """What an account may be at most; the value is the name of its group."""

    RESEARCHER = "researchers"
    ANALYST = "analysts"


class AccessRefused(PermissionDenied):
    """Signed in, and still not allowed. Its message is written for the person who asked."""


NO_ROLE = gettext_lazy(
    "Your account is neither a researcher's nor an analyst's, so it shows no studies. Ask the person who runs this "
    "site to give it a role."
)
READS_ONLY = gettext_lazy(
    "You are attached to this study as an analyst: you may read it, and changing it is left to its researchers, who "
    "are blinded."
)
KEY_ONLY = gettext_lazy("The key that says which participant is whom is for the owner of this study and for admins.")
RENEW_ONLY = gettext_lazy("Only the owner of this study makes new versions of it. You may make a copy.")
OWNER_ONLY = gettext_lazy("Only the owner of this study decides who else may see it.")

ADMIN_ONLY = gettext_lazy("Accounts are for the admins of this site.")


def has_role(user: User) -> bool:
    """Return whether the account may see studies at all."""
    return user.is_superuser or user.groups.filter(name__in=[role.value for role in Role]).exists()


def is_analyst(user: User) -> bool:
    """Return whether the account may be attached to a study as an analyst."""
    return user.is_superuser or user.groups.filter(name=Role.ANALYST).exists()


def visible_studies(user: User) -> QuerySet[Study]:
    """Return the studies that the account owns or was attached to; all of them for an admin."""
    if user.is_superuser:
        return Study.objects.all()
    attached = StudyMember.objects.filter(user=user).values("study")
    return Study.objects.filter(Q(owner=user) | Q(pk__in=attached))


def attached_role(user: User, study: Study) -> str | None:
    """Return as what the user was attached to the study; None for its owner, for admins and for strangers."""
    if user.is_superuser or study.owner_id == user.pk:
        return None
    member = StudyMember.objects.filter(study=study, user=user).first()
    return member.role if member else None


def may_have_key(user: User, study: Study) -> bool:
    """Return whether the user may have, or destroy, the key that says which participant is whom.

    It takes more than running the study: of those attached to it nobody may.
    """
    return user.is_active and (user.is_superuser or study.owner_id == user.pk)


def may_share(user: User, study: Study) -> bool:
    """Return whether the user decides who else may see the study."""
    return user.is_superuser or study.owner_id == user.pk
