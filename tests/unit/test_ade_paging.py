"""The cursor of a page of milking visits."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_dairy_iot_milk.exchange.paging import Cursor


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(1, 2**31 - 1), st.integers(2, 999_999_999))
def test_a_cursor_reads_back_to_the_microsecond(moment, last_id, page):
    cursor = Cursor(moment, last_id, page)
    assert Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "20260301T043000000001",
        "20260301T043000000001-1",
        "20261301T043000000001-1-2",
        "20260301T043000000001-9999999999-2",
        "٢0260301T043000000001-1-2",
    ],
)
def test_what_no_page_has_told_is_no_cursor(text):
    with pytest.raises(ValueError):
        Cursor.parse(text)
