# Read an export, and say how two arms differ: Rscript quickstart.R FOLDER [QUESTION]
#
# FOLDER is what `manage.py export_ratings STUDY --format csv --out FOLDER` writes, or the study's ZIP, unpacked.
# Base R; for Krippendorff's alpha the package irr.

arguments <- commandArgs(trailingOnly = TRUE)
ratings <- read.csv(file.path(arguments[1], "ratings.csv"), colClasses = "character", na.strings = character(),
                    encoding = "UTF-8")

# Answers to analyse: of people who stayed and finished, neither to checks nor to parts that were shown again.
ratings <- subset(ratings, assignment_state == "completed" & assignment_kind %in% c("main", "overlap") &
                    excluded == "false" & surplus == "false" & aspect_kind == "rating")
question <- if (length(arguments) > 1) arguments[2] else ratings$aspect[1]
ratings <- ratings[ratings$aspect == question, ]
ratings$value <- as.integer(ratings$value)
cat(sprintf("%s: %d answers of %d participants\n", question, nrow(ratings), length(unique(ratings$participant))))

# One mean per participant and arm, then the difference of each participant: answers of one person are not independent.
means <- na.omit(tapply(ratings$value, list(ratings$participant, ratings$arm), mean))
means <- means[, order(colnames(means)), drop = FALSE]
differences <- means[, 2] - means[, 1]
print(round(colMeans(means), 3))
cat(sprintf("%s minus %s: %.3f (%d participants)\n", colnames(means)[2], colnames(means)[1], mean(differences),
            length(differences)))
if (length(differences) > 1 && sd(differences) > 0) {
  between <- t.test(differences)$conf.int
  cat(sprintf("95%% between %.3f and %.3f\n", between[1], between[2]))
}

# How far raters agree on the same outputs.
table <- tapply(ratings$value, list(ratings$participant, ratings$output), function(values) values[1])
if (requireNamespace("irr", quietly = TRUE)) {
  alpha <- irr::kripp.alpha(table, "ordinal")$value
  cat(sprintf("Krippendorff's alpha (ordinal): %.3f\n", alpha))
} else {
  cat("Krippendorff's alpha needs the package irr: install.packages(\"irr\")\n")
}
