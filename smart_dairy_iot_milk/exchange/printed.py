"""A report on paper: which rows stand on which page.

Not every wkhtmltopdf keeps a row whole at the end of a page, or prints the headings again on the next one. So
the pages are cut here, by the lines that they have room for, and each has its headings.
"""

from math import ceil

#: Lines of an A4 page in landscape, fewer than fit: what is longer than reckoned has room.
LINES = 33
#: Lines of the report's title and facts, and of a table's title and headings.
_TITLE, _HEADINGS = 5, 4
#: Letters of a line, and of a column of numbers or dates.
_LINE_LETTERS, _NUMBER_LETTERS = 160, 11
_LEAST_LETTERS = 12


def pages(report):
    """The pages of a report (`workbook` tells what that is).

    :return: list of pages; a page is a list of parts of tables, dicts with `title`, `columns`, `is_continued`, and
        `rows`: list of (row, whether it is the total)
    """
    made, room = [[]], LINES - _TITLE
    for table in report["tables"]:
        part = None
        for row, is_total in _rows(table):
            needed = _lines(table["columns"], row)
            if part is None or needed > room:
                if part or _HEADINGS + needed > room:
                    made.append([])
                    room = LINES
                part = _part(table, is_continued=part is not None)
                made[-1].append(part)
                room -= _HEADINGS
            part["rows"].append((row, is_total))
            room -= needed
        if part is None:
            if room < _HEADINGS:
                made.append([])
                room = LINES
            made[-1].append(_part(table, is_continued=False))
            room -= _HEADINGS
    return made


def _rows(table):
    yield from ((row, False) for row in table["rows"])
    if table["total"]:
        yield table["total"], True


def _part(table, is_continued):
    return {"title": table["title"], "columns": table["columns"], "is_continued": is_continued, "rows": []}


def _lines(columns, row):
    """How many lines a row takes: its texts share what the numbers leave of the width."""
    texts = [value for column, value in zip(columns, row, strict=True) if column["kind"] == "text"]
    if not texts:
        return 1
    letters = max(_LEAST_LETTERS, (_LINE_LETTERS - _NUMBER_LETTERS * (len(columns) - len(texts))) // len(texts))
    return max(1, *(ceil(len(str(text or "")) / letters) for text in texts))
