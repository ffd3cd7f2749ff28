"""Profiles of datasets: what persona inference has to know of each. Pure: no Django."""

from modelhub.profiles.loading import builtin_profiles, load_profile
from modelhub.profiles.profile import SHOTS, DatasetProfile, Exemplar

__all__ = ["SHOTS", "DatasetProfile", "Exemplar", "builtin_profiles", "load_profile"]
