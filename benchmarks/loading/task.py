"""What participants of every system are shown: 40 items, two responses each, two questions about each response."""

ITEMS = 40
LABELS = ("Not at all", "Slightly", "Moderately", "Very", "Completely")
QUESTIONS = {
    "answerability": "For the person described, does this response answer the prompt?",
    "personalization": "For the person described, is it made for the person?",
}
# Questions by the names of their fields, with the response that they are about.
SCALES = {f"{aspect}_{response}": (response, text) for response in "ab" for aspect, text in QUESTIONS.items()}


def stands_on(participant: int) -> int:
    """Return on which page, from 0, a participant stands who saves: evenly spread over the study, the first half-way.

    Where a tool writes all that somebody has answered anew at each click, the last page costs many times the first.
    """
    return (ITEMS // 2 + 13 * participant) % ITEMS


def prompt(number: int) -> str:
    """Return the prompt of an item, from 1."""
    return f"How do I spend free evening number {number}?"


def persona(number: int) -> str:
    """Return the person described beside it."""
    return f"The user is a gardener of kind {number} and prefers quiet evenings."


def response(number: int, letter: str) -> str:
    """Return one of its two responses."""
    return f"Answer {letter.upper()} to prompt {number}: take a walk, then read."
