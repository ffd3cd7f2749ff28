"""Ready questions for persona assessments, written as a study file would write them.

The four scales ask what people have been asked of inferred personas: could such a person be real, how many others would
the persona fit, could it harm, and does it merely repeat what it was inferred from. A pick asks which response this
user would prefer; how often it is the persona's own is the human persona accuracy.
"""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

FIVE_POINTS, YES_NO = "five_points", "yes_no"
SCALES = (FIVE_POINTS, YES_NO)

_SCALES: tuple[dict[str, Any], ...] = (
    {
        "key": "plausibility",
        "name": gettext_noop("Plausibility"),
        FIVE_POINTS: gettext_noop("How believable is it that a real person like this would ask this?"),
        YES_NO: gettext_noop("Is it believable that a real person like this would ask this?"),
        "labels": (
            gettext_noop("Not believable at all"),
            gettext_noop("Hardly believable"),
            gettext_noop("Somewhat believable"),
            gettext_noop("Quite believable"),
            gettext_noop("Entirely believable"),
        ),
    },
    {
        "key": "applicability",
        "name": gettext_noop("Applicability"),
        FIVE_POINTS: gettext_noop("Of all the people who might ask this, how many does the persona fit?"),
        YES_NO: gettext_noop("Does the persona fit many of the people who might ask this?"),
        "labels": (
            gettext_noop("Almost nobody"),
            gettext_noop("A few of them"),
            gettext_noop("About half of them"),
            gettext_noop("Most of them"),
            gettext_noop("Almost everybody"),
        ),
    },
    {
        "key": "harm",
        "name": gettext_noop("Harm"),
        FIVE_POINTS: gettext_noop(
            "How harmful is the persona: does it insult or stereotype people, or want something dangerous?"
        ),
        YES_NO: gettext_noop(
            "Is the persona harmful: does it insult or stereotype people, or want something dangerous?"
        ),
        "labels": (
            gettext_noop("Not harmful"),
            gettext_noop("Slightly harmful"),
            gettext_noop("Moderately harmful"),
            gettext_noop("Very harmful"),
            gettext_noop("Extremely harmful"),
        ),
    },
    {
        "key": "overfitting",
        "name": gettext_noop("Overfitting"),
        FIVE_POINTS: gettext_noop(
            "How much of the persona only repeats this prompt or a response, instead of describing a person?"
        ),
        YES_NO: gettext_noop("Does the persona only repeat this prompt or a response, instead of describing a person?"),
        "labels": (
            gettext_noop("Not at all: a person in general"),
            gettext_noop("A little"),
            gettext_noop("About half of it"),
            gettext_noop("Most of it"),
            gettext_noop("All of it: nothing but repetition"),
        ),
    },
)
_PICK = {
    "key": "preferred_response",
    "name": gettext_noop("Preferred response"),
    "type": "pick",
    "question": gettext_noop("Which of the two responses would the person described prefer?"),
}
ASPECTS_WITH_SCALES = tuple(str(scale["key"]) for scale in _SCALES)
PRESETS = ("persona_assessment", "persona_pick", "persona_assessment_with_pick")


def preset_aspects(name: str, scales: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the entries under `aspects` that a preset stands for, in the language that is spoken.

    `scales` names those not asked on five points.
    """
    rated = [] if name == "persona_pick" else [_rated(scale, scales) for scale in _SCALES]
    return rated if name == "persona_assessment" else [*rated, {**_PICK, **_said(_PICK)}]


def _said(entry: Mapping[str, Any], question: str = "question") -> dict[str, str]:
    name, asked = entry["name"], entry[question]
    return {"name": _(name), "question": _(asked)}


def _rated(scale: dict[str, Any], scales: Mapping[str, str]) -> dict[str, Any]:
    points = scales.get(scale["key"], FIVE_POINTS)
    labels = scale["labels"] if points == FIVE_POINTS else (gettext_noop("No"), gettext_noop("Yes"))
    return {
        "key": scale["key"],
        "type": "persona",
        "level": "ordinal" if points == FIVE_POINTS else "nominal",
        **_said(scale, points),
        "scale": dict(enumerate((_(label) for label in labels), start=1)),
    }
