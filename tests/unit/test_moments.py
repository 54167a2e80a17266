"""PURE. Points in time as people write them, and stamps that sort."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0 import moments
from stage1.contract import UsageError

NOW = 1_767_225_600 * 10**9  # 2026-01-01T00:00:00Z


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("10m", "2025-12-31T23:50:00.000000000Z"),
        ("0s", "2026-01-01T00:00:00.000000000Z"),
        ("@0", "1970-01-01T00:00:00.000000000Z"),
        ("2026-01-31T12:00:00+01:00", "2026-01-31T11:00:00.000000000Z"),
        ("2026-01-31T12:00:00.5Z", "2026-01-31T12:00:00.500000000Z"),
    ],
)
def test_a_time_ago_and_a_point_in_time_are_moments(text: str, stamp: str) -> None:
    assert moments.moment(text, where="--since", now=NOW) == stamp


@given(st.text(max_size=30))
def test_anything_is_a_moment_or_one_clear_error(text: str) -> None:
    try:
        found = moments.moment(text, where="--since", now=NOW)
    except UsageError as error:
        assert "--since" in error.message
    else:
        assert moments.normal(found) == found


@given(st.integers(0, 2**62), st.integers(0, 2**62))
def test_stamps_compare_as_times_do(one: int, other: int) -> None:
    assert (moments.stamp(one) < moments.stamp(other)) == (one < other)


@given(st.text())
def test_a_damaged_time_is_none(text: str) -> None:
    assert moments.normal(text) is None or text.endswith("Z")
    assert moments.normal(None) is None


def test_fewer_digits_are_filled_up() -> None:
    assert moments.normal("2026-01-31T12:00:00Z") == "2026-01-31T12:00:00.000000000Z"
    assert moments.normal("2026-01-31T12:00:00.123456Z") == "2026-01-31T12:00:00.123456000Z"
