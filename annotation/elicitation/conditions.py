"""Who writes in which condition: a pure function of the seed and the counts so far, as annotation/allocation.py is."""

from collections.abc import Hashable, Mapping

from annotation.allocation import draw_of

FREE, ELICITED, BOTH = "free", "elicited", "both"
CONDITIONS = (FREE, ELICITED)


def choose_condition(
    *, seed: int, participant: int, key: Hashable, mine: Mapping[str, int], of_item: Mapping[str, int]
) -> str:
    """Return the condition of a participant's next part: the one that they have had less of.

    After every part both stand equally often, give or take one. Where they stand equal, the one that the item has been
    written in less comes, and where that is equal too, a seeded draw decides.
    """
    least = min(mine.get(name, 0) for name in CONDITIONS)
    fitting = [name for name in CONDITIONS if mine.get(name, 0) == least]
    rarest = min(of_item.get(name, 0) for name in fitting)
    fitting = [name for name in fitting if of_item.get(name, 0) == rarest]
    return fitting[draw_of(seed, participant, key, "condition") % len(fitting)]
