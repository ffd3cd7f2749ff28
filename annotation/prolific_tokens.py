"""Arrivals that Prolific has signed ("secured external URL"): a JSON Web Token in place of plain ids.

Prolific publishes its public keys at https://api.prolific.com/.well-known/study/jwks.json and asks that they be renewed
daily; `manage.py prolific_keys` does. The site itself asks nobody while it serves a page.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jwt
from django.conf import settings
from django.utils.translation import gettext as _

from annotation.errors import NotAllowedNow, ServiceError
from annotation.recruitment import wrong_parameters

ALGORITHMS = ["RS256"]
LEEWAY_SECONDS = 60  # between two clocks


class NotSigned(NotAllowedNow):
    """An address does not carry what Prolific signs for this site."""


class KeysMissing(ServiceError):
    """The keys to check a signature with are not there; only the people who run the site can mend that."""


def keys_file() -> Path:
    """Return where Prolific's public keys lie."""
    return Path(settings.VAR_DIR) / "prolific_keys.json"


def read_keys(text: str) -> jwt.PyJWKSet:
    """Return the keys of a JSON Web Key Set.

    Raises:
        ServiceError: this is none, or no key in it is of a kind that is taken.
    """
    try:
        return jwt.PyJWKSet.from_json(text)
    except (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ServiceError(f"This is no JSON Web Key Set with a public key in it: {error}.") from error


def signed_ids(token: str, *, hosts: Sequence[str]) -> dict[str, str]:
    """Return the ids in a token that Prolific made for one of these hosts, by the names of the parameters.

    Raises:
        NotSigned: the token is not Prolific's, is out of date, was made for another site, or holds no such ids.
        KeysMissing: no keys lie here, or Prolific has newer ones.
    """
    key = _key_of(token)
    schemes = ("", "https://", "http://")
    audiences = [f"{scheme}{host}{end}" for host in hosts for scheme in schemes for end in ("", "/")]
    try:
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS,
            audience=audiences,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "aud"]},
        )
    except jwt.PyJWTError as error:
        raise NotSigned(_("This link was not made by Prolific for this site, or is out of date.")) from error
    ids = claims.get("prolific")
    if not isinstance(ids, dict) or wrong_parameters({name: [str(value)] for name, value in ids.items()}):
        raise NotSigned(_("This link from Prolific does not say who was sent."))
    return {name: str(value) for name, value in ids.items()}


def _key_of(token: str) -> jwt.PyJWK:
    try:
        name = jwt.get_unverified_header(token).get("kid")
    except jwt.PyJWTError as error:
        raise NotSigned(_("This link was not made by Prolific for this site, or is out of date.")) from error
    try:
        keys = read_keys(keys_file().read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise KeysMissing(f"Prolific's keys are missing at {keys_file()}; run `manage.py prolific_keys`.") from error
    for key in keys.keys:
        if key.key_id == name:
            return key
    raise KeysMissing(f"No key in {keys_file()} is the one that signed; run `manage.py prolific_keys`.")


def keys_store(text: str) -> int:
    """Keep a key set for the site to use, and return how many keys it has.

    Raises:
        ServiceError: this is no key set.
    """
    count = len(read_keys(text).keys)
    draft = keys_file().with_suffix(".new")
    draft.write_text(json.dumps(json.loads(text)), encoding="utf-8")
    draft.replace(keys_file())
    return count
