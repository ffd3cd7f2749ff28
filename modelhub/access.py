"""Who may unblind a study from the command line."""

from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import Study, User
from annotation.permissions import visible_studies
from modelhub.queries.arms import may_unblind


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
