"""How wide words are, estimated: what draws them is a browser with fonts of its own."""

_CHARACTER = 5.7  # mean width of a character at size 11
_DOTS = "\N{HORIZONTAL ELLIPSIS}"


def width_of(text: str) -> float:
    """Return about how many units a text takes at size 11."""
    return len(text) * _CHARACTER


def fitting(text: str, width: float) -> str:
    """Return the text as far as it fits into `width` units; the table behind a drawing has it in full."""
    most = int(width / _CHARACTER)
    return text if len(text) <= most else f"{text[: most - 1]}{_DOTS}"


def fitting_ends(text: str, width: float) -> str:
    """Return the text as far as it fits, without its middle: names are often told apart by their ends."""
    most = int(width / _CHARACTER)
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[:half]}{_DOTS}{text[-half:]}"
