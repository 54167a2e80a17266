"""PURE. Who an app is: looked up in texts of the image, which may hold anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.plan import users
from stage1.contract import UsageError, User
from tests.samples import GROUP, PASSWD


def resolve(user: str, group: str | None = None, passwd: str = PASSWD, groups: str = GROUP) -> User:
    return users.resolve(user, group, passwd, groups)


def test_nobody_said_is_root() -> None:
    assert resolve("") == User(name="0", uid=0, gid=0, groups=(), home="/root", shell="/bin/sh")


def test_a_name_brings_its_group_its_other_groups_and_its_home() -> None:
    assert resolve("web") == User(
        name="web", uid=101, gid=102, groups=(4, 26), home="/srv/web", shell="/bin/false"
    )


def test_a_number_that_the_image_knows_is_the_same_user() -> None:
    assert resolve("101") == User(
        name="101", uid=101, gid=102, groups=(4, 26), home="/srv/web", shell="/bin/false"
    )


def test_a_number_that_the_image_does_not_know_is_in_the_group_of_root() -> None:
    assert resolve("4242") == User(name="4242", uid=4242, gid=0, groups=(), home="/")


def test_a_group_that_is_said_leaves_the_other_groups_out() -> None:
    assert resolve("web:tape").gid == 26
    assert resolve("web:tape").groups == ()
    assert resolve("web:77").gid == 77
    assert resolve("web", "log") == User(
        name="web", uid=101, gid=4, groups=(), home="/srv/web", shell="/bin/false"
    )
    assert resolve("web:tape", "log").gid == 4


def test_a_colon_without_a_group_says_nothing() -> None:
    assert resolve("web:").gid == 102
    assert resolve(":tape") == User(name=":tape", uid=0, gid=26, groups=(), home="/root", shell="/bin/sh")


def test_names_that_are_not_there_have_no_number() -> None:
    assert resolve("ghost").uid is None
    assert resolve("web:ghosts").gid is None
    assert resolve("web", "ghosts").gid is None


def test_a_name_made_of_digits_is_a_name_first() -> None:
    assert resolve("7", passwd="7:x:1007:1008::/seven:/bin/sh\nx:x:7:7::/:/\n") == User(
        name="7", uid=1007, gid=1008, groups=(), home="/seven", shell="/bin/sh"
    )


def test_more_groups_are_looked_up_in_the_image_and_must_be_there() -> None:
    assert users.resolve("web", None, PASSWD, GROUP, ("7", "tape", "web")).groups == (4, 7, 26)
    assert users.resolve("web", "log", PASSWD, GROUP, ("tape",)).groups == (26,)
    with pytest.raises(UsageError, match="no such group"):
        users.resolve("web", None, PASSWD, GROUP, ("ghosts",))


def test_an_empty_image_has_numbers_only() -> None:
    assert resolve("5:6", passwd="", groups="") == User(name="5:6", uid=5, gid=6, groups=(), home="/")
    assert resolve("web", passwd="", groups="").uid is None


def test_the_first_of_two_lines_counts() -> None:
    assert resolve("a", passwd="a:x:1:1::/one:\na:x:2:2::/two:\n").home == "/one"


@pytest.mark.parametrize(
    "line",
    [
        "web",
        "web:x",
        "web:x:one:1::/:",
        "web:x:-1:1::/:",
        "web:x:1:",
        "web:x:²:1::/:/",
        f"web:x:{'9' * 5000}:1::/:/",
        "web:x:4294967295:1::/:/",
    ],
)
def test_lines_that_are_not_well_formed_are_not_there(line: str) -> None:
    assert resolve("web", passwd=f"{line}\nweb:x:5:6::/home:/bin/sh\n").uid == 5


@pytest.mark.parametrize("number", ["4294967295", "4294967296", "9" * 5000, "-1", "²", "1.0", " 1"])
def test_a_number_out_of_range_is_a_name_that_is_not_there(number: str) -> None:
    assert resolve(number).uid is None


def test_the_largest_number_is_two_less_than_the_field_holds() -> None:
    assert resolve("4294967294").uid == 4294967294


FIELD = st.text("abc019:-x \u2028²", max_size=6)
LINES = st.lists(st.lists(FIELD, max_size=8).map(":".join), max_size=6).map("\n".join)


@given(FIELD, st.none() | FIELD, LINES | st.text(max_size=40), LINES | st.text(max_size=40))
def test_any_image_gives_a_user_whose_numbers_the_kernel_takes(
    user: str, group: str | None, passwd: str, groups: str
) -> None:
    found = resolve(user, group, passwd, groups)
    for number in (found.uid, found.gid, *found.groups):
        assert number is None or 0 <= number < 2**32 - 1
    assert found.gid not in found.groups
    assert found.home
