"""Win, tie, loss and Delta-PQ."""

import pytest

from modelhub.stats.winrate import Verdict, pair_outcomes, win_rates

# (win, tie, loss) for personalization and quality, and Delta-PQ as published in Balepur et al. (2025).
PUBLISHED = [
    ("BT chosen retr", (233, 146, 120), (192, 152, 155), 21.3),
    ("BT chosen gold", (211, 146, 142), (174, 169, 156), 12.5),
    ("BT rejected retr", (225, 158, 116), (175, 162, 162), 17.9),
    ("BT rejected gold", (255, 129, 115), (176, 163, 160), 21.3),
    ("HHH chosen retr", (204, 127, 169), (175, 140, 185), 3.3),
    ("HHH chosen gold", (210, 137, 153), (195, 122, 183), 9.4),
    ("HHH rejected retr", (281, 105, 114), (243, 123, 134), 35.6),
    ("HHH rejected gold", (270, 103, 126), (223, 130, 146), 28.6),
    ("Mnemonic chosen retr", (213, 156, 131), (201, 158, 141), 20.7),
    ("Mnemonic rejected retr", (187, 163, 150), (210, 137, 153), 13.3),
]


def verdicts(metric: str, win: int, tie: int, loss: int) -> list[Verdict]:
    """Both orders of each pair; ties are order-inconsistent, as most are."""
    rows = []
    for number, outcome in enumerate(["win"] * win + ["tie"] * tie + ["loss"] * loss):
        base_first, test_first = {"win": ("B", "A"), "tie": ("A", "A"), "loss": ("A", "B")}[outcome]
        rows.append(Verdict(str(number), metric, "base_first", base_first))
        rows.append(Verdict(str(number), metric, "test_first", test_first))
    return rows


@pytest.mark.parametrize(("name", "personalization", "quality", "published"), PUBLISHED)
def test_published_rows_are_reproduced_from_their_counts(name, personalization, quality, published):
    rows = verdicts("personalization", *personalization) + verdicts("quality", *quality)
    report = win_rates(pair_outcomes(rows))
    metric = report["metrics"]["personalization"]
    assert (metric["win"], metric["tie_order"], metric["loss"]) == personalization
    assert round(report["delta_pq"], 1) == published
    low, high = report["delta_pq_ci"]
    assert low < report["delta_pq"] < high


@pytest.mark.parametrize(
    ("base_first", "test_first", "outcome"),
    [
        ("B", "A", "win"),
        ("A", "B", "loss"),
        ("A", "A", "tie_order"),
        ("B", "B", "tie_order"),
        ("tie", "tie", "tie_genuine"),
        ("tie", "A", "tie_order"),
        (None, "A", "invalid"),
        ("B", None, "invalid"),
        (None, None, "invalid"),
    ],
)
def test_a_pair_is_decided_by_both_orders(base_first, test_first, outcome):
    rows = [Verdict("1", "quality", "base_first", base_first), Verdict("1", "quality", "test_first", test_first)]
    assert pair_outcomes(rows)["quality"]["1"] == outcome


def test_a_missing_order_is_invalid_and_never_a_win():
    assert pair_outcomes([Verdict("1", "quality", "test_first", "A")])["quality"]["1"] == "invalid"


def test_invalid_pairs_are_counted_apart_and_left_out_of_the_shares():
    rows = verdicts("quality", 3, 0, 1) + [Verdict("x", "quality", "base_first", None)]
    metric = win_rates(pair_outcomes(rows))["metrics"]["quality"]
    assert (metric["n"], metric["invalid"], metric["net_win"], metric["win_share"]) == (4, 1, 0.5, 0.75)


def test_without_decided_pairs_delta_pq_is_undefined_with_a_reason():
    report = win_rates(pair_outcomes(verdicts("quality", 0, 5, 0) + verdicts("personalization", 1, 0, 0)))
    assert report["delta_pq"] is None
    assert report["reasons"]["delta_pq"] == "no_decided_pairs"
    assert report["metrics"]["quality"]["win_share_ci"] is None


def test_a_second_verdict_for_the_same_order_is_refused():
    with pytest.raises(ValueError, match="two verdicts"):
        pair_outcomes([Verdict("1", "quality", "base_first", "A")] * 2)
