"""Read an export, and say how two arms differ: `python quickstart.py FOLDER [QUESTION]`.

FOLDER is what `manage.py export_ratings STUDY --format csv --out FOLDER` writes, or the study's ZIP, unpacked.
Needs pandas, scipy and krippendorff.
"""

import sys
from pathlib import Path

import krippendorff
import pandas as pd
from scipy import stats

folder = Path(sys.argv[1])
ratings = pd.read_csv(folder / "ratings.csv", dtype=str, keep_default_na=False)

# Answers to analyse: of people who stayed and finished, neither to checks nor to parts that were shown again.
ratings = ratings[
    (ratings["assignment_state"] == "completed")
    & ratings["assignment_kind"].isin(["main", "overlap"])
    & (ratings["excluded"] == "false")
    & (ratings["surplus"] == "false")
    & (ratings["aspect_kind"] == "rating")
].astype({"value": int})
question = sys.argv[2] if len(sys.argv) > 2 else ratings["aspect"].iloc[0]
ratings = ratings[ratings["aspect"] == question]
print(f"{question}: {len(ratings)} answers of {ratings['participant'].nunique()} participants")

# One mean per participant and arm, then the difference of each participant: answers of one person are not independent.
means = ratings.pivot_table(index="participant", columns="arm", values="value", aggfunc="mean").dropna()
first, second = sorted(means.columns)[:2]
differences = means[second] - means[first]
print(means.mean().round(3).to_string())
print(f"{second} minus {first}: {differences.mean():.3f} ({len(differences)} participants)")
if len(differences) > 1:
    low, high = stats.ttest_1samp(differences, 0).confidence_interval()
    print(f"95% between {low:.3f} and {high:.3f}")

# How far raters agree on the same outputs.
table = ratings.pivot_table(index="participant", columns="output", values="value", aggfunc="first")
pairable = table.loc[:, table.notna().sum() > 1]
if pairable.size and pairable.stack().nunique() > 1:
    alpha = krippendorff.alpha(table.to_numpy(dtype=float), level_of_measurement="ordinal")
    print(f"Krippendorff's alpha (ordinal): {alpha:.3f} over {pairable.shape[1]} outputs with two raters or more")
else:
    print("Krippendorff's alpha: no output has two raters who differ anywhere")
