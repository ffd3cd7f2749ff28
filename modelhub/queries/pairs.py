"""Reads for the pages of preference pairs: to find them, and everything that is known of one of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy as _

from modelhub.models import (
    Direction,
    InferredPersona,
    PersonaCheck,
    PersonaComparison,
    PreferencePair,
    RetrievedPersona,
    System,
)
from modelhub.queries.checks import picked

PAIRS_PER_PAGE = 20
FLAG_KINDS = ("form", "length", "copied", "protected", "harm", "empty")
WRONG, DISAGREEING, UNSCORED = "wrong", "disagreeing", "unscored"
VERDICTS = {
    WRONG: _("Judged wrong in every scored order"),
    DISAGREEING: _("Orders disagree"),
    UNSCORED: _("An answer is unscored"),
}


@dataclass(frozen=True)
class PairSearch:
    """Which pairs to list; empty values do not restrict. Flags and verdicts are those of `system`'s personas."""

    dataset: str = ""
    split: str = ""
    q: str = ""
    system: str = ""
    flag: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class PairRow:
    """A pair with its two personas by one system, None where there is none."""

    pair: PreferencePair
    chosen: InferredPersona | None
    rejected: InferredPersona | None


@dataclass(frozen=True)
class SystemPersonas:
    """What one system inferred from a pair, with the judges' verdicts."""

    system: System
    personas: list[InferredPersona]
    comparisons: list[PersonaComparison]

    @property
    def is_judged(self) -> bool:
        return bool(self.comparisons) or any(persona.checks.all() for persona in self.personas)


@dataclass(frozen=True)
class RetrievedRow:
    """A training pair that was found for a pair, with its personas."""

    found: RetrievedPersona
    personas: list[InferredPersona]


def known_splits() -> list[tuple[str, str]]:
    """Return (data set, split) of all stored pairs."""
    return list(PreferencePair.objects.order_by("dataset", "split").values_list("dataset", "split").distinct())


def inferring_systems(dataset: str = "") -> list[str]:
    """Return the names of the systems that inferred personas, of one data set or any."""
    personas = InferredPersona.objects.filter(pair__dataset=dataset) if dataset else InferredPersona.objects.all()
    return list(personas.order_by("system__name").values_list("system__name", flat=True).distinct())


def found_pairs(search: PairSearch, page: str | None) -> Page[PreferencePair]:
    """Return a page of the pairs that match, in the order of their rows."""
    pairs = PreferencePair.objects.order_by("dataset", "split", "row", "pk")
    if search.dataset:
        pairs = pairs.filter(dataset=search.dataset)
    if search.split:
        pairs = pairs.filter(split=search.split)
    if search.q:
        pairs = pairs.filter(prompt__icontains=search.q)
    personas = InferredPersona.objects.filter(system__name=search.system)
    if search.flag:
        # The form in which both databases write JSON; a quotation mark inside a detail would be escaped.
        flagged = personas.annotate(written=Cast("flags", TextField()))
        pairs = pairs.filter(pk__in=flagged.filter(written__contains=f'"kind": "{search.flag}"').values("pair"))
    if search.verdict:
        judged = _judged(search.verdict).filter(persona__system__name=search.system)
        pairs = pairs.filter(pk__in=judged.values("persona__pair"))
    return Paginator(pairs, PAIRS_PER_PAGE).get_page(page)


def pair_rows(pairs: Sequence[PreferencePair], system: str) -> list[PairRow]:
    """Return the pairs with the personas that the system inferred from them."""
    personas = InferredPersona.objects.filter(pair__in=list(pairs), system__name=system)
    by_side = {(persona.pair_id, persona.direction): persona for persona in personas}
    return [
        PairRow(pair, by_side.get((pair.pk, Direction.CHOSEN)), by_side.get((pair.pk, Direction.REJECTED)))
        for pair in pairs
    ]


def personas_by_system(pair: PreferencePair) -> list[SystemPersonas]:
    """Return what each system inferred from the pair, the chosen persona first, with all verdicts."""
    checks = PersonaCheck.objects.select_related("judge", "generation").order_by("judge__name", "rubric", "order")
    personas = (
        InferredPersona.objects.filter(pair=pair)
        .select_related("system")
        .prefetch_related(Prefetch("checks", queryset=checks))
        .order_by("system__name", "direction")  # `chosen` stands before `rejected` in the alphabet too
    )
    compared = PersonaComparison.objects.filter(chosen__pair=pair).select_related("judge", "generation", "chosen")
    comparisons = list(compared.order_by("judge__name", "rubric", "order"))
    found: dict[int, SystemPersonas] = {}
    for persona in personas:
        mine = [comparison for comparison in comparisons if comparison.chosen.system_id == persona.system_id]
        found.setdefault(persona.system_id, SystemPersonas(persona.system, [], mine)).personas.append(persona)
    return list(found.values())


def retrieved_for(pair: PreferencePair) -> list[RetrievedRow]:
    """Return the training pairs found for the pair, best first for each retriever, with their personas."""
    personas = InferredPersona.objects.select_related("system").order_by("direction", "system__name")
    found = (
        RetrievedPersona.objects.filter(pair=pair)
        .select_related("source")
        .prefetch_related(Prefetch("source__personas", queryset=personas))
        .order_by("retriever", "rank")
    )
    return [RetrievedRow(row, list(row.source.personas.all())) for row in found]


def neighbours(pair: PreferencePair) -> tuple[PreferencePair | None, PreferencePair | None]:
    """Return the pairs before and after this one in its split."""
    split = PreferencePair.objects.filter(dataset=pair.dataset, split=pair.split)
    before = split.filter(Q(row__lt=pair.row) | Q(row=pair.row, pk__lt=pair.pk)).order_by("-row", "-pk")
    after = split.filter(Q(row__gt=pair.row) | Q(row=pair.row, pk__gt=pair.pk)).order_by("row", "pk")
    return before.first(), after.first()


def _judged(verdict: str) -> QuerySet[PersonaCheck]:
    """Return checks of personas that the verdict holds for; each judge and rubric by itself."""
    checks = PersonaCheck.objects.order_by()
    if verdict == UNSCORED:
        return checks.filter(verdict="")
    same = {name: OuterRef(name) for name in ("persona", "judge", "rubric")}
    right = PersonaCheck.objects.filter(picked("A", "B"), **same)
    wrong = checks.filter(picked("B", "A"))
    if verdict == WRONG:
        return wrong.exclude(Exists(right))
    return wrong.filter(Exists(right))
