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
# `condition` is compared with its first level. Participants, prompts (items) and personas are samples: each gets a
# random intercept, participants and prompts a random effect of condition too, as far as the model can be fitted. The
# largest model that converges is taken, and its formula is printed: report it, and what was tried before it.
library(ordinal)

ratings <- read.csv("long.csv", stringsAsFactors = TRUE, encoding = "UTF-8")
# Ratings of the main comparison; those of second raters and repetitions serve agreement alone.
ratings <- droplevels(ratings[ratings$kind == "main", ])
"""
_BODY = """\
# Random effects from the largest model to the smallest. clmm wants three levels or more of what it groups by.
candidates <- function(data) {
  groups <- c("participant", "item", "persona")
  known <- groups[sapply(groups, function(name) nlevels(data[[name]]) > 2)]
  # A persona per prompt, or per rating, would be the same as the prompt, or as the error.
  personas <- nlevels(data$persona)
  if (personas <= nlevels(data$item) || personas >= nrow(data)) known <- setdiff(known, "persona")
  slopes <- list(c("participant", "item"), "participant", "item", character(0))
  terms <- lapply(slopes, function(slope) {
    sapply(known, function(name) sprintf(if (name %in% slope) "(1 + condition | %s)" else "(1 | %s)", name))
  })
  unique(lapply(terms, unname))
}

# NULL, with a message, where the model cannot be fitted: smaller ones, and the other questions, are tried all the same.
tried <- function(data, fixed, random) {
  formula <- reformulate(c(fixed, random), response = "value")
  tryCatch(
    do.call(if (length(random)) clmm else clm, list(formula, data = quote(data), link = "logit")),
    error = function(problem) {
      cat("Not fitted:", deparse1(formula), "-", conditionMessage(problem), "\\n")
      NULL
    }
  )
}

# Whether the optimum was reached and every standard error is a number.
converged <- function(model) {
  if (is.null(model)) return(FALSE)
  code <- if (is.null(model$optRes)) model$convergence$code else model$optRes$convergence
  errors <- suppressWarnings(tryCatch(sqrt(diag(vcov(model))), error = function(problem) NA))
  identical(as.integer(code), 0L) && all(is.finite(errors))
}

# With and without length the model is chosen in the same way, so that neither lacks a random effect for no reason.
fit <- function(data, fixed) {
  for (random in candidates(data)) {
    model <- tried(data, fixed, random)
    if (converged(model)) return(model)
    if (!is.null(model)) cat("Not converged:", deparse1(formula(model)), "\\n")
  }
  NULL
}

summarise <- function(model) {
  if (is.null(model)) return(cat("No model converged.\\n"))
  cat("Model:", deparse1(formula(model)), "\\n")
  print(summary(model))
}

for (aspect in levels(ratings$aspect)) {
  data <- droplevels(ratings[ratings$aspect == aspect & !is.na(ratings$condition), ])
  data$value <- factor(data$value, ordered = TRUE)
  cat("\\n=====", aspect, "=====\\n")
  if (aspect %in% sliders) {
    cat("A slider, whose values are no few categories: no cumulative-link model.\\n")
    next
  }
  if (nlevels(data$value) < 3 || nlevels(data$condition) < 2) {
    cat("Fewer than three values or two conditions: no cumulative-link model.\\n")
    next
  }
  summarise(fit(data, "condition"))
  # Adjusted for length: the same with words, in hundreds and centred.
  if (any(!is.na(data$words))) {
    data$length <- (data$words - mean(data$words, na.rm = TRUE)) / 100
    cat("\\n----- adjusted for length -----\\n")
    summarise(fit(data[!is.na(data$length), ], c("condition", "length")))
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


def clmm_script(conditions: Iterable[str], sliders: Iterable[str] = ()) -> str:
    """Return the R script. `conditions` are the levels of `condition`, the base first; `sliders` are left out."""
    levels = ", ".join(_quoted(name) for name in conditions)
    left_out = ", ".join(_quoted(key) for key in sliders)
    left_out = f"sliders <- c({left_out})\n"
    return f"{_HEADER}{left_out}ratings$condition <- factor(ratings$condition, levels = c({levels}))\n\n{_BODY}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
