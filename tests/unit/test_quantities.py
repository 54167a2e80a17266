"""PURE. Numbers with units."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0 import quantities
from stage1.contract import UsageError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("90", 90),
        ("1.5s", 1.5),
        ("500ms", 0.5),
        ("2m", 120),
        ("2min", 120),
        ("1h", 3600),
        ("1d", 86400),
        (" 3 s ", 3),
    ],
)
def test_a_time_is_seconds_or_has_a_unit(text: str, value: float) -> None:
    assert quantities.seconds(text, where="--time") == pytest.approx(value)


@pytest.mark.parametrize(
    "text", ["", "s", "-1", "1e3", "1 fortnight", "inf", "nan", "1.2.3", "9" * 400, "9" * 5000, "٣", "1S"]
)
def test_what_is_no_time_is_a_usage_error_that_names_the_option(text: str) -> None:
    with pytest.raises(UsageError, match="--time") as caught:
        quantities.seconds(text, where="--time")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("4096", 4096),
        ("64k", 65536),
        ("16M", 2**24),
        ("2G", 2**31),
        ("1TiB", 2**40),
        ("1.5k", 1536),
        ("10b", 10),
    ],
)
def test_a_size_is_bytes_or_has_a_unit_of_1024(text: str, value: int) -> None:
    assert quantities.size(text, where="--log-size") == value


@pytest.mark.parametrize("text", ["", "k", "-1", "1e3", "1x", "9" * 400, "9999999T", "٣", "1 k i"])
def test_what_is_no_size_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size"):
        quantities.size(text, where="--log-size")


@pytest.mark.parametrize("text", ["TERM", "SIGTERM", "term", " sigterm ", "15"])
def test_a_signal_has_many_spellings_and_one_name(text: str) -> None:
    assert quantities.signal_name(text, where="x") == "SIGTERM"


def test_real_time_signals_are_named_by_their_distance() -> None:
    assert quantities.signal_name("RTMIN+3", where="x") == "SIGRTMIN+3"
    assert quantities.signal_number("SIGRTMIN+3") == signal.SIGRTMIN + 3
    assert quantities.signal_number("SIGRTMAX-1") == signal.SIGRTMAX - 1
    assert (
        quantities.signal_number(quantities.signal_name(str(int(signal.SIGRTMIN)), where="x"))
        == signal.SIGRTMIN
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIG",
        "0",
        "-9",
        "99",
        "9999",
        "NOTHING",
        "RTMIN+99",
        "RTMIN-1",
        "²",
        "RTMIN+٣",
        "_DFL",
        "9" * 5000,
    ],
)
def test_what_is_no_signal_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="is not a signal"):
        quantities.signal_name(text, where="x")


@given(st.sampled_from(list(signal.Signals)))
def test_every_signal_survives_its_name(wanted: signal.Signals) -> None:
    for text in (wanted.name, str(wanted.value)):
        assert quantities.signal_number(quantities.signal_name(text, where="x")) == wanted


@given(st.text(max_size=12) | st.from_regex(r"[0-9.]{1,6} ?[a-zA-Z²٣]{0,3}", fullmatch=True))
def test_any_text_is_a_value_or_a_usage_error(text: str) -> None:
    for parse in (quantities.seconds, quantities.size, quantities.signal_name):
        try:
            parse(text, where="here")
        except UsageError as error:
            assert "here" in error.message
            assert error.hint
