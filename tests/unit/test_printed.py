"""How the rows of a report are put on pages."""

from smart_dairy_iot_milk.exchange.printed import LINES, pages


def table(title, rows, total=None, kinds=("text", "liters")):
    columns = [{"title": kind, "kind": kind} for kind in kinds]
    return {"title": title, "columns": columns, "rows": rows, "total": total}


def report(*tables):
    return {"tables": list(tables)}


def rows_of(made):
    return [row for page in made for part in page for row, _is_total in part["rows"]]


def test_a_short_report_is_one_page_with_all_its_tables():
    (page,) = pages(report(table("Animals", [["17", 1.0]], ["All", 1.0]), table("Health", [])))
    assert [part["title"] for part in page] == ["Animals", "Health"]
    assert page[0]["rows"] == [(["17", 1.0], False), (["All", 1.0], True)]
    assert page[1]["rows"] == []


def test_every_row_of_a_long_table_is_there_once_and_each_page_says_that_it_goes_on():
    rows = [[str(number), 1.0] for number in range(500)]
    made = pages(report(table("Animals", rows, ["All", 500.0])))
    assert rows_of(made) == [*rows, ["All", 500.0]]
    assert [part["is_continued"] for page in made for part in page] == [False, *[True] * (len(made) - 1)]
    assert max(len(part["rows"]) for page in made for part in page) < LINES
    assert len(made) < 25


def test_a_title_never_stands_alone_at_the_end_of_a_page():
    for size in range(1, 2 * LINES):
        made = pages(
            report(table("Days", [[str(number), 1.0] for number in range(size)]), table("Health", [["x", 1.0]]))
        )
        assert all(page for page in made)
        assert all(part["rows"] for page in made for part in page)


def test_a_long_text_takes_the_lines_that_it_needs():
    def longest(text):
        made = pages(report(table("Meters", [[text, 1.0] for _number in range(60)])))
        return max(len(part["rows"]) for page in made for part in page)

    assert longest("x" * 400) < longest("x")


def test_a_row_that_no_page_has_room_for_is_printed_all_the_same():
    huge = ["x" * 100_000, 1.0]
    assert rows_of(pages(report(table("Meters", [huge, ["17", 1.0]])))) == [huge, ["17", 1.0]]
