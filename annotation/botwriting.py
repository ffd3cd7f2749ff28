"""How a bot writes a persona where the page helps: it decides about a proposal, and may answer the questions."""

import random
from dataclasses import dataclass, field
from typing import Any

# Varied as people are: whole sentences and half ones, first person, a list, nothing at all.
ANSWERS = (
    "I want tips that I can use today.",
    "how to begin. I have never done this before!",
    "No jargon, please",
    "- what it costs\n- how long it takes",
    "ideas for my family 🙂",
    "",
)
# How often a bot answers questions rather than writing freely, and changes what stands in the box.
ANSWERING, EDITING = 0.7, 0.5
EDIT = " They are in a hurry."


@dataclass(frozen=True)
class WritingAct:
    """What to send: to the address of a button, or where the form goes, with these fields."""

    address: str = ""
    values: dict[str, str] = field(default_factory=dict)


def next_act(form: Any, chance: random.Random, own: str) -> WritingAct:
    """Return what a bot does on a writing page; `own` is what it would write in an empty box."""
    act = _act(form, chance, own)
    # A browser leaves out the line break that a text field begins with on the page; lxml does not.
    standing = {str(area.name): (area.value or "").removeprefix("\n") for area in form.xpath(".//textarea")}
    return WritingAct(act.address, standing | act.values)


def _act(form: Any, chance: random.Random, own: str) -> WritingAct:
    if form.xpath(".//button[@name='accept']"):
        return _decision(form, chance)
    box = (form.fields["text"] or "").removeprefix("\n")
    if box.strip():
        return WritingAct(values={"text": box + EDIT if chance.random() < EDITING else box})
    addresses = _addresses(form, "assemble")
    if addresses and chance.random() < ANSWERING:
        return WritingAct(addresses[0], _answers(form, chance))
    return WritingAct(values={"text": own})


def _decision(form: Any, chance: random.Random) -> WritingAct:
    decision = chance.choice(["accept", "edited", "refused"])
    if decision == "accept":
        return WritingAct(values={"accept": "yes"})
    return WritingAct(_addresses(form, "proposal")[0], {"decision": decision})


def _answers(form: Any, chance: random.Random) -> dict[str, str]:
    """Return something for every question, and for one of them at least more than nothing."""
    texts = dict.fromkeys(form.xpath(".//textarea[@name!='text']/@name"))
    choices = dict.fromkeys(form.xpath(".//input[@type='radio']/@name"))
    given = {name: chance.choice(ANSWERS) for name in texts}
    given |= {name: chance.choice([value for value in form.inputs[name].value_options if value]) for name in choices}
    return given if any(given.values()) else dict.fromkeys(given, ANSWERS[0])


def _addresses(form: Any, button: str) -> list[str]:
    return list(form.xpath(".//button/@formaction[contains(., $button)]", button=f"/{button}/"))
