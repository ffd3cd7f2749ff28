"""Guards for the unblinded pages: who may see what stands behind an arm, and what the pipeline made."""

from django.http import HttpRequest

from annotation.http import get_researcher, get_study_for_researcher, request_user
from annotation.models import Study, User
from annotation.permissions import AccessRefused
from modelhub.access import may_see_pipeline, may_unblind

BLINDED = (
    "You are blinded in this study: which system stands behind an arm is for its analysts alone. Ask the person who "
    "runs this site if you are to be one."
)
NOT_YOURS = (
    "These pages show which response each persona explains and which system made what. They are for analysts who are "
    "blinded in no study: your account is not an analyst's, or it is attached to a study as a researcher's. Ask the "
    "person who runs this site."
)


def get_pipeline_reader(request: HttpRequest) -> User:
    """Return the signed-in user, who may see what the pipeline made.

    Raises:
        AccessRefused: they may not.
    """
    user = get_researcher(request)
    if not may_see_pipeline(user):
        raise AccessRefused(NOT_YOURS)
    return user


def get_study_to_unblind(request: HttpRequest, slug: str, version: int, *, leaves_it: bool = False) -> Study:
    """Return the study as `get_study_for_researcher` does, to those who may see which system each arm is.

    Raises:
        AccessRefused, Http404: as there; AccessRefused also for who is blinded in the study.
    """
    study = get_study_for_researcher(request, slug, version, leaves_it=leaves_it)
    if not may_unblind(request_user(request), study):
        raise AccessRefused(BLINDED)
    return study
