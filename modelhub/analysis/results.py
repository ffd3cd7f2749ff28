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
           "strata": [name], "family": [aspect key], "margin": {aspect key: number}},
 "flow": {"steps": [{"key", "label", "n"}],      # invited, consented, started, completed, excluded, analysed
          "left": [{"key", "label", "n"}],       # declined, screened_out, returned, timed_out
          "excluded": [{"reason", "n", "rule_fixed_beforehand"}],
          "analysed": n,                         # after exclusions
          "analysed_all": n, "withdrawn": n, "erased": n},
 "populations": ["all", "without_excluded"],
 "analysis": {population: {
   "participants": n,                            # with an answer that counts
   "strata": {"" (pooled, first) or stratum: {   # strata only where there are two or more
     "descriptives": {aspect: {system, or chosen/rejected for questions on personas:
                      {"n", "mean", "sd", "counts": {value: n}, "reasons"}}},
     "comparisons": {aspect: paired_report() of stats.paired
        + {"n_raters_of_both", "holm_p", "family": "confirmatory" | "exploratory",
           "length_adjusted": {"mean_difference", "ci", "p", "slope_per_100_words", "words_difference", "method",
                               "reason"},
           "participant_means": [{"participant", "difference", "pairs"}]}},
     "win_rates": {"aspects": {aspect: {"source": "comparison" | "ratings", "n", "win", "tie", "both_bad", "loss",
                      "net_win", "net_win_mean", "net_win_ci" (t over participants, around net_win_mean), "sign_flip_p",
                      "win_share", "win_share_ci", "holm_p", "family", "reasons"}},
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
   "judge": None or {metric: {"aspect", "units", "n", "invalid", "table": {"human win": {"judge win": n, …}, …},
              "agreement_with_ties", "agreement_with_ties_ci", "agreement_without_ties", "kappa",
              "human_ceiling", "human_ceiling_without_ties", "ceiling_units", "judge_order_consistency", "reasons"},
              "unmatched": n verdicts of no unit, "metrics_not_asked": [metric]},
   "checks": {"rules": [sentence], "flags": {rule: n}, "failed": n participants with a failed check,
              "participants": [{"participant", "checks_failed", "flags": [rule], "excluded", "median_seconds",
                                "repeat_exact", "repeat_n"}]}}},
 "footer": {"command", "seed", "replicates", "versions": {name: version}, "git", "data_sha256", "protocol_hash",
            "generated_at"}}
```
`data_sha256` is that of `ratings.jsonl` as `export_ratings --format jsonl` writes it from the same data.
"""
