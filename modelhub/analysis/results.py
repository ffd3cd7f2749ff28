"""The results of a study as one JSON-able dict. No number is NaN; what is None has a reason code beside it.

Only completed parts count. The main comparison holds main assignments; overlap and repeat assignments serve agreement
alone (overlap ratings also stand beside the judge's). Differences are test minus base, or chosen minus rejected.

```
{"format": 1,
 "study": {"slug", "version", "title", "kind", "state", "protocol_hash", "demonstration", "include_bots",
           "questions": [{"key", "name", "kind", "level", "question", "question_for_others", "labels", "minimum",
                          "maximum"}],                            # attention checks left out
           "systems": [{"name", "arm", "is_control", "engine", "persona_style", "fingerprint"}],   # arm: its number
           "base": name or None, "test": name or None,
           "strata": [name], "writings": [name], "family": [aspect key], "margin": {aspect key: number}},
 "flow": {"steps": [{"key", "label", "n"}],      # invited, consented, started, completed, excluded, analysed
          "left": [{"key", "label", "n"}],       # declined, screened_out, returned, timed_out
          "excluded": [{"reason", "n", "rule_fixed_beforehand"}],
          "analysed": n,                         # after exclusions
          "analysed_all": n, "excluded_pairs": n (pairs of outputs excluded, before or after opening),
          "withdrawn": n (their data kept), "erased": n},
 "populations": ["all", "without_excluded"],
 "analysis": {population: {
   "participants": n,                            # with an answer that counts
   "strata": {"" (pooled, first) or stratum: {   # only where there are two or more; then conditions of writing
     "descriptives": {aspect: {system, or chosen/rejected for questions on personas:
                      {"n", "mean", "sd", "counts": {value: n}, "reasons"}}},
     "comparisons": {aspect: paired_report() of stats.paired
        + {"holm_p", "family": "confirmatory" | "exploratory",
           "length_adjusted": {"mean_difference", "ci", "p", "slope_per_100_words", "words_difference", "method",
                               "reason"},
           "participant_means": [{"participant", "difference", "pairs"}]}},
     "win_rates": {"aspects": {aspect: {"source": "comparison" | "ratings", "n", "win", "tie", "both_bad", "loss",
                      "net_win", "net_win_mean", "net_win_ci" (t over participants, around net_win_mean), "sign_flip_p",
                      "prompt_sign_flip_p", "headline_p" (the larger), "win_share", "win_share_ci", "holm_p",
                      "family", "reasons"}},
                   "delta_pq", "delta_pq_ci", "delta_pq_aspects": [aspect, aspect] or None, "reasons"},
     "words": {system (chosen/rejected: of the personas): {"mean", "sd", "n", "reasons"}}}},
   "position": {aspect: {"left_mean", "right_mean", "difference", "ci", "p", "reason"}},   # comparisons: shares chosen
   "order": {aspect: {"slope", "ci", "reason"}},                       # points per part, mean over participants
   "length": {"rows": [{"participant", "item", "system", "words", "aspect", "value"}], "sampled": bool, "of": n,
              "correlation": {aspect: {"spearman", "n", "reason"}}},
   "agreement": {"note", "designs": {"overlap" | "shared_personas" | "repeat": {aspect:
                 {"pooled": agreement_report() of stats.agreement, "by_system" or "by_condition": {name: …},
                  "by_stratum": {name: …}}}}},
   "persona": {} unless kind is persona_assessment, else {
     aspect: {"measure": "mean" | "share", "chosen", "rejected": {"n", "mean" | "share", "ci", "reason"},
              "comparison": paired_report() over preference pairs + {"unit", "holm_p", "family", "caveat"},
              "holm_p", "by_stratum": {name: {"chosen", "rejected", "comparison"}}, "by_inferring_system": {…}},
     "accuracy": None (nothing picked in this design) or {
              "overall", "chosen", "rejected": {"n", "correct", "share", "ci", "reason"}, "gap", "gap_ci", "reason",
              "by_stratum", "by_inferring_system": {name: {"n", "correct", "share", "ci", "reason"}},
              "judge": None or {"n", "agreement", "ci", "judge_accuracy", "tie_order", "tie_genuine", "invalid",
                                "reason"}}},
   "judge": None (no judgements given) or {"metrics": {metric: {
              "aspect", "units", "n", "invalid", "table": {"human win": {"judge win": n, …}, …},
              "agreement_with_ties", "agreement_with_ties_ci", "agreement_without_ties", "kappa", "human_ceiling",
              "human_ceiling_without_ties", "ceiling_units", "judge_order_consistency", "reasons"}},
              "unmatched": n verdicts of no unit, "metrics_not_asked": [metric]},
   "checks": {"rules": [sentence], "flags": {rule: n participants}, "failed": n participants with a failed check,
              "participants": [{"participant", "checks_failed", "flags": [rule], "excluded", "median_seconds",
                                "repeat_exact", "repeat_n"}]}}},
 "footer": {"command", "seed", "replicates", "versions": {name: version}, "git", "data_sha256", "protocol_hash",
            "generated_at"}}
```
`data_sha256` is that of `ratings.jsonl` as `export_ratings --format jsonl` writes it from the same data.
"""

import platform
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import django
from django.utils import timezone

from annotation.models import Study
from modelhub.analysis.agreement import agreement_by_design
from modelhub.analysis.data import POOLED, POPULATIONS, Data, load_data
from modelhub.analysis.family import holm_add
from modelhub.analysis.flow import checks_report, flow_report
from modelhub.analysis.judge import judge_report
from modelhub.analysis.length import length_report
from modelhub.analysis.output_rating import stratum_report
from modelhub.analysis.pairs import choices, rated_pairs
from modelhub.analysis.persona_assessment import persona_report
from modelhub.analysis.position import order_report, position_report
from modelhub.runs.provenance import provenance
from modelhub.stats.bootstrap import REPLICATES
from modelhub.stats.winrate import Verdict
from personaeval import __version__

FORMAT = 1
_PACKAGES = ("numpy", "scipy", "krippendorff")


def analyze(
    study: Study,
    *,
    seed: int = 0,
    replicates: int = REPLICATES,
    judgements: Sequence[Verdict] | None = None,
    command: str = "",
    base: str | None = None,
    test: str | None = None,
    include_bots: bool = False,
) -> dict[str, Any]:
    """Return the results of a study, in the form described above.

    `base` and `test` name the systems compared, by name or arm number. `replicates` is the size of the bootstrap for
    agreement; `command` is what the footer says produced the numbers. Bots count as participants only with
    `include_bots`; previews never do.

    Raises:
        ServiceError: `base` or `test` is no system of the study.
        ValueError: two judgements are about the same unit, metric and order.
    """
    data = load_data(study, include_bots=include_bots, base=base, test=test)
    return analyze_data(
        data, seed=seed, replicates=replicates, judgements=judgements, command=command, include_bots=include_bots
    )


def analyze_data(
    data: Data,
    *,
    seed: int = 0,
    replicates: int = REPLICATES,
    judgements: Sequence[Verdict] | None = None,
    command: str = "",
    include_bots: bool = False,
) -> dict[str, Any]:
    """Return the results of a study that is loaded already; see `analyze`. Raises ValueError as it does."""
    reports: dict[str, Any] = {}
    analysed: list[tuple[Data, dict[str, Any]]] = []
    for name in POPULATIONS:
        people = data.population(name)
        done = next((report for before, report in analysed if before.answers is people.answers), None)
        reports[name] = done or population_report(people, seed=seed, replicates=replicates, judgements=judgements)
        analysed.append((people, reports[name]))
    return {
        "format": FORMAT,
        "study": _study(data, include_bots=include_bots),
        "flow": flow_report(data),
        "populations": list(POPULATIONS),
        "analysis": reports,
        "footer": _footer(data, command=command, seed=seed, replicates=replicates),
    }


def population_report(
    data: Data, *, seed: int, replicates: int, judgements: Sequence[Verdict] | None
) -> dict[str, Any]:
    """Return the part of the results that stands under `analysis` for the answers of `data`."""
    main = data.main
    pairs, chosen = rated_pairs(data, main), choices(data, main)
    is_assessment = data.study.kind == Study.Kind.PERSONA_ASSESSMENT
    report = {
        "participants": len({answer.participant for answer in main}),
        "strata": {
            name: stratum_report(data.stratum(name), seed=seed) for name in (POOLED, *data.strata, *data.writings)
        },
        "position": position_report(pairs, chosen),
        "order": order_report(data),
        "length": length_report(data, seed=seed),
        "agreement": agreement_by_design(data, seed=seed, replicates=replicates),
        "persona": persona_report(data, judgements or [], seed=seed) if is_assessment else {},
        "judge": None if judgements is None else judge_report(data, judgements),
        "checks": checks_report(data),
    }
    holm_add(report, data)
    return report


def _study(data: Data, *, include_bots: bool) -> dict[str, Any]:
    study = data.study
    fields = ("slug", "version", "title", "kind", "state", "protocol_hash", "demonstration")
    of_question = ("key", "name", "kind", "level", "question", "question_for_others", "minimum", "maximum")
    of_system = ("name", "arm", "is_control", "engine", "persona_style", "fingerprint")
    return {
        **{name: getattr(study, name) for name in fields},
        "include_bots": include_bots,
        "questions": [
            {**{name: getattr(question, name) for name in of_question}, "labels": list(question.labels)}
            for question in data.questions.values()
        ],
        "systems": [{name: getattr(system, name) for name in of_system} for system in data.systems],
        "base": data.base,
        "test": data.test,
        "strata": list(data.strata),
        "writings": list(data.writings),
        "family": study.analysis.get("family", []),
        "margin": study.analysis.get("margin", {}),
    }


def _footer(data: Data, *, command: str, seed: int, replicates: int) -> dict[str, Any]:
    return {
        "command": command,
        "seed": seed,
        "replicates": replicates,
        "versions": {
            "personaeval": __version__,
            "python": platform.python_version(),
            "django": django.get_version(),
            **{name: metadata.version(name) for name in _PACKAGES},
        },
        "git": provenance()["git"],
        "data_sha256": data.sha256,
        "protocol_hash": data.study.protocol_hash,
        "generated_at": timezone.now().isoformat(timespec="seconds"),
    }
