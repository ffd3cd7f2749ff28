"""Give accounts their role, and attach people to studies."""

from django.contrib.auth.models import Group, Permission
from django.db import transaction

from annotation.errors import ServiceError
from annotation.models import Study, StudyMember, User
from annotation.permissions import Role, has_role, is_analyst
from annotation.services.log import audit_log


def role_give(*, user: User, role: Role) -> None:
    """Make the account a researcher's or an analyst's; giving it twice changes nothing."""
    group, _ = Group.objects.get_or_create(name=role.value)
    if role == Role.ANALYST:
        group.permissions.add(Permission.objects.get(content_type__app_label="modelhub", codename="unblind"))
    user.groups.add(group)


def member_add(*, study: Study, username: str, role: str, by: User | None) -> StudyMember:
    """Attach a person to the study, or change as what they are attached; logged.

    Raises:
        ServiceError: there is no such active account, it is the owner's, or its own role does not allow this one.
    """
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise ServiceError(f"There is no active account called {username!r}.")
    if user.pk == study.owner_id:
        raise ServiceError(f"{username} owns {study} and need not be attached to it.")
    if role not in StudyMember.Role.values:
        raise ServiceError(f"{role!r} is no role; choose one of: {', '.join(StudyMember.Role.values)}.")
    if role == StudyMember.Role.ANALYST and not is_analyst(user):
        raise ServiceError(f"{username} is no analyst on this site; an admin can change that with create_researcher.")
    if not has_role(user):
        raise ServiceError(f"{username} is no researcher on this site; an admin can change that.")
    with transaction.atomic():
        member, _ = StudyMember.objects.update_or_create(study=study, user=user, defaults={"role": role})
        audit_log(user=by, action="member_add", study=study, username=username, role=role)
    return member


def member_remove(*, member: StudyMember, by: User | None) -> None:
    """Detach a person from the study; logged."""
    with transaction.atomic():
        audit_log(user=by, action="member_remove", study=member.study, username=member.user.username, role=member.role)
        member.delete()
