"""Results of made-up studies, in the form of modelhub/analysis/results.py, without a database."""

import json
import random
from collections import Counter
from fractions import Fraction
from typing import Any

from modelhub.stats.agreement import agreement_report
from modelhub.stats.effects import PairedRating
from modelhub.stats.paired import paired_report
from modelhub.stats.ratings import Level, make_ratings

LABELS = ["Not at all", "Slightly", "Moderately", "Very", "Completely"]
YES_NO = ["Yes", "No"]
SYSTEMS = ("dpo", "pt-dpo")


def output_rating_results(
    *, participants: int = 8, items: int = 18, effect: float = 0.8, seed: int = 1, shared: bool = False
) -> dict[str, Any]:
    """Return the results of an own-persona study with a planted difference in personalization."""
    rng = random.Random(seed)
    questions = [_question("answerability"), _question("personalization"), _comparison_question()]
    effects = {"answerability": 0.0, "personalization": effect}
    pairs = {key: _pairs(rng, participants, items, shift, shared) for key, shift in effects.items()}
    strata = {"": pairs, **{name: _of_stratum(pairs, place) for place, name in enumerate(("advice", "dialogue"))}}
    body = {
        "participants": participants,
        "strata": {name: _stratum(found, participants) for name, found in strata.items()},
        "position": {key: _position(rng) for key in effects},
        "order": {"answerability": {"slope": 0.01, "ci": [-0.02, 0.04], "reason": None},
                  "personalization": {"slope": None, "ci": None, "reason": "no_data"}},
        "length": _length(rng, pairs),
        "agreement": {
            "note": "Ratings of one's own persona have one rater each: inter-rater agreement cannot be estimated.",
            "designs": {
                "overlap": {key: _agreement(rng, 30, 2) for key in effects},
                "repeat": {"personalization": _agreement(rng, 6, 2)},
            },
        },
        "persona": {},
        "judge": _judge(),
        "checks": _checks(participants),
    }  # fmt: skip
    return _results("output_rating", questions, body, participants)


def persona_results(*, pairs: int = 40, effect: float = 0.6, seed: int = 2) -> dict[str, Any]:
    """Return the results of a persona assessment with a planted difference in applicability."""
    rng = random.Random(seed)
    questions = [_question("plausibility", kind="persona"), _question("applicability", kind="persona"),
                 _question("harmful", kind="persona", labels=YES_NO)]  # fmt: skip
    effects = {"plausibility": 0.0, "applicability": effect}
    persona = {key: _persona_aspect(rng, pairs, shift) for key, shift in effects.items()}
    persona["harmful"] = _persona_shares(pairs)
    persona["accuracy"] = _accuracy(pairs)
    stratum = _persona_stratum(rng, effects, pairs)
    body = {
        "participants": 3,
        "strata": {"": stratum},
        "position": {},
        "order": {key: {"slope": 0.0, "ci": [-0.1, 0.1], "reason": None} for key in effects},
        "length": {"rows": [], "sampled": False, "of": 0, "correlation": {}},
        "agreement": {"note": "", "designs": {"shared_personas": {key: _agreement(rng, 60, 3) for key in effects}}},
        "persona": persona,
        "judge": None,
        "checks": _checks(3),
    }
    return _results("persona_assessment", questions, body, 3)


def empty_results() -> dict[str, Any]:
    """Return the results of a study in which nobody rated anything."""
    results = output_rating_results(participants=2, items=1)
    reason = {"slope": None, "ci": None, "reason": "no_data"}
    nothing = {name: {"n": 0, "mean": None, "sd": None, "counts": {}, "reasons": {"mean": "no_data", "sd": "no_data"}}
               for name in SYSTEMS}  # fmt: skip
    comparison = {**_compared([], 0), "participant_means": []}
    body = {
        "participants": 0,
        "strata": {"": {"descriptives": {"personalization": nothing}, "comparisons": {"personalization": comparison},
                        "win_rates": {"aspects": {}, "delta_pq": None, "delta_pq_ci": None, "delta_pq_aspects": None,
                                      "reasons": {"delta_pq": "no_data"}},
                        "words": {name: {"mean": None, "sd": None, "n": 0, "reasons": {"mean": "no_data"}}
                                  for name in SYSTEMS}}},
        "position": {"personalization": {"left_mean": None, "right_mean": None, "difference": None, "ci": None,
                                         "p": None, "reason": "no_data"}},
        "order": {"personalization": reason},
        "length": {"rows": [], "sampled": False, "of": 0,
                   "correlation": {"personalization": {"spearman": None, "n": 0, "reason": "no_data"}}},
        "agreement": {"note": "", "designs": {"overlap": {"personalization": {"people": 0, "pooled": agreement_report(
            make_ratings([], [], [], level=Level.ORDINAL, domain=[1, 2, 3, 4, 5])).model_dump(mode="json")}}}},
        "persona": {}, "judge": None, "checks": {"rules": [], "flags": {}, "failed": 0, "participants": []},
    }  # fmt: skip
    results["analysis"] = dict.fromkeys(results["populations"], body)
    return as_json(results)


def as_json(results: dict[str, Any]) -> dict[str, Any]:
    """Return the results as they come back from a file."""
    return dict(json.loads(json.dumps(results, allow_nan=False)))


def _results(kind: str, questions: list[dict[str, Any]], body: dict[str, Any], participants: int) -> dict[str, Any]:
    systems = [
        {"name": name, "arm": arm, "is_control": arm == 1, "engine": "imported", "persona_style": "field",
         "fingerprint": f"{arm}" * 64}
        for arm, name in enumerate(SYSTEMS, start=1)
    ]  # fmt: skip
    study = {"slug": "made-up", "version": 1, "title": "A made-up <study> & its results", "kind": kind,
             "state": "closed", "protocol_hash": "f" * 64, "demonstration": False, "include_bots": False,
             "questions": questions, "systems": systems, "base": SYSTEMS[0], "test": SYSTEMS[1],
             "strata": ["advice", "dialogue"], "family": ["personalization", "applicability"],
             "margin": {"answerability": 0.25}}  # fmt: skip
    flow = {
        "steps": [{"key": key, "label": label, "n": n} for key, label, n in (
            ("invited", "Invited", participants + 3), ("consented", "Consented", participants + 2),
            ("started", "Started", participants + 1), ("completed", "Completed", participants),
            ("excluded", "Excluded", 1), ("analysed", "Analysed", participants - 1))],
        "left": [{"key": "declined", "label": "Declined", "n": 1}, {"key": "screened_out", "label": "Screened out",
                                                                    "n": 0}],
        "excluded": [{"reason": "Failed 2 attention checks", "n": 1, "rule_fixed_beforehand": True}],
        "analysed": participants - 1, "analysed_all": participants, "excluded_pairs": 1, "withdrawn": 1, "erased": 0,
    }  # fmt: skip
    footer = {"command": "manage.py analyze made-up --out report", "seed": 0, "replicates": 1000,
              "versions": {"personaeval": "1.0", "numpy": "2.0"}, "git": {"commit": "a" * 40, "dirty": False},
              "data_sha256": "d" * 64, "protocol_hash": "f" * 64, "generated_at":
              "2025-01-02T03:04:05+00:00"}  # fmt: skip
    populations = ["all", "without_excluded"]
    return as_json({
        "format": 1, "study": study, "flow": flow, "populations": populations,
        "analysis": dict.fromkeys(populations, body), "footer": footer,
    })  # fmt: skip


def _question(key: str, *, kind: str = "rating", labels: list[str] | None = None) -> dict[str, Any]:
    labels = labels or LABELS
    return {"key": key, "name": key.capitalize(), "kind": kind, "level": "ordinal" if len(labels) > 2 else "nominal",
            "question": f"How much {key} is there for you?", "question_for_others": f"How much {key} for them?",
            "labels": labels, "minimum": 1, "maximum": len(labels)}  # fmt: skip


def _comparison_question() -> dict[str, Any]:
    return {
        **_question("preference", kind="comparison", labels=["Left", "Right", "Tie", "Both bad"]),
        "level": "nominal",
    }


def _pairs(rng: random.Random, participants: int, items: int, effect: float, shared: bool) -> list[PairedRating]:
    rows = []
    for person in range(1, participants + 1):
        own = rng.gauss(effect, 0.2)
        for item in range(items):
            base = rng.randint(2, 4)
            test = min(5, max(1, base + round(rng.gauss(own, 1))))
            name = f"item-{item}" if shared else f"item-{person}-{item}"
            rows.append(PairedRating(f"P-{person:03}", name, base=Fraction(base), test=Fraction(test)))
    return rows


def _of_stratum(pairs: dict[str, list[PairedRating]], place: int) -> dict[str, list[PairedRating]]:
    return {key: rows[place::2] for key, rows in pairs.items()}


def _stratum(pairs: dict[str, list[PairedRating]], participants: int) -> dict[str, Any]:
    return {
        "descriptives": {key: _described({SYSTEMS[0]: [int(pair.base) for pair in rows],
                                          SYSTEMS[1]: [int(pair.test) for pair in rows]})
                         for key, rows in pairs.items()},
        "comparisons": {key: _compared(rows, participants, margin=0.25 if key == "answerability" else None,
                                       family="confirmatory" if key == "personalization" else "exploratory")
                        for key, rows in pairs.items()},
        "win_rates": {"aspects": {"preference": _wins(pairs["personalization"])}, "delta_pq": None,
                      "delta_pq_ci": None, "delta_pq_aspects": None, "reasons": {"delta_pq": "no_data"}},
        "words": {name: {"mean": 120.0 - 20 * place, "sd": 30.0, "n": 144, "reasons": {}}
                  for place, name in enumerate(SYSTEMS)},
    }  # fmt: skip


def _described(values: dict[str, list[int]]) -> dict[str, Any]:
    described = {}
    for name, rows in values.items():
        mean = sum(rows) / len(rows)
        sd = (sum((value - mean) ** 2 for value in rows) / max(len(rows) - 1, 1)) ** 0.5
        counts = Counter(rows)
        described[name] = {"n": len(rows), "mean": mean, "sd": sd,
                           "counts": {value: counts[value] for value in range(1, 6)}, "reasons": {}}  # fmt: skip
    return described


def _compared(
    rows: list[PairedRating], participants: int, *, margin: float | None = None, family: str = "exploratory"
) -> dict[str, Any]:
    report = paired_report(rows, margin=margin).model_dump(mode="json")
    adjusted = None if report["ci"] is None else report["mean_difference"] + 0.05
    own: dict[str, list[Fraction | int]] = {}
    for pair in rows:
        own.setdefault(pair.participant, []).append(pair.difference)
    return {
        **report,
        "n_raters_of_both": participants,
        "family": family,
        "holm_p": report["headline_p"] if family == "confirmatory" else None,
        "length_adjusted": {"mean_difference": adjusted, "ci": report["ci"], "p": None, "slope_per_100_words": 0.1,
                            "words_difference": -20.0, "method": "within-pair regression", "reason":
                            None if rows else "no_data"},
        "participant_means": [{"participant": name, "difference": float(sum(values) / len(values)),
                               "pairs": len(values)} for name, values in own.items()],
    }  # fmt: skip


def _wins(rows: list[PairedRating]) -> dict[str, Any]:
    win, loss = sum(pair.difference > 0 for pair in rows), sum(pair.difference < 0 for pair in rows)
    tie = len(rows) - win - loss
    return {"source": "comparison", "n": len(rows), "win": win, "tie": tie, "both_bad": 0, "loss": loss,
            "net_win": (win - loss) / len(rows), "net_win_mean": (win - loss) / len(rows), "net_win_ci": [0.1, 0.5],
            "sign_flip_p": 0.0078, "prompt_sign_flip_p": 0.0312, "headline_p": 0.0312,
            "win_share": win / (win + loss), "win_share_ci": [0.6, 0.8], "holm_p": None,
            "family": "exploratory", "reasons": {"holm_p": "exploratory"}}  # fmt: skip


def _position(rng: random.Random) -> dict[str, Any]:
    return {"left_mean": 3.1, "right_mean": 3.0, "difference": 0.1 * rng.random(), "ci": [-0.1, 0.2], "p": 0.4,
            "reason": None}  # fmt: skip


def _length(rng: random.Random, pairs: dict[str, list[PairedRating]]) -> dict[str, Any]:
    rows = [
        {"participant": pair.participant, "item": pair.item, "system": system,
         "words": rng.randint(40, 200) - 20 * place, "aspect": key, "value": int(value)}
        for key, found in pairs.items() for pair in found
        for place, (system, value) in enumerate(zip(SYSTEMS, (pair.base, pair.test), strict=True))
    ]  # fmt: skip
    correlation = {key: {"spearman": -0.12, "n": len(found) * 2, "reason": None} for key, found in pairs.items()}
    return {"rows": rows, "sampled": False, "of": len(rows), "correlation": correlation}


def _agreement(rng: random.Random, items: int, raters: int) -> dict[str, Any]:
    def report(count: int) -> dict[str, Any]:
        triples = []
        for item in range(count):
            truth = rng.randint(1, 5)
            for rater in range(raters):
                triples.append((f"P-{rater + 1:03}", f"item-{item}", min(5, max(1, truth + rng.randint(-1, 1)))))
        names, places, values = zip(*triples, strict=True)
        return agreement_report(
            make_ratings(list(names), list(places), list(values), level=Level.ORDINAL, domain=[1, 2, 3, 4, 5]),
            replicates=200,
        ).model_dump(mode="json")

    by_system = {name: report(items // 2) for name in SYSTEMS}
    return {"people": raters, "pooled": report(items), "by_system": by_system, "by_stratum": {}}


def _judge() -> dict[str, Any]:
    rows = ("human win", "human tie", "human loss")
    table = {row: {"judge win": 5 - n, "judge tie": 2, "judge loss": 1 + n} for n, row in enumerate(rows)}
    metric = {"aspect": "personalization", "units": 25, "n": 24, "invalid": 1, "table": table,
              "agreement_with_ties": 0.42, "agreement_with_ties_ci": [0.25, 0.6], "agreement_without_ties": 0.55,
              "kappa": 0.12, "human_ceiling": 0.6, "human_ceiling_without_ties": 0.7, "ceiling_units": 10,
              "judge_order_consistency": 0.8, "reasons": {}}  # fmt: skip
    return {"metrics": {"personalization": metric}, "unmatched": 2, "metrics_not_asked": ["quality"]}


def _checks(participants: int) -> dict[str, Any]:
    return {
        "rules": ["Two attention checks failed."], "flags": {"failed_checks": 1}, "failed": 1,
        "participants": [{"participant": f"P-{n:03}", "checks_failed": int(n == 1), "flags":
                          ["failed_checks"] if n == 1 else [], "excluded": n == 1, "median_seconds": 30.5,
                          "repeat_exact": 0.5, "repeat_n": 4} for n in range(1, participants + 1)],
    }  # fmt: skip


def _persona_aspect(rng: random.Random, pairs: int, effect: float) -> dict[str, Any]:
    rows = [PairedRating(f"pair-{n}", f"pair-{n}", base=Fraction(rng.randint(6, 10), 3),
                 test=Fraction(rng.randint(6, 10) + round(effect * 3), 3)) for n in range(pairs)]  # fmt: skip
    compared = {**paired_report(rows).model_dump(mode="json"), "unit": "preference pair", "holm_p": 0.01,
                "family": "confirmatory", "caveat": "The raters are fixed."}  # fmt: skip
    sides = {"chosen": _side([float(row.test) for row in rows]), "rejected": _side([float(row.base) for row in rows])}
    part = {**sides, "comparison": compared}
    return {
        "measure": "mean",
        **part,
        "holm_p": 0.01,
        "by_stratum": {"advice": part},
        "by_inferring_system": {"llm": part},
    }


def _side(values: list[float]) -> dict[str, Any]:
    mean = sum(values) / len(values)
    return {"n": len(values), "mean": mean, "ci": [mean - 0.1, mean + 0.1], "reason": None}


def _persona_shares(pairs: int) -> dict[str, Any]:
    side = {"n": pairs, "share": 0.05, "ci": [0.01, 0.2], "reason": None}
    compared = {**paired_report([]).model_dump(mode="json"), "unit": "preference pair", "holm_p": None,
                "family": "exploratory", "caveat": "The raters are fixed."}  # fmt: skip
    return {"measure": "share", "chosen": side, "rejected": side, "comparison": compared, "holm_p": None,
            "by_stratum": {}, "by_inferring_system": {}}  # fmt: skip


def _persona_stratum(rng: random.Random, effects: dict[str, float], pairs: int) -> dict[str, Any]:
    described = {key: _described({side: [rng.randint(1, 5) for _ in range(pairs)] for side in ("chosen", "rejected")})
                 for key in effects}  # fmt: skip
    words = {side: {"mean": 14.0, "sd": 3.0, "n": pairs, "reasons": {}} for side in ("chosen", "rejected")}
    wins: dict[str, Any] = {
        "aspects": {},
        "delta_pq": None,
        "delta_pq_ci": None,
        "delta_pq_aspects": None,
        "reasons": {},
    }
    return {"descriptives": described, "comparisons": {}, "win_rates": wins, "words": words}


def _accuracy(pairs: int) -> dict[str, Any]:
    def row(n: int, correct: int) -> dict[str, Any]:
        return {"n": n, "correct": correct, "share": correct / n, "ci": [correct / n - 0.1, correct / n + 0.1],
                "reason": None}  # fmt: skip

    return {"overall": row(2 * pairs, int(1.7 * pairs)), "chosen": row(pairs, int(0.9 * pairs)),
            "rejected": row(pairs, int(0.8 * pairs)), "gap": 0.1, "gap_ci": [-0.05, 0.25], "reason": None,
            "by_stratum": {"advice": row(pairs, int(0.85 * pairs))}, "by_inferring_system": {},
            "judge": {"n": 2 * pairs, "agreement": 0.9, "ci": [0.8, 0.95], "judge_accuracy": 0.88, "tie_order": 3,
                      "tie_genuine": 1, "invalid": 0, "reason": None}}  # fmt: skip
