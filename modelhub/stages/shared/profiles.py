"""Profiles of data sets, with errors for the person at the command line."""

import hashlib

from annotation.errors import ServiceError
from modelhub.models import PreferencePair
from modelhub.profiles import DatasetProfile, load_profile


def profile_of(name_or_path: str) -> DatasetProfile:
    """Return a profile by the name of its data set, or from a YAML file; raise ServiceError saying what is wrong."""
    try:
        return load_profile(name_or_path)
    except ServiceError as error:
        raise ServiceError(
            f"{error}\nName a profile with --profile, or write one; see docs/persona-inference.md."
        ) from error


def profile_digest(profile: DatasetProfile) -> str:
    """Return the SHA-256 of all that a profile says, in hex."""
    return hashlib.sha256(profile.model_dump_json().encode("utf-8")).hexdigest()


def has_texts(profile: DatasetProfile, pair: PreferencePair) -> bool:
    """Return whether something is left of the prompt and both responses without the labels of their speakers.

    Responses that say the same then are no two: a persona of either would be made up.
    """
    chosen, rejected = (profile.clean_response(text).strip() for text in (pair.chosen, pair.rejected))
    return bool(profile.clean_prompt(pair.prompt).strip() and chosen and rejected) and chosen != rejected
