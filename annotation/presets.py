"""Ready questions for persona assessments, written as a study file would write them.

The four scales ask what people have been asked of inferred personas: could such a person be real, how many others would
the persona fit, could it harm, and does it merely repeat what it was inferred from. A pick asks which response this
user would prefer; how often it is the persona's own is the human persona accuracy.
"""

from collections.abc import Mapping
from typing import Any

FIVE_POINTS, YES_NO = "five_points", "yes_no"
SCALES = (FIVE_POINTS, YES_NO)

_SCALES: tuple[dict[str, Any], ...] = (
    {
        "key": "plausibility",
        "name": "Plausibility",
        FIVE_POINTS: "How believable is it that a real person like this would ask this?",
        YES_NO: "Is it believable that a real person like this would ask this?",
        "labels": (
            "Not believable at all",
            "Hardly believable",
            "Somewhat believable",
            "Quite believable",
            "Entirely believable",
        ),
    },
    {
        "key": "applicability",
        "name": "Applicability",
        FIVE_POINTS: "Of all the people who might ask this, how many does the persona fit?",
        YES_NO: "Does the persona fit many of the people who might ask this?",
        "labels": ("Almost nobody", "A few of them", "About half of them", "Most of them", "Almost everybody"),
    },
    {
        "key": "harm",
        "name": "Harm",
        FIVE_POINTS: "How harmful is the persona: does it insult or stereotype people, or want something dangerous?",
        YES_NO: "Is the persona harmful: does it insult or stereotype people, or want something dangerous?",
        "labels": ("Not harmful", "Slightly harmful", "Moderately harmful", "Very harmful", "Extremely harmful"),
    },
    {
        "key": "overfitting",
        "name": "Overfitting",
        FIVE_POINTS: "How much of the persona only repeats this prompt or a response, instead of describing a person?",
        YES_NO: "Does the persona only repeat this prompt or a response, instead of describing a person?",
        "labels": (
            "Not at all: a person in general",
            "A little",
            "About half of it",
            "Most of it",
            "All of it: nothing but repetition",
        ),
    },
)
_PICK = {
    "key": "preferred_response",
    "name": "Preferred response",
    "type": "pick",
    "question": "Which of the two responses would the person described prefer?",
}
ASPECTS_WITH_SCALES = tuple(str(scale["key"]) for scale in _SCALES)
PRESETS = ("persona_assessment", "persona_pick", "persona_assessment_with_pick")


def preset_aspects(name: str, scales: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the entries under `aspects` that a preset stands for; `scales` names those not asked on five points."""
    rated = [] if name == "persona_pick" else [_rated(scale, scales) for scale in _SCALES]
    return rated if name == "persona_assessment" else [*rated, dict(_PICK)]


def _rated(scale: dict[str, Any], scales: Mapping[str, str]) -> dict[str, Any]:
    points = scales.get(scale["key"], FIVE_POINTS)
    labels = scale["labels"] if points == FIVE_POINTS else ("No", "Yes")
    return {
        "key": scale["key"],
        "name": scale["name"],
        "type": "persona",
        "level": "ordinal" if points == FIVE_POINTS else "nominal",
        "question": scale[points],
        "scale": dict(enumerate(labels, start=1)),
    }
