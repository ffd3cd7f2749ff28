"""Why an engine failed, in words that may be stored and shown: they never hold a piece of what was asked. Pure."""

from annotation.errors import ServiceError
from modelhub.engines.base import GenerationFailure, GenerationRequest

_LONGEST = 200  # characters
_QUOTED = 12  # characters in a row that an error shares with a request are taken for a quotation


def failure_of(error: Exception, *requests: GenerationRequest) -> GenerationFailure:
    """Return the failure that an exception amounts to, of the requests that were being answered.

    An error of ours says what is wrong and what to do. Of any other the kind is told, and the first line of what it
    says unless that quotes one of the requests.
    """
    if isinstance(error, ServiceError):
        return GenerationFailure(str(error))
    kind = f"The engine failed with {type(error).__name__}"
    said = next(iter(str(error).strip().splitlines()), "")[:_LONGEST]
    if not said or any(_quotes(said, text) for one in requests for text in (one.rendered, one.system_message)):
        return GenerationFailure(f"{kind}.", kind=f"{kind}.")
    return GenerationFailure(f"{kind}: {said}", kind=f"{kind}.")


def _quotes(said: str, text: str) -> bool:
    pieces = (said[start : start + _QUOTED] for start in range(max(1, len(said) - _QUOTED + 1)))
    return any(piece in text for piece in pieces)
