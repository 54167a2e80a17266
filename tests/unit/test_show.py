"""PURE. Facts for people and for programs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0 import show

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


def test_columns_are_as_wide_as_they_need_to_be_and_lines_end_where_text_ends() -> None:
    assert show.table(("A", "LONG"), [("xxx", "y"), ("", "")]) == "A    LONG\nxxx  y\n\n"
    assert show.table(("A", "B"), []) == "A  B\n"


@given(
    st.lists(
        st.lists(
            st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8), min_size=2, max_size=2
        ),
        max_size=4,
    )
)
def test_every_cell_of_a_table_is_in_its_line(rows: list[list[str]]) -> None:
    lines = show.table(("A", "B"), rows).splitlines()
    assert len(lines) == len(rows) + 1
    for line, row in zip(lines[1:], rows, strict=True):
        assert line.split() == row


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=5,
    )
)
def test_json_is_ascii_and_comes_back(value: object) -> None:
    text = show.as_json(value)
    assert text.isascii()
    assert text.endswith("\n")
    assert json.loads(text) == value


def test_text_that_is_not_utf8_is_json_all_the_same() -> None:
    assert json.loads(show.as_json("a\udcff")) == "a\udcff"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 minute"),
        (119, "1 minute"),
        (120, "2 minutes"),
        (3600, "1 hour"),
        (7300, "2 hours"),
        (86400, "1 day"),
        (900000, "10 days"),
        (-5, "0 s"),
    ],
)
def test_a_moment_is_told_by_how_long_ago_it_was(seconds: int, text: str) -> None:
    moment = (NOW - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
    assert show.ago(moment, NOW) == text


@pytest.mark.parametrize(
    "moment", [None, "", "yesterday", "2026-01-31", "2026-01-31T12:00:00", "2026-99-31T12:00:00Z"]
)
def test_what_is_no_moment_is_a_dash(moment: str | None) -> None:
    assert show.ago(moment, NOW) == "-"


@given(st.text())
def test_what_is_shown_on_a_terminal_cannot_speak_to_it(text: str) -> None:
    assert show.printable(text).isprintable()


def test_what_can_be_printed_is_printed_as_it_is() -> None:
    assert show.printable("é $ %") == "é $ %"
    assert show.printable("a\x1b[31m\n\udcff") == "a\\x1b[31m\\n\\udcff"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.7, "1 kB"),
        (12_345_678, "12.3 MB"),
        (5e9, "5 GB"),
        (3.21e12, "3.21 TB"),
    ],
)
def test_a_size_has_three_digits_and_a_unit(size: float, text: str) -> None:
    assert show.amount(size) == text
