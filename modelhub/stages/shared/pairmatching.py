"""Which stored pair and persona an output from a file belongs to: by its rendered prompt, or by key or prompt."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from annotation.rowfiles import Record
from modelhub.models import PairOutput, PreferencePair
from modelhub.profiles import DatasetProfile
from modelhub.prompting.endings import completion, whole_answer
from modelhub.prompting.layouts import PersonaStyle
from modelhub.queries.persona_sources import SourceTexts
from modelhub.stages.shared.matching import RESPONSE, GivenPersona, match_released, released_completion, shown

_PERSONA = "\nPersona: "


@dataclass(frozen=True)
class MatchedOutput:
    """One output to be stored: `text` as a reader sees it, `completion` without the given start of the answer.

    `rendered_prompt` is empty where the file does not say what the model was given.
    """

    place: str
    pair: int
    persona: str
    text: str
    completion: str = ""
    rendered_prompt: str = ""
    finish_reason: str = ""


@dataclass
class PairMatches:
    """What became of a file's rows. `styles` are those in which its personas can have entered the prompts, none where
    it does not say; `from_file` counts personas that only the file knows."""

    rows: list[MatchedOutput]
    unmatched: list[str]
    styles: tuple[PersonaStyle, ...] = ()
    from_file: int = 0


class SplitUnits:
    """The pairs of a split with the persona that a source gives each, ready to be found by what a model was given."""

    def __init__(self, pairs: Sequence[PreferencePair], given: SourceTexts, profile: DatasetProfile) -> None:
        self._pairs = pairs
        self._profile = profile
        self._starts = {pair.pk: profile.answer_start(pair.prompt) for pair in pairs}
        self._units = [self._unit(pair, given.texts[pair.pk]) for pair in pairs if pair.pk in given.texts]
        self._source = given.source
        self._lacking = given.missing
        # A persona that is not stored may stand in outputs that were imported of another system.
        others = PairOutput.objects.filter(pair__in=[pair.pk for pair in given.missing], source=given.source)
        known: dict[int, set[str]] = defaultdict(set)
        for pair_id, persona in others.order_by().values_list("pair_id", "persona"):
            known[pair_id].add(persona)
        by_id = {pair.pk: pair for pair in pairs}
        self._units += [self._unit(by_id[pk], persona) for pk, texts in known.items() for persona in sorted(texts)]

    def released(self, records: Sequence[Record]) -> PairMatches:
        """Match rows of the released layout by their rendered prompt.

        A persona that is stored nowhere is read from the prompt where it has a line of its own.
        """
        written = list(self._written(records))
        matches = match_released(records, [*self._units, *written])
        used = {unit.persona_id for match in matches.matched for unit in match.units}
        return PairMatches(
            [row for match in matches.matched for row in self._released_rows(match.record, match.units)],
            [_less_study(line) for line in matches.unmatched],
            matches.styles if self._source != "none" else (),
            len({unit.persona_id for unit in written} & used),
        )

    def generic(self, records: Sequence[Record]) -> PairMatches:
        """Match rows by `key` or `prompt`, and by `persona` where a row brings one."""
        found = PairMatches([], [])
        by_name: dict[str, list[PreferencePair]] = defaultdict(list)
        for pair in self._pairs:
            by_name[pair.key].append(pair)
            by_name[shown(pair.prompt)].append(pair)
        personas = {unit.persona_id: unit.persona for unit in self._units}
        for record in records:
            row = self._generic_row(record, by_name, personas)
            if isinstance(row, MatchedOutput):
                found.rows.append(row)
            else:
                found.unmatched.append(f"{record.place}: {row}")
        return found

    def _unit(self, pair: PreferencePair, persona: str) -> GivenPersona:
        return GivenPersona(pair.pk, "", persona, pair.key, pair.prompt, self._starts[pair.pk])

    def _written(self, records: Sequence[Record]) -> Iterator[GivenPersona]:
        known = {unit.persona_id for unit in self._units}
        lacking: dict[str, list[PreferencePair]] = defaultdict(list)
        for pair in (pair for pair in self._lacking if pair.pk not in known):
            lacking[shown(f"Prompt: {pair.prompt}")].append(pair)
        for record in records:
            asked, _, _ = str(record.values["prompt"]).rpartition(RESPONSE)
            prompt, _, persona = asked.rpartition(_PERSONA)
            for pair in lacking.get(shown(prompt), ()) if prompt else ():
                yield self._unit(pair, persona)

    def _released_rows(self, record: Record, units: Iterable[GivenPersona]) -> Iterator[MatchedOutput]:
        made = released_completion(record)
        for unit in units:
            yield MatchedOutput(
                record.place, unit.persona_id, unit.persona, whole_answer(unit.answer_start, made.text),
                made.text, str(record.values["prompt"]), made.finish_reason,
            )  # fmt: skip

    def _generic_row(
        self, record: Record, by_name: Mapping[str, Sequence[PreferencePair]], personas: Mapping[int, str]
    ) -> MatchedOutput | str:
        name = shown(record.values.get("key") or record.values.get("prompt"))
        pairs = by_name.get(name, ())
        if len(pairs) != 1:
            return f"{'no pair' if not pairs else f'{len(pairs)} pairs'} of the split have this key or prompt."
        persona = str(record.values.get("persona") or "").strip() or personas.get(pairs[0].pk)
        if persona is None:
            return f"row {pairs[0].row} has no stored persona of this source; bring it in a column persona."
        if self._source == "none" and persona:
            return "brings a persona, and --persona says none."
        text = whole_answer(self._starts[pairs[0].pk], completion(str(record.values["text"])).text)
        return MatchedOutput(record.place, pairs[0].pk, persona, text)


def _less_study(line: str) -> str:
    return f"{line.partition(':')[0]}: no pair and persona of the split give this row's prompt."
