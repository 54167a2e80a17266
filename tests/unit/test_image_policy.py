"""What the administrator allows images."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.image.policy import Collection, Limits, Policy, parse_policy, read_policy
from stage1.contract.errors import UsageError


def test_without_a_file_the_defaults_count(tmp_path: Path) -> None:
    assert read_policy(tmp_path) == Policy()


def test_the_file_of_the_data_root_counts(tmp_path: Path) -> None:
    (tmp_path / "images.toml").write_text('[limits]\nsize = "2G"\nlayers = 3\n[gc]\nolder-than = "30d"\n')
    found = read_policy(tmp_path)
    assert found.limits == Limits()._replace(size=2 << 30, layers=3)
    assert found.collection == Collection()._replace(older_than=30 * 86400)


def test_all_that_can_be_said() -> None:
    text = """
        [limits]
        size = 1
        files = 2
        path = 3
        layers = 4
        ratio = 5
        [gc]
        automatic = false
        older-than = "12h"
        keep-size = "500M"
    """
    assert parse_policy(text, "x") == Policy(Limits(1, 2, 3, 4, 5), Collection(False, 43200, 500 << 20))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[limits", "x: "),
        ("[limit]", "there is no 'limit'"),
        ("limits = 3", "limits is not a table"),
        ("[limits]\nbytes = 3", "there is no 'bytes'"),
        ("[limits]\nsize = 0", "0 is no such number"),
        ("[limits]\nsize = -1", "-1 is no such number"),
        ("[limits]\nsize = true", "True is no such number"),
        ('[limits]\nsize = "3 apples"', "no such number"),
        ('[limits]\nsize = "30d"', "no such number"),
        ('[gc]\nolder-than = "3G"', "no such number"),
        ('[gc]\nautomatic = "no"', "neither true nor false"),
    ],
)
def test_what_is_not_understood_is_an_error(text: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_policy(text, "x")
    assert said in raised.value.message
    assert raised.value.hint


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "images.toml").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="UTF-8"):
        read_policy(tmp_path)


@given(st.text())
def test_any_text_is_a_policy_or_an_error(text: str) -> None:
    try:
        assert isinstance(parse_policy(text, "x"), Policy)
    except UsageError as error:
        assert error.hint
