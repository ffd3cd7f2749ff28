"""What a persona that is sent has come about as."""

FREELY = "free"


def written_as_sent(*, source: str, text: str, offered: str) -> str:
    """Return how a persona was written: `source` put `offered` into the box, and `text` is what is sent.

    However little of it is left, what was offered counts as edited: how far the two lie apart is for the analysis.
    """
    if not source or source == FREELY:
        return FREELY
    return source if text.strip() == offered.strip() else f"{source}_edited"
