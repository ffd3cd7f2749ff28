"""The statistics commands: tables in, JSON out, and a clear word about a bad table."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

RATINGS = "rater,item,value,comment\na,1,1,x\nb,1,2,\na,2,3,\nb,2,3,\na,3,,no answer\nb,3,4,\n"
PAIRS = "participant,item,system,value\np1,i1,DPO,2\np1,i1,PT-DPO,4\np2,i2,DPO,3\np2,i2,PT-DPO,3\np2,i3,DPO,1\n"


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def table(tmp_path: Path):
    def write(text: str, name: str = "table.csv") -> str:
        path = tmp_path / name
        path.write_bytes(text.encode())
        return str(path)

    return write


def refusal(*arguments: str) -> str:
    with pytest.raises(CommandError) as error:
        run(*arguments)
    assert error.value.returncode == 2
    return str(error.value)


def test_agreement_reports_every_measure_as_json(table):
    report = json.loads(run("agreement", table(RATINGS), "--domain", "1,2,3,4,5", "--json"))
    assert (report["items"], report["raters"], report["ratings"], report["pairable_items"]) == (3, 2, 5, 2)
    assert report["percent_agreement"] == 0.5
    assert report["alpha_ci"] is None
    assert report["reasons"]["alpha_ci"] == "few_items"
    assert report["reasons"]["fleiss_kappa"] == "incomplete"


def test_agreement_says_in_words_what_it_found(table):
    text = run("agreement", table(RATINGS), "--domain", "1,2,3,4,5")
    assert "5 ratings of 3 items by 2 raters" in text and "2 items have two ratings or more" in text
    assert "none (fewer than 10 items were rated twice)" in text
    assert "1 rating of 1 item by 1 rater." in run("agreement", table("rater,item,value\na,1,3\n"), "--domain", "1,2,3")
    full = "rater,item,value\n" + "".join(f"{rater},{item},{item % 5 + 1}\n" for item in range(20) for rater in "ab")
    assert "Careful: the interval undercovers" not in run("agreement", table(full))
    assert "no item shows any disagreement: the lower limit is the worst" in run("agreement", table(full))


def test_an_undeclared_domain_is_inferred_with_a_warning(table):
    assert "domain_inferred" in json.loads(run("agreement", table(RATINGS), "--json"))["warnings"]


def test_nominal_categories_may_be_words(table):
    report = json.loads(
        run("agreement", table("rater,item,value\na,1,yes\nb,1,no\na,2,no\nb,2,no\n"), "--level", "nominal", "--json")
    )
    assert report["domain"] == ["no", "yes"]
    assert "gwet_ac1" in report


def test_tables_from_spreadsheets_are_read(table):
    text = "\ufeff" + RATINGS.replace("\n", "\r\n") + "\r\n"
    assert json.loads(run("agreement", table(text), "--json"))["ratings"] == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rater,item,value\na,1,9\n", "line 2, column value: '9' is not one of"),
        ("rater,item,value\na,1,3\na,1,4\n", "line 3, columns rater and item: 'a' has rated '1' already, in line 2"),
        ("rater,item,value\na,1,x\n", "line 2, column value: 'x' is not a number"),
        ("rater,item,value\na,1,inf\n", "line 2, column value: 'inf' is not a finite number"),
        ("rater,item,value\na,1,#REF!\n", "line 2, column value: '#REF!' is a spreadsheet's error"),
        (
            "rater,item,value\nNA,1,3\n",
            "line 2, column rater: 'NA' stands for what is missing; if it is a name, give --keep",
        ),
        ("rater,item,value\na,.,3\n", "line 2, column item: '.' stands for what is missing"),
        ("rater,item\na,1\n", "line 1: no column value"),
        ("rater,item,value\n,1,3\n", "line 2, column rater: is empty"),
        ("rater,item,value\na,1,3,4\n", "line 2: has 4 cells, the header 3"),
        ("", "line 1: no column rater, item, value"),
        ("rater,item,value,value\na,1,3,4\n", "line 1: several columns are called 'value'"),
        ("rater,item,value\na,1,1_0\n", "line 2, column value: '1_0' is not a number"),
    ],
)
def test_a_bad_table_is_refused_by_row_and_column(table, text, message):
    assert message in refusal("agreement", table(text), "--domain", "1,2,3,4,5")


MARKERS = [
    "", " ", "\u200b", "NA", "na", "N/A", "n/a", "#N/A", "#NA", "NaN", "nan", "NAN", "-nan", "None", "NONE", "none",
    "<NA>", "<na>", "NaT", "NULL", "null", "\\N", ".", "-", "–", "—", "−", "ＮＡ", "…",
]  # fmt: skip


@pytest.mark.parametrize("marker", MARKERS)
def test_a_marker_of_a_missing_value_is_missing_at_every_level_of_measurement(table, marker):
    whole = "rater,item,value\n" + "".join(f"{rater},{item},{item % 3}\n" for item in range(12) for rater in "ab")
    for level in ("nominal", "ordinal", "interval", "ratio"):
        told = StringIO()
        path = table(whole + f"a,99,{marker}\nb,99,1\n")
        call_command(
            "agreement", path, "--level", level, "--replicates", "10", "--json", stdout=StringIO(), stderr=told
        )
        report = json.loads(run("agreement", path, "--level", level, "--replicates", "10", "--json"))
        assert (report["ratings"], report["pairable_items"]) == (25, 12)
        assert report["domain"] == (["0", "1", "2"] if level == "nominal" else [0, 1, 2])
        assert report["krippendorff_alpha"] == 1
        shown = marker.strip(" \u200b") or "empty"
        assert told.getvalue().strip() == f"1 value is missing: {shown} (1)."


def test_a_category_that_looks_missing_is_kept_where_it_is_said_so(table):
    text = "rater,item,value\na,1,NA\nb,1,NA\na,2,DE\nb,2,None\na,3,none\nb,3,DE\n"
    nominal = ("agreement", table(text), "--level", "nominal", "--json")
    assert json.loads(run(*nominal))["domain"] == ["DE"]
    assert json.loads(run(*nominal, "--keep", "NA"))["domain"] == ["DE", "NA"]
    kept = json.loads(run(*nominal, "--keep", "NA", "--keep", "None"))
    assert (kept["domain"], kept["ratings"]) == (["DE", "NA", "None"], 5)
    declared = json.loads(run(*nominal, "--domain", "DE,NA,US"))
    assert (declared["domain"], declared["ratings"]) == (["DE", "NA", "US"], 4)
    assert "one of its values is empty" in refusal(*nominal, "--domain", "DE,")


@pytest.mark.parametrize("marker", MARKERS)
def test_compare_takes_a_marker_for_a_rating_that_is_missing(table, marker):
    report = json.loads(run("compare", table(PAIRS + f"p2,i3,PT-DPO,{marker}\n"), "--json"))
    assert (report["n_pairs"], report["unpaired_ratings"]) == (2, 1)


def test_compare_keeps_a_system_called_none_where_it_is_said_so(table):
    path = table(PAIRS.replace("PT-DPO", "none"))
    assert "column system: 'none' stands for what is missing; if it is a name, give --keep none" in refusal(
        "compare", path
    )
    assert json.loads(run("compare", path, "--keep", "none", "--json"))["test"] == "none"


@pytest.mark.parametrize("marker", [None, *MARKERS])
def test_win_rates_take_a_marker_for_no_verdict_and_no_set_or_cluster(table, marker):
    rows = verdict(set=marker, cluster=marker) + verdict(order="test_first", verdict=marker, set=marker, cluster=marker)
    rows += verdict(pair_id="2", cluster=marker) + verdict(pair_id="2", order="test_first", verdict="A", cluster=marker)
    found = json.loads(run("win_rates", table(rows), "--json"))["metrics"]["quality"]
    assert (found["win"], found["invalid"], found["clusters"]) == (1, 1, 1)
    assert "line 1, pair_id: is empty or stands for what is missing" in refusal(
        "win_rates", table(verdict(pair_id=marker))
    )


def test_win_rates_keep_names_that_look_missing_where_it_is_said_so(table):
    report = json.loads(run("win_rates", table(verdict(pair_id="NA", set="NA")), "--keep", "NA", "--json"))
    assert set(report["sets"]) == {"NA"}


def test_a_degenerate_table_is_no_error(table):
    report = json.loads(run("agreement", table("rater,item,value\na,1,3\n"), "--domain", "1,2,3,4,5", "--json"))
    assert report["krippendorff_alpha"] is None
    assert report["reasons"]["krippendorff_alpha"] == "single_rater"


def test_a_file_that_is_not_there_is_named():
    assert "nowhere.csv: the file cannot be read: there is no such file" in refusal("agreement", "nowhere.csv")


def test_compare_takes_the_systems_in_alphabetical_order_unless_told(table):
    report = json.loads(run("compare", table(PAIRS), "--margin", "0.25", "--json"))
    assert (report["base"], report["test"], report["n_pairs"], report["unpaired_ratings"]) == ("DPO", "PT-DPO", 2, 1)
    assert report["mean_difference"] == 1.0
    assert report["favouring"] == {"test": 1, "base": 0, "neither": 1}
    turned = json.loads(run("compare", table(PAIRS), "--base", "PT-DPO", "--json"))
    assert turned["mean_difference"] == -1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("participant,item,system,value\np,i,A,1\n", "must name two systems; found 1"),
        (PAIRS + "p3,i3,third,2\n", "must name two systems; found 3"),
        (PAIRS + "p1,i1,DPO,5\n", "'p1' has rated 'DPO' on 'i1' already"),
        (PAIRS + "p4,i1,DPO,good\n", "line 7, column value: 'good' is not a number"),
    ],
)
def test_compare_refuses_what_it_cannot_pair(table, text, message):
    assert message in refusal("compare", table(text))


def test_a_margin_must_be_positive(table):
    assert "positive" in refusal("compare", table(PAIRS), "--margin", "-1")


def verdict(**fields: object) -> str:
    return json.dumps({"pair_id": "1", "metric": "quality", "order": "base_first", "verdict": "B", **fields}) + "\n"


def test_win_rates_of_a_file_of_verdicts(table):
    text = verdict() + verdict(order="test_first", verdict="A") + verdict(pair_id=2, verdict=None)
    report = json.loads(run("win_rates", table(text), "--json"))
    assert report["metrics"]["quality"]["win"] == 1
    assert report["metrics"]["quality"]["invalid"] == 1
    assert report["delta_pq"] is None


def test_a_column_names_the_preference_pair_that_several_pairs_are_of(table):
    def rows(column: str, **of: str) -> str:
        both = [("base_first", "B"), ("test_first", "A")]
        return "".join(verdict(pair_id=unit, order=order, verdict=said, **{column: pair})
                       for unit, pair in of.items() for order, said in both)  # fmt: skip

    for column in ("cluster", "pair"):
        found = json.loads(run("win_rates", table(rows(column, a="p", b="p", c="q")), "--json"))["metrics"]["quality"]
        assert (found["n"], found["clusters"]) == (3, 2)
    wrong = verdict(cluster="p") + verdict(order="test_first", cluster="q")
    assert "line 2, cluster: 1 is of q here and of p before" in refusal("win_rates", table(wrong))


def test_one_judged_pair_is_told_as_too_few(table):
    rows = [verdict(metric=metric, order=order, verdict=said) for metric in ("quality", "personalization")
            for order, said in (("base_first", "B"), ("test_first", "A"))]  # fmt: skip
    assert "Delta-PQ +100.0 (only one preference pair counts)" in run("win_rates", table("".join(rows)))


def test_win_rates_by_set(table):
    text = verdict(set="BT") + verdict(set="HHH")
    assert set(json.loads(run("win_rates", table(text), "--json"))["sets"]) == {"BT", "HHH"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (verdict(verdict="C"), 'line 1, verdict: "C" is none of "A", "B", "tie", null'),
        (verdict(metric="style"), 'line 1, metric: "style" is none of'),
        (verdict() + verdict(), "line 2: a second verdict"),
        ("[1]\n", "must be an object"),
        ("{\n", "line 1: not valid JSON"),
        ('{"metric": "quality"}\n', "line 1: pair_id is missing"),
        (verdict(pair_id=None), "line 1, pair_id: is empty"),
    ],
)
def test_bad_verdicts_are_refused_by_line(table, text, message):
    assert message in refusal("win_rates", table(text))


def test_plan_sample_prints_one_row_per_design():
    text = run(
        "plan_sample", "--participants", "8", "20", "--prompts", "6", "--difference", "0.4", "--simulations", "20"
    )
    assert len(text.strip().splitlines()) == 3


def test_reports_for_people_name_every_measure(table):
    assert "Krippendorff's alpha" in run("agreement", table(RATINGS))
    assert "Sign-flip over participants" in run("compare", table(PAIRS))
    assert "Delta-PQ" in run("win_rates", table(verdict()))


def test_cells_may_hold_any_character_that_is_no_line_end_of_the_file(table):
    text = 'rater,item,value\na,"x\u2028\x85\ny",1\nb,"x\u2028\x85\ny",2\n'
    assert json.loads(run("agreement", table(text), "--json"))["pairable_items"] == 1
    row = {"pair_id": "x\u2028y", "metric": "quality", "verdict": "tie"}
    lines = [json.dumps(row | {"order": order}, ensure_ascii=False) for order in ("base_first", "test_first")]
    report = json.loads(run("win_rates", table("\r\n".join(lines)), "--json"))
    assert report["metrics"]["quality"]["tie_genuine"] == 1


def test_a_ratio_scale_has_no_negative_values(table):
    text = "rater,item,value\na,1,-1\nb,1,1\n"
    assert "line 2, column value: '-1' is negative" in refusal("agreement", table(text), "--level", "ratio")
    assert json.loads(run("agreement", table(text), "--level", "interval", "--json"))["domain"] == [-1, 1]


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        ("agreement", "--replicates", "0"),
        ("agreement", "--seed", "-1"),
        ("compare", "--margin", "inf"),
    ],
)
def test_a_number_that_cannot_be_used_is_named_before_anything_is_read(command, option, value):
    with pytest.raises(CommandError, match=f"{option}: '{value}'"):
        run(command, "nowhere.csv", option, value)


def test_no_win_rate_is_empty_without_a_reason(table):
    quality = json.loads(run("win_rates", table(verdict(verdict=None)), "--json"))["metrics"]["quality"]
    assert {name for name, value in quality.items() if value is None} == set(quality["reasons"])


def test_values_far_apart_are_compared(table):
    text = "participant,item,system,value\np,1,A,1e-300\np,1,B,1e30\nq,1,A,2\nq,1,B,1\n"
    assert json.loads(run("compare", table(text), "--json"))["sign_flip_p"] == pytest.approx(1.0)
