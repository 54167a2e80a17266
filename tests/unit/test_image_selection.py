"""PURE. What a collection chooses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stage0.image.selection import Item, Rules, Stored, select

NOW = 1_000_000.0
SHARED = frozenset({"base"})


def image(digest: str, *names: str, age: float = 0.0, layers: frozenset[str] = frozenset()) -> Stored:
    return Stored(digest, names, NOW - age, frozenset({digest}), layers)


def chosen(images: list[Stored], rules: Rules, in_use: set[str] | None = None, size: int = 10) -> list[str]:
    sizes = {item: size for each in images for item in each.items}
    ordered = sorted(images, key=lambda each: each.used)
    return [choice.digest for choice in select(ordered, in_use or set(), sizes, NOW, rules)]


def test_without_rules_only_what_has_no_name_goes() -> None:
    assert chosen([image("a"), image("b", "name"), image("c", age=9e5)], Rules()) == ["c", "a"]


def test_what_a_pod_uses_never_goes() -> None:
    rules = Rules(0, 0, 1)
    assert chosen([image("a"), image("b", "name"), image("c", "other")], rules, {"a", "b"}) == ["c"]


def test_ages_are_of_the_last_use_and_names_have_their_own() -> None:
    images = [image("a", age=10), image("b", age=20), image("c", "n", age=30), image("d", "m", age=40)]
    assert chosen(images, Rules(15, 35)) == ["d", "b"]
    assert chosen(images, Rules(None, None)) == []


def test_a_goal_takes_the_longest_unused_until_it_is_reached() -> None:
    images = [image(name, f"name-{name}", age=age) for name, age in (("a", 1), ("b", 3), ("c", 2))]
    assert chosen(images, Rules(keep_size=30)) == []
    assert chosen(images, Rules(keep_size=20)) == ["b"]
    assert chosen(images, Rules(keep_size=15)) == ["b", "c"]


def test_what_others_share_frees_nothing_until_the_last_of_them_goes() -> None:
    images = [image("a", "x", age=2, layers=SHARED), image("b", "y", age=1, layers=SHARED)]
    sizes: dict[Item, int] = {("blob", "a"): 1, ("blob", "b"): 1, ("layer", "base"): 100}
    first, second = select(images, (), sizes, NOW, Rules(named_older=0))
    assert (first.freed, second.freed) == (1, 101)


names = st.lists(st.sampled_from(["x", "y"]), max_size=1)
stored = st.builds(
    lambda digest, names, age, layers: image(digest, *names, age=age, layers=frozenset(layers)),
    st.sampled_from("abcdefgh"), names, st.integers(0, 1000), st.sets(st.sampled_from("123")),
)  # fmt: skip
ages = st.none() | st.integers(0, 1000)


@given(
    st.lists(stored, unique_by=lambda each: each.digest),
    st.sets(st.sampled_from("abcdefgh")),
    st.builds(Rules, ages, ages, st.integers(0, 200)),
)
def test_any_collection_keeps_what_it_must_and_frees_what_it_says(
    images: list[Stored], in_use: set[str], rules: Rules
) -> None:
    images.sort(key=lambda each: each.used)
    sizes = {item: 7 for each in images for item in each.items}
    choices = select(images, in_use, sizes, NOW, rules)
    gone = {choice.digest for choice in choices}
    assert len(gone) == len(choices)
    assert not gone & in_use
    left = [each for each in images if each.digest not in gone]
    kept = {item for each in left for item in each.items}
    assert sum(choice.freed for choice in choices) == 7 * (len(sizes) - len(kept))
    for each in left:
        limit = rules.named_older if each.names else rules.unnamed_older
        assert each.digest in in_use or limit is None or NOW - each.used < limit
    if rules.keep_size and 7 * len(kept) > rules.keep_size:
        assert all(each.digest in in_use for each in left), "only what is used may be left above the goal"
    if not rules.keep_size:
        assert all(choice.reason != "size" for choice in choices)
