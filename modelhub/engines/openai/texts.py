"""What the openai engine says when no request can succeed. Pure; nothing quotes the server."""

from modelhub.engines.openai.replies import RequestFailure
from modelhub.engines.openai.settings import OpenAIOptions, ServerSettings

_NO_CREDIT = {"insufficient_quota", "billing_not_active", "billing_hard_limit_reached"}


def budget_text(options: OpenAIOptions) -> str:
    """Return that the budget of requests is used up, and what to do."""
    return (
        f"The budget of {options.max_requests} requests (max_requests) is used up. Raise it, and the same command goes "
        "on."
    )


def fatal_text(trouble: RequestFailure, server: ServerSettings) -> str:
    """Return why no request to this server can succeed, and what to do."""
    start = trouble.reason.removesuffix(".")
    if trouble.remedy:
        hint = trouble.remedy
    elif trouble.status == 401 and not server.key:
        hint = "It wants a key: name the environment variable that holds it in the option api_key_variable."
    elif trouble.status == 401 or trouble.code == "invalid_api_key":
        hint = f"It does not accept the key in the environment variable {server.key_variable}."
    elif trouble.status == 402 or trouble.code in _NO_CREDIT:
        hint = "The account behind the key has no credit left."
    elif trouble.status == 403:
        hint = f"The key may not be used for model {server.model!r}, or not from here."
    elif trouble.status is not None and 300 <= trouble.status < 400:
        hint = "It sends requests to another address; give that address as the endpoint."
    else:
        hint = (
            f"It has no model {server.model!r}, or not at this address: most addresses end in /v1, and a server that "
            "offers chat only needs the decoding setting chat."
        )
    return f"{start}. {hint} ({server.url})"
