"""Few-shot as a strategy: worked examples of a stored split that a system is shown before each prompt."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from annotation.errors import ServiceError
from modelhub.models import Direction, PreferencePair
from modelhub.prompting.endings import before_end
from modelhub.prompting.layouts import PersonaStyle
from modelhub.prompting.persona_text import persona_as_data
from modelhub.queries.datasets import inferring_system, splits_of
from modelhub.queries.persona_sources import named_rows
from modelhub.queries.personas import gold_personas

SPLIT = "fewshot"
SHOTS = 5  # of the published setting
NO_PERSONA = "none"
PERSONAS = (*Direction.values, NO_PERSONA)


@dataclass(frozen=True)
class FewShot:
    """Exemplars (prompt, persona, response) in the order of their rows, and the rows that could be none."""

    exemplars: list[dict[str, str]]
    left_out: Sequence[PreferencePair]

    @property
    def note(self) -> str:
        """What to tell of rows that were passed over; empty if there were none."""
        return (
            f"Passed over, without a persona or a response: {named_rows([pair.row for pair in self.left_out])}."
            if self.left_out
            else ""
        )


def few_shot_exemplars(*, source: str, shots: int, persona: str, inferring: str = "") -> FewShot:
    """Return the first `shots` rows of a split (`NAME` or `NAME/SPLIT`) that have the persona and its response.

    The response is the one that the persona explains, as it is stored up to its end-of-text token; without personas,
    the chosen one. Raises ServiceError for unknown names and for too few rows.
    """
    exemplars: list[dict[str, str]] = []
    left_out = []
    dataset, split = split_named(source, default=SPLIT)
    for pair, exemplar in exemplars_of(dataset, split, persona=persona, inferring=inferring):
        if len(exemplars) == shots:
            break
        if exemplar is None:
            left_out.append(pair)
        else:
            exemplars.append(exemplar)
    found = FewShot(exemplars, left_out)
    if len(exemplars) < shots:
        raise ServiceError(
            f"{dataset}/{split} gives {len(exemplars)} exemplars of the {shots} asked for. {found.note}".strip()
        )
    return found


def exemplars_of(
    dataset: str, split: str, *, persona: str, inferring: str = ""
) -> Iterator[tuple[PreferencePair, dict[str, str] | None]]:
    """Yield the pairs of a split in the order of their rows, each as an exemplar; None where it can be none.

    Raises ServiceError if nothing has inferred personas, or if it is not clear whose are meant.
    """
    direction = Direction.CHOSEN if persona == NO_PERSONA else Direction(persona)
    personas = {}
    if persona != NO_PERSONA:
        personas = gold_personas(dataset, [split], inferring_system(dataset, inferring))
    for pair in PreferencePair.objects.filter(dataset=dataset, split=split).order_by("row", "pk").iterator():
        text = persona_as_data(personas.get(pair.pk, {}).get(direction, "")).strip()
        response = before_end(pair.chosen if direction == Direction.CHOSEN else pair.rejected)
        complete = response.strip() and (persona == NO_PERSONA or text)
        yield pair, {"prompt": pair.prompt, "persona": text, "response": response} if complete else None


def check_style(style: str, persona: str) -> None:
    """Raise ServiceError if the exemplars would have personas that this persona style does not show in them."""
    if persona != NO_PERSONA and style in (PersonaStyle.NONE, PersonaStyle.SYSTEM_MESSAGE):
        raise ServiceError(
            f"With the persona style {style}, exemplars are shown without personas: give --few-shot-persona "
            f"{NO_PERSONA}, or another --persona-style."
        )


def split_named(source: str, *, default: str) -> tuple[str, str]:
    """Return data set and split of `NAME` or `NAME/SPLIT`; a data set's name may hold a slash of its own.

    Raises ServiceError if they are not stored.
    """
    if PreferencePair.objects.filter(dataset=source).exists():
        dataset, split = source, default
    else:
        dataset, slash, split = source.rpartition("/")
        dataset, split = (dataset, split) if slash else (source, default)
    return dataset, splits_of(dataset, [split])[0]
