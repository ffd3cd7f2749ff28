"""How the people of a study weigh attributes of texts, such as length, in what they rate."""

from collections import defaultdict

from annotation.models import Output, Study
from modelhub.analysis.data import load_data
from modelhub.results.attributes import Weighing
from modelhub.stats.attributes import WeighedPair, weights


def people_weighing(study: Study) -> list[Weighing]:
    """Return how the people of a study weigh, by question: the difference of their ratings of two systems' outputs.

    Only main parts of people who are not excluded count; a study that does not compare two systems has none.
    """
    data = load_data(study)
    texts = dict(Output.objects.filter(persona__item__study=study).values_list("key", "text"))
    cells: defaultdict[tuple[str, str], dict[str, tuple[str, str, str, int]]] = defaultdict(dict)
    for answer in data.main:
        if not answer.excluded and answer.output and answer.system in (data.base, data.test) and answer.system:
            value = data.questions[answer.aspect].score(answer.value)
            cells[answer.aspect, answer.assignment][answer.system] = (
                answer.participant, answer.item, texts.get(answer.output, ""), value,
            )  # fmt: skip
    rows: defaultdict[str, list[WeighedPair]] = defaultdict(list)
    for (aspect, _), sides in cells.items():
        if len(sides) == 2 and data.base is not None and data.test is not None:
            (who, item, first, mine), (_, _, second, theirs) = sides[data.test], sides[data.base]
            if first and second:
                rows[aspect].append(WeighedPair(who, first, second, float(mine - theirs), item))
    return [
        Weighing(who="people", name=study.slug, question=aspect, clustered_by=["participants", "prompts"],
                 weights=weights(found, crossed=True))
        for aspect, found in rows.items()
    ]  # fmt: skip
