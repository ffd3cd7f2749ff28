"""The long table of ratings and an R script that fits a cumulative-link mixed model to it (package `ordinal`)."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

COLUMNS = (
    "participant", "excluded", "item", "persona", "stratum", "condition", "aspect", "kind", "position", "part", "words",
    "value",
)  # fmt: skip
_HEADER = """\
# Cumulative-link mixed models of the ratings in long.csv, one per question, fitted by R's package `ordinal`.
#   install.packages("ordinal")
#   Rscript clmm.R
# `condition` is compared with its first level. Participants and items are samples: both get random intercepts, and
# participants a random effect of condition where the model can be fitted with one. Read a warning about convergence
# or a singular fit as "this model is too large for these data", and report it.
library(ordinal)

ratings <- read.csv("long.csv", stringsAsFactors = TRUE, encoding = "UTF-8")
# Ratings of the main comparison; those of second raters and repetitions serve agreement alone.
ratings <- droplevels(ratings[ratings$kind == "main", ])
"""
_BODY = """\
# clmm wants three levels or more of a random effect; what has fewer is left out of the formula.
model_of <- function(data, fixed, by_participant = "(1 | participant)") {
  random <- c(participant = by_participant, item = "(1 | item)")
  random <- random[sapply(names(random), function(name) nlevels(data[[name]]) > 2)]
  formula <- reformulate(c(fixed, random), response = "value")
  do.call(if (length(random)) clmm else clm, list(formula, data = quote(data), link = "logit"))
}

# NULL, with a message, where the model cannot be fitted: the other questions' models are fitted all the same.
tried <- function(data, ...) {
  tryCatch(model_of(data, ...), error = function(problem) {
    cat("Not fitted:", conditionMessage(problem), "\\n")
    NULL
  })
}

fit <- function(data) {
  largest <- tried(data, "condition", "(1 + condition | participant)")
  if (!is.null(largest) && identical(as.integer(largest$optRes$convergence), 0L)) return(largest)
  tried(data, "condition")
}

summarise <- function(model) if (!is.null(model)) print(summary(model))

for (aspect in levels(ratings$aspect)) {
  data <- droplevels(ratings[ratings$aspect == aspect & !is.na(ratings$condition), ])
  data$value <- factor(data$value, ordered = TRUE)
  cat("\\n=====", aspect, "=====\\n")
  if (nlevels(data$value) < 3 || nlevels(data$condition) < 2) {
    cat("Fewer than three values or two conditions: no cumulative-link model.\\n")
    next
  }
  summarise(fit(data))
  # Adjusted for length: the same with words, in hundreds and centred.
  if (any(!is.na(data$words))) {
    data$length <- (data$words - mean(data$words, na.rm = TRUE)) / 100
    summarise(tried(data, c("condition", "length")))
  }
}
sessionInfo()
"""


def long_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the long table, one row per rating, with the columns of COLUMNS."""
    sink = io.StringIO()
    writer = csv.DictWriter(sink, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return sink.getvalue()


def clmm_script(conditions: Iterable[str]) -> str:
    """Return the R script. `conditions` are the levels of `condition`, the base first."""
    levels = ", ".join(_quoted(name) for name in conditions)
    return f"{_HEADER}ratings$condition <- factor(ratings$condition, levels = c({levels}))\n\n{_BODY}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
