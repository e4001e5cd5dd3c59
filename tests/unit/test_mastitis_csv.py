"""scripts/score_milkings.py: what files it takes and writes; only what lies before a row moves its score."""

import csv
import math
import random
import sys
from datetime import datetime, timedelta

import pytest

import score_milkings
from mastitis import csv_rows
from mastitis.moments import is_month_first, parse_moment
from stack.paths import ROOT

HEADER = ["cow", "datetime", "yield_kg", "conductivity"]


def write(path, rows, header=None, delimiter=",", encoding="utf-8"):
    header = header or HEADER
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows([row.get(name, "") for name in header] for row in rows)


def run(path, rows, header=None, arguments=(), **form):
    """The rows of OUT for these rows of IN."""
    source, target = path / "in.csv", path / "out.csv"
    write(source, rows, header, **form)
    assert score_milkings.main([str(source), str(target), *arguments]) == 0
    with target.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def scores(out):
    return [row["score"] for row in out]


def herd(cows=6, days=25, hours=(6, 17), seed=1, unit=1.0, ill=("2", 20, 1.3)):
    """Rows of a herd in order of time; one cow's conductivity is raised from a day on."""
    rng = random.Random(seed)
    levels = [rng.gauss(5.4, 0.3) for _cow in range(cows)]
    rows = []
    for day in range(days):
        for hour in hours:
            for cow in range(cows):
                value = levels[cow] * math.exp(rng.gauss(0, 0.04))
                if ill and str(cow) == ill[0] and day >= ill[1]:
                    value *= ill[2]
                at = datetime(2024, 3, 1) + timedelta(days=day, hours=hour or 0)
                rows.append(
                    {
                        "cow": str(cow),
                        "datetime": f"{at:%Y-%m-%d}" if hour is None else f"{at:%Y-%m-%d %H:%M}",
                        "yield_kg": f"{15 * math.exp(rng.gauss(0, 0.1)):.2f}",
                        "conductivity": repr(value * unit),
                    }
                )
    return rows


@pytest.mark.parametrize("hours", [(6, 17), (None,)], ids=["milkings", "cow-days"])
def test_the_ill_cow_stands_out_and_the_rows_stay_in_their_order(tmp_path, hours):
    rows = herd(hours=hours)
    out = run(tmp_path, rows)
    assert [(row["cow"], row["datetime"]) for row in out] == [(row["cow"], row["datetime"]) for row in rows]
    assert list(out[0]) == [*HEADER, "score", "level", "reasons"]
    onset = next(i for i, row in enumerate(rows) if row["cow"] == "2" and row["datetime"] >= "2024-03-21")
    assert out[onset]["level"] in ("warning", "critical")
    assert out[onset]["reasons"].startswith("Conductivity ")
    others = [float(row["score"]) for row in out if row["cow"] != "2"]
    assert float(out[onset]["score"]) > max(others)


def test_another_unit_of_conductivity_changes_no_score(tmp_path):
    assert [float(s) for s in scores(run(tmp_path, herd(unit=12.7)))] == pytest.approx(
        [float(s) for s in scores(run(tmp_path, herd()))], abs=1e-5
    )


@pytest.mark.parametrize("kept", [1, 60, 133, 200])
def test_what_comes_later_changes_nothing_to_the_last_digit(tmp_path, kept):
    rows = herd()
    assert scores(run(tmp_path, rows[:kept])) == scores(run(tmp_path, rows))[:kept]


def test_the_order_of_the_rows_and_the_names_of_the_cows_change_nothing(tmp_path):
    rows = herd()
    order = random.Random(4).sample(range(len(rows)), len(rows))
    renamed = [{**rows[i], "cow": f"cow {9 - int(rows[i]['cow'])}"} for i in order]
    found = scores(run(tmp_path, renamed))
    straight = scores(run(tmp_path, rows))
    assert [float(s) for s in found] == pytest.approx([float(straight[i]) for i in order], abs=1e-5)


def test_a_row_that_is_there_twice_counts_once(tmp_path):
    rows = herd()
    out = run(tmp_path, [row for row in rows for _time in range(2)])
    assert scores(out)[::2] == scores(out)[1::2] == scores(run(tmp_path, rows))


@pytest.mark.parametrize("name", ["herd", "Farm"])
def test_two_herds_in_one_file_are_judged_apart(tmp_path, name):
    one, two = herd(seed=1), herd(seed=2, unit=100.0)
    both = [{**row, name: "a"} for row in one] + [{**row, name: "b"} for row in two]
    out = run(tmp_path, both, [*HEADER, name], () if name == "herd" else ("--herd", "Farm"))
    assert scores(out) == scores(run(tmp_path, one)) + scores(run(tmp_path, two))


def test_cow_days_and_milkings_in_one_file_are_judged_apart(tmp_path):
    milkings = herd()
    days = [{**row, "yield_kg": "33"} for row in herd(hours=(None,), seed=5)]
    assert scores(run(tmp_path, milkings + days)) == scores(run(tmp_path, milkings)) + scores(run(tmp_path, days))


def test_midnight_is_a_day_unless_the_cow_was_milked_at_other_hours_before(tmp_path):
    days = herd(hours=(None,), seed=5)
    at_midnight = [{**row, "datetime": f"{row['datetime']} 00:00:00"} for row in days]
    milkings = [{**row, "cow": f"robot {row['cow']}"} for row in herd(hours=(0, 8, 16), unit=12.7)]
    out = run(tmp_path, milkings + at_midnight)
    assert scores(out)[len(milkings) :] == scores(run(tmp_path, days))
    # The very first milkings of these cows were at midnight: they have no history to be put to.
    first = next(i for i, row in enumerate(milkings) if row["datetime"] >= "2024-03-02")
    one_minute_later = [{**row, "datetime": row["datetime"].replace(" 00:00", " 00:01")} for row in milkings[first:]]
    assert [float(s) for s in scores(out)[first : len(milkings)]] == pytest.approx(
        [float(s) for s in scores(run(tmp_path, milkings[:first] + one_minute_later))][first:], abs=0.5
    )


def test_herds_of_two_units_without_a_column_do_not_spoil_each_other(tmp_path):
    """A first milking is not set against cows that are measured in another unit."""
    rows = herd()
    strange = [{**row, "cow": f"b{row['cow']}"} for row in herd(seed=3, unit=12.7, ill=None)]
    out = run(tmp_path, rows + strange)
    onset = next(i for i, row in enumerate(rows) if row["cow"] == "2" and row["datetime"] >= "2024-03-21")
    assert out[onset]["level"] in ("warning", "critical")
    others = [row for row in out if row["cow"] != "2"]
    assert sum(row["level"] in ("warning", "critical") for row in others) < 0.03 * len(others)


def test_days_without_rows_and_missing_values_are_no_evidence(tmp_path):
    rng = random.Random(6)
    rows = [row for row in herd(days=40, ill=None) if not "2024-03-15" <= row["datetime"] < "2024-03-22"]
    for row in rows:
        for column in ("yield_kg", "conductivity"):
            if rng.random() < 0.3:
                row[column] = rng.choice(["", "NA", "nan", "0"])
    out = run(tmp_path, rows)
    assert sum(row["level"] in ("warning", "critical") for row in out) < 0.03 * len(out)
    assert all(row["score"] for row in out)


def test_half_a_day_missing_is_no_drop_of_the_yield(tmp_path):
    """The milking after a missed record has the yield of one milking and the hours of two."""
    rows = [row for row in herd(ill=None) if not (row["cow"] == "1" and row["datetime"] == "2024-03-20 17:00")]
    out = {(row["cow"], row["datetime"]): row for row in run(tmp_path, rows)}
    assert "Yield" not in out["1", "2024-03-21 06:00"]["reasons"]


def test_quarters_give_the_conductivity_and_the_quarter_is_named(tmp_path):
    header = ["cow", "datetime", "yield_kg", *(f"conductivity_{q}" for q in ("lf", "rf", "lr", "rr"))]
    rng = random.Random(7)
    rows = []
    for row in herd(ill=None):
        value = float(row["conductivity"])
        quarters = {name: f"{value * math.exp(rng.gauss(0, 0.02)):.3f}" for name in header[3:]}
        rows.append({**row, **quarters})
    rows[-1]["conductivity_lr"] = repr(float(rows[-1]["conductivity_lr"]) * 1.3)
    last = run(tmp_path, rows, header)[-1]
    assert last["level"] in ("warning", "critical")
    assert "LR" in last["reasons"]


def test_semicolons_a_byte_order_mark_blanks_in_the_header_and_other_columns_are_taken(tmp_path):
    rows = [{**row, "note": "a, b"} for row in herd(days=8)]
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    write(source, rows, [*HEADER, "note"], delimiter=";", encoding="utf-8-sig")
    source.write_text(source.read_text("utf-8").replace("yield_kg", " Yield_KG ", 1), "utf-8")
    assert score_milkings.main([str(source), str(target)]) == 0
    with target.open(newline="") as file:
        out = list(csv.DictReader(file))
    assert scores(out) == scores(run(tmp_path, herd(days=8)))
    assert out[0]["note"] == "a, b"


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-02T06:00:00Z",
        "2024-03-02 06:00:00.250",
        "2024/03/02 06:00",
        "2024-03-02T08:00:00+02:00",
        "2024-03-02T08:00+02",
        "20240302T060000Z",
        "2.3.2024 6:00",
        "02/03/2024 06:00:00",
        "2024-03-02 6:00 am",
    ],
)
def test_moments_are_read_in_iso_forms_with_and_without_an_offset(text):
    assert parse_moment(text) == (datetime(2024, 3, 2, 6), False)


def test_a_date_alone_is_a_day():
    assert parse_moment("2024-03-02") == (datetime(2024, 3, 2), True)
    assert parse_moment("2024-03-02 00:00:00") == (datetime(2024, 3, 2), None)
    assert parse_moment("2.3.2024") == (datetime(2024, 3, 2), True)
    assert parse_moment("20240302") == (datetime(2024, 3, 2), True)
    assert parse_moment("2024-13-02") is None


def test_noon_and_midnight_of_a_twelve_hour_clock():
    assert parse_moment("2024-03-02 12:30 AM") == (datetime(2024, 3, 2, 0, 30), False)
    assert parse_moment("2024-03-02 12:30 PM") == (datetime(2024, 3, 2, 12, 30), False)
    assert parse_moment("2024-03-02 13:30 PM") is None


@pytest.mark.parametrize("text", ["0001-01-01 00:00+05:00", "9999-12-31 23:00-05:00", "2024-03-02 24:00", "31/02/2024"])
def test_a_moment_that_there_is_not_is_none(text):
    assert parse_moment(text) is None


def test_the_day_is_first_unless_a_date_of_the_file_says_otherwise():
    assert not is_month_first(["03/12/2019", "04/12/2019"])
    assert is_month_first(["03/12/2019", "03/13/2019"])
    assert not is_month_first(["03/13/2019", "13/03/2019"])
    assert not is_month_first(["2019-03-13", "13.03.2019"])


@pytest.mark.parametrize("form", ["%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M %p", "%d.%m.%Y %H:%M", "%Y%m%dT%H%M"])
def test_a_file_with_dates_in_another_form_has_the_same_scores(tmp_path, form):
    rows = herd()
    other = [{**r, "datetime": datetime.strptime(r["datetime"], "%Y-%m-%d %H:%M").strftime(form)} for r in rows]
    assert scores(run(tmp_path, other)) == scores(run(tmp_path, rows))


def test_columns_are_found_with_blanks_and_dashes_and_the_rest_are_named(tmp_path, capsys):
    rows = [{**row, "Yield kg": row["yield_kg"], "Cond": "1", "fat": "4"} for row in herd(days=8)]
    out = run(tmp_path, rows, ["cow", "datetime", "Yield kg", "conductivity", "Cond", "fat"])
    assert scores(out) == scores(run(tmp_path, herd(days=8)))
    assert "Columns that are not read: cond.\n" in capsys.readouterr().err


@pytest.mark.parametrize("form", [{"encoding": "utf-16"}, {"delimiter": "|"}])
def test_other_encodings_and_separators_of_exports_are_read(tmp_path, form):
    rows = herd(days=8)
    assert scores(run(tmp_path, rows, **form)) == scores(run(tmp_path, rows))


def test_a_row_without_cow_or_date_is_kept_and_not_judged(tmp_path, capsys):
    rows = herd(days=8)
    out = run(tmp_path, [rows[0], {**rows[1], "cow": ""}, {**rows[2], "datetime": "yesterday"}, *rows[3:]])
    assert [(row["score"], row["level"]) for row in out[1:3]] == [("0", ""), ("0", "")]
    assert "Line 3" in capsys.readouterr().err


def test_a_value_that_is_no_number_counts_as_missing_and_is_reported(tmp_path, capsys):
    rows = herd(days=8)
    broken = [*rows[:-1], {**rows[-1], "yield_kg": "broken"}]
    missing = [*rows[:-1], {**rows[-1], "yield_kg": ""}]
    assert scores(run(tmp_path, broken)) == scores(run(tmp_path, missing))
    assert "'broken'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("cow,when\n1,2024-01-01\n", "no column datetime"),
        ("", "no column cow and no column datetime"),
        ("cow,datetime,cow\n1,2024-01-01,1\n", "the column cow twice"),
        ("cow,datetime\n\n1,2024-01-01,4\n", "Line 3 has 3 values"),
    ],
)
def test_what_would_be_read_wrongly_is_refused_with_its_place(tmp_path, capsys, content, said):
    source = tmp_path / "in.csv"
    source.write_text(content)
    assert score_milkings.main([str(source), str(tmp_path / "out.csv")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_decimal_commas_are_decimals_whatever_separates_the_columns(tmp_path, delimiter):
    rows = herd(days=8)
    with_commas = [
        {**row, "yield_kg": row["yield_kg"].replace(".", ","), "conductivity": row["conductivity"].replace(".", ",")}
        for row in rows
    ]
    assert scores(run(tmp_path, with_commas, delimiter=delimiter)) == scores(run(tmp_path, rows))


def test_a_comma_between_the_thousands_of_cells_is_no_decimal_comma():
    row = {"cow": "1", "datetime": "2024-03-01", "scc": "1,250,000", "yield_kg": "31,250", "lactose": "4,8"}
    milking = csv_rows.parse_row(row, 2, None, pytest.fail).milking
    assert (milking.scc, milking.yield_kg, milking.lactose) == (1_250_000, 31.25, 4.8)


def test_columns_that_are_not_read_may_be_there_twice_or_without_a_name_and_stay_as_they_are(tmp_path):
    rows = herd(days=8)
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    lines = [",Cow,datetime,yield_kg,Conductivity,x,x,"]
    lines += [f"{n},{r['cow']},{r['datetime']},{r['yield_kg']},{r['conductivity']},a,b,,," for n, r in enumerate(rows)]
    source.write_text("\r\n".join(lines))
    assert score_milkings.main([str(source), str(target)]) == 0
    with target.open(newline="") as file:
        header, *out = csv.reader(file)
    assert header == ["", "Cow", "datetime", "yield_kg", "Conductivity", "x", "x", "", "score", "level", "reasons"]
    assert out[3][:8] == ["3", rows[3]["cow"], rows[3]["datetime"], *list(rows[3].values())[2:], "a", "b", ""]
    assert [row[8] for row in out] == scores(run(tmp_path, rows))


def test_a_file_that_was_scored_before_is_scored_anew(tmp_path):
    rows = herd(days=8)
    out = run(tmp_path, rows)
    assert run(tmp_path, [{**row, "score": "7"} for row in out], list(out[0])) == out


def test_latin_letters_of_a_spreadsheet_are_read(tmp_path):
    rows = [{**row, "cow": f"Kühn {row['cow']}"} for row in herd(days=8)]
    assert run(tmp_path, rows, encoding="latin-1") == run(tmp_path, rows)


@pytest.mark.parametrize("column", ["yield_kg", "conductivity"])
def test_a_column_may_be_missing_or_empty_with_the_same_result(tmp_path, column):
    rows = [{**row, column: ""} for row in herd(days=8)]
    without = run(tmp_path, rows, [name for name in HEADER if name != column])
    assert scores(without) == scores(run(tmp_path, rows))


def test_two_cows_milked_at_the_same_time_are_two(tmp_path):
    one = herd(cows=1, ill=None)
    other = [{**row, "cow": "other"} for row in one]
    assert scores(run(tmp_path, one + other))[: len(one)] == scores(run(tmp_path, other + one))[len(one) :]


def test_a_file_without_rows_gives_a_header(tmp_path):
    assert run(tmp_path, []) == []


def test_the_scorer_needs_no_odoo_and_no_library(tmp_path):
    """Modules that it imports are Python's own or the package."""
    import subprocess

    program = (
        "import sys; sys.path.insert(0, 'scripts'); import score_milkings;"
        "print(*{m.split('.')[0] for m in sys.modules} - set(sys.stdlib_module_names))"
    )
    # -S: without site-packages.
    out = subprocess.run(
        [sys.executable, "-S", "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )
    assert set(out.stdout.split()) <= {"__main__", "mastitis", "score_milkings"}
