"""The analysts' page of what preferences reward, beside what judges and the people of a study do."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from annotation.http import read_view
from annotation.models import Study
from annotation.permissions import visible_studies
from modelhub.access import may_unblind
from modelhub.analysis.weighing import people_weighing
from modelhub.forms import AttributesForm
from modelhub.http import get_pipeline_reader
from modelhub.queries.preference_texts import attribute_report, preference_datasets
from modelhub.results.attributes import AttributeContrast, AttributeGroup, AttributeWeight, Weighing
from modelhub.stats.attributes import ATTRIBUTES
from modelhub.stats.numbers import decimal, interval, percent, percent_interval, reason
from plots.estimates import Estimate, share_plot

MOST_PAIRS = 2000  # of each data set; more would keep the page waiting
_NAMES = {attribute.key: attribute.name for attribute in ATTRIBUTES}
_WHO = {"preferences": "Preferences", "judge": "Judge", "people": "People"}


@read_view
def preference_attributes(request: HttpRequest) -> HttpResponse:
    """Show what chosen texts have more of, as marks and tables, and who else weighs it how."""
    user = get_pipeline_reader(request)
    closed = visible_studies(user).filter(state=Study.State.CLOSED, kind=Study.Kind.OUTPUT_RATING)
    studies = {str(study.pk): study for study in closed if may_unblind(user, study)}
    datasets = preference_datasets()
    form = AttributesForm(request.GET, datasets=datasets, studies={key: str(one) for key, one in studies.items()})
    asked = form.asked()
    study = studies.get(asked["study"])
    report = attribute_report(
        [asked["dataset"]] if asked["dataset"] else datasets, people_weighing(study) if study else (), most=MOST_PAIRS
    )
    context = {
        "form": form,
        "panels": [_panel(number, group) for number, group in enumerate(report.groups, start=1)],
        "weighing": _weighing(report.weighing),
        "most": MOST_PAIRS,
    }
    return render(request, "modelhub/preference_attributes.html", context)


def _panel(number: int, group: AttributeGroup) -> dict[str, Any]:
    return {
        "id": f"attributes-{number}",
        "title": f"{group.dataset or 'All data sets'}: chosen against rejected {group.texts}",
        "pairs": group.attributes[0].pairs,
        "plot": share_plot([(_NAMES[one.attribute], [_estimate(one)]) for one in group.attributes]),
        "rows": [_row(one) for one in group.attributes],
    }


def _estimate(one: AttributeContrast) -> Estimate:
    return Estimate("chosen", one.p_chosen_given_more, one.p_chosen_given_more_ci, percent(one.p_chosen_given_more))


def _row(one: AttributeContrast) -> dict[str, Any]:
    return {
        "name": _NAMES[one.attribute],
        "unit": one.unit,
        "chosen": decimal(one.mean_chosen),
        "rejected": decimal(one.mean_rejected),
        "effect": decimal(one.effect, sign=True),
        "effect_ci": _limits(one.effect_ci, one.reasons.get("effect_ci")),
        "more": percent(one.share_chosen_more),
        "differing": one.differing,
        "given": percent(one.p_chosen_given_more),
        "given_ci": percent_interval(one.p_chosen_given_more_ci) if one.p_chosen_given_more_ci
        else reason(one.reasons.get("p_chosen_given_more_ci")),
    }  # fmt: skip


def _weighing(found: list[Weighing]) -> dict[str, Any]:
    """Return a column for each who weighs, and a row for each attribute."""
    return {
        "columns": [
            {"who": _WHO[one.who], "name": f"{one.name}; {one.question}", "n": one.weights[0].n} for one in found
        ],
        "rows": [
            {"name": _NAMES[attribute.key], "cells": [_weight(one.weights[place]) for one in found]}
            for place, attribute in enumerate(ATTRIBUTES)
        ],
    }


def _weight(weight: AttributeWeight) -> dict[str, str]:
    return {
        "value": decimal(weight.association, sign=True),
        "ci": _limits(weight.association_ci, weight.reasons.get("association_ci")),
        "alone": "" if weight.without_length is None else decimal(weight.without_length, sign=True),
    }


def _limits(ci: tuple[float, float] | None, why: str | None) -> str:
    return interval(ci, sign=True) if ci else reason(why)
