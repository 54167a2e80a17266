"""PURE. Ranges of ids: what `--userns` means, and that nobody ever gets what somebody has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.plan.userns import SIZE, Bounds, Taken, accounts, bounds, choose, subordinate, wanted
from stage0.request import AppRequest
from stage1.contract import ConflictError, PodError, UsageError, UserNamespace
from tests.samples import plan

LIMITS = Bounds(100_000, 100_000 + 8 * SIZE - 1)
ANY = UserNamespace(base=0)
IDS = st.integers(1, LIMITS.last + SIZE)
TAKEN = st.builds(
    lambda first, size: Taken(first, first + size - 1, "somebody"), IDS, st.integers(1, 2 * SIZE)
)


def overlaps(own: UserNamespace, other: Taken) -> bool:
    return own.base <= other.last and other.first < own.base + own.size


@given(st.lists(TAKEN, max_size=12))
def test_a_range_that_is_given_lies_within_the_limits_and_is_nobodys(taken: list[Taken]) -> None:
    try:
        own = choose(ANY, taken, LIMITS)
    except ConflictError:
        for base in range(LIMITS.first, LIMITS.last - SIZE + 2, 977):  # then there is no room anywhere
            assert any(overlaps(UserNamespace(base), other) for other in taken)
        return
    assert LIMITS.first <= own.base and own.base + own.size - 1 <= LIMITS.last
    assert not any(overlaps(own, other) for other in taken)


@given(st.lists(TAKEN, max_size=6), IDS, st.integers(1, SIZE))
def test_a_range_that_is_named_is_given_or_refused_but_never_changed(
    taken: list[Taken], base: int, size: int
) -> None:
    own = UserNamespace(base, size)
    if any(overlaps(own, other) for other in taken):
        with pytest.raises(ConflictError, match="are not free: somebody has"):
            choose(own, taken, LIMITS)
    else:
        assert choose(own, taken, LIMITS) == own


def test_pods_get_ranges_one_after_the_other_and_gaps_are_filled() -> None:
    taken: list[Taken] = []
    for number in range(4):
        own = choose(ANY, taken, LIMITS)
        assert own == UserNamespace(LIMITS.first + number * SIZE)
        taken.append(Taken(own.base, own.base + SIZE - 1, f"pod {number}"))
    del taken[1]
    assert choose(ANY, taken, LIMITS).base == LIMITS.first + SIZE


def test_when_all_are_taken_the_way_out_is_told() -> None:
    with pytest.raises(ConflictError) as caught:
        choose(ANY, [Taken(1, 2**32 - 2, "all")], LIMITS)
    assert "pod gc" in caught.value.hint


def test_users_groups_and_subordinate_ids_of_the_host_are_somebodys() -> None:
    passwd = "root:x:0:0:root:/root:/bin/sh\nbig:x:1073741900:5::/:/bin/false\n#comment\nodd:x:ten:1:::\n"
    assert list(accounts(passwd, "/etc/passwd")) == [Taken(1073741900, 1073741900, "big in /etc/passwd")]
    assert list(accounts("tape:x:26:web\n", "g")) == [Taken(26, 26, "tape in g")]
    text = "me:100000:65536\nbroken:1\n\nme:x:y\n"
    assert list(subordinate(text, "/etc/subuid")) == [Taken(100000, 165535, "me in /etc/subuid")]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("host", None),
        ("auto", ANY),
        ("5000:100", UserNamespace(5000, 100)),
        ("1:4294967294", UserNamespace(1, 2**32 - 2)),
    ],
)
def test_what_the_option_says(text: str, meant: UserNamespace | None) -> None:
    assert wanted(text) == meant


@pytest.mark.parametrize(
    "text", ["", "no", "0:65536", "5", "5:", ":5", "5:0", "-1:5", "5:-1", "1:4294967295", "5:5:5", "²:5"]
)
def test_what_is_no_user_namespace_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        wanted(text)
    assert "BASE:COUNT" in caught.value.hint


def test_an_app_must_have_an_id_there() -> None:
    big = AppRequest(image="web", user="70000")
    with pytest.raises(UsageError, match="there is no id 70000 in a user namespace of 65536 ids"):
        plan(big)
    with pytest.raises(UsageError, match="there is no id 65536"):
        plan(AppRequest(image="web", user="5:65536"))
    assert plan(big, userns="host").apps[0].user.uid == 70000
    assert plan(big, userns="1000000:100000").apps[0].user.uid == 70000


@pytest.mark.parametrize("text", ["5", "x:y", "100:65535", "4294967000:65536"])
def test_a_setting_that_holds_no_pod_is_refused(text: str) -> None:
    with pytest.raises(PodError, match="POD_USERNS_RANGE"):
        bounds(text)


def test_the_setting_says_where_ranges_may_lie() -> None:
    assert bounds("200000:131072") == Bounds(200000, 331071)
    assert bounds("") == bounds(None) == Bounds()
    assert Bounds().first > 600_100_000  # SUB_UID_MAX of login.defs(5): later users do not come to lie there
