"""What the database itself refuses of judges' verdicts, whoever writes them."""

from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, models, transaction

from modelhub.models import Judgement, PersonaCheck, PersonaComparison
from tests.modelhub.judged_rows import add_judgements
from tests.modelhub.output_rows import make_output
from tests.modelhub.pair_rows import make_pair, make_persona, make_system
from tests.modelhub.verdict_rows import add_checks, add_comparison

pytestmark = pytest.mark.django_db


@pytest.fixture
def stored() -> None:
    """One verdict of each kind, in both orders."""
    judge, pair = make_system("judge"), make_pair("BeaverTails", "test", 1)
    system = make_system("inferrer")
    chosen, rejected = (make_persona(pair, direction, system) for direction in ("chosen", "rejected"))
    add_checks(chosen, judge, "++")
    add_comparison(chosen, rejected, judge, "cc")
    outputs = [make_output(pair, make_system(name)) for name in ("base", "test")]
    add_judgements(outputs[:1], outputs[1:], judge, "quality", ["win"])


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("kind", [PersonaCheck, PersonaComparison, Judgement])
@pytest.mark.parametrize(
    "values", [{"verdict": "C"}, {"order": "other"}, {"verdict": ""}, {"reason": "It is long."}], ids=str
)
def test_a_verdict_that_no_judge_can_have_given_is_not_stored(kind: type[models.Model], values: dict[str, Any]) -> None:
    rows = kind._default_manager
    row = rows.filter(pk=rows.values("pk")[:1])
    assert row.update(verdict="", reason="No verdict is declared.") == 1
    assert row.update(verdict="A", reason="") == 1
    with pytest.raises(IntegrityError, match=f"{kind._meta.model_name}_(verdict|order|unscored)"), transaction.atomic():
        row.update(**values)


@pytest.mark.usefixtures("stored")
def test_a_tie_is_a_verdict_on_outputs_only() -> None:
    assert Judgement.objects.update(verdict="tie") == 2
    with pytest.raises(DatabaseError), transaction.atomic():  # PostgreSQL refuses its length first
        PersonaCheck.objects.update(verdict="tie")


@pytest.mark.usefixtures("stored")
def test_a_judgement_has_a_metric_that_is_known() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Judgement.objects.update(metric="charm")
