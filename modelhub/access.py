"""Who may see which system an arm of a study is, and what the pipeline made."""

from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import Study, StudyMember, User
from annotation.permissions import attached_role, visible_studies


def may_unblind(user: User, study: Study) -> bool:
    """Return whether this person may see which system stands behind an arm of the study.

    It takes the permission, and that the study is theirs as an analyst: who was attached as a researcher stays blind.
    """
    return user.has_perm("modelhub.unblind") and attached_role(user, study) != StudyMember.Role.RESEARCHER


def may_see_pipeline(user: User) -> bool:
    """Return whether the person may see what the pipeline made: pairs, personas with their directions, verdicts, runs.

    It takes the permission to unblind, and that the person is attached to no study as a researcher: personas and
    outputs of any study may come from here, so whoever is blinded in one study must not look them up.
    """
    if user.is_superuser:
        return True
    blinded = StudyMember.objects.filter(user=user, role=StudyMember.Role.RESEARCHER)
    return user.has_perm("modelhub.unblind") and not blinded.exists()


def analyst_named(username: str, study: Study) -> User:
    """Return the user of that name, to whom the study must be visible, and who may unblind it.

    Raises:
        ServiceError: there is no such active user.
        NotAllowedNow: the study is somebody else's, or the permission is missing.
    """
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise ServiceError(f"There is no active user called {username!r}.")
    if not visible_studies(user).filter(pk=study.pk).exists():
        raise NotAllowedNow(f"{study} belongs to somebody else than {username}.")
    if not may_unblind(user, study):
        raise NotAllowedNow(
            f"{username} may not see which system stands behind an arm: the permission modelhub.unblind is missing."
        )
    return user
