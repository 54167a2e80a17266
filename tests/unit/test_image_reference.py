"""Names of images in registries, and what short ones mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.image.names import is_fetched, is_source
from stage0.image.platforms import Platform, parse_platform
from stage0.image.reference import Reference, ShortNames, parse_reference, read_short_names
from stage0.image.registries import configuration_files, short_names
from stage0.image.transfer import name_of
from stage1.contract.errors import PodError, UsageError

PIN = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("docker://nginx", "docker.io/library/nginx:latest", "docker://docker.io/library/nginx:latest"),
        ("docker.io/nginx:1", "docker.io/library/nginx:1", "docker://docker.io/library/nginx:1"),
        ("index.docker.io/a/b", "docker.io/a/b:latest", "docker://docker.io/a/b:latest"),
        ("quay.io/x/y:tag", "quay.io/x/y:tag", "docker://quay.io/x/y:tag"),
        ("localhost/x", "localhost/x:latest", "docker://localhost/x:latest"),
        ("localhost:5000/x", "localhost:5000/x:latest", "docker://localhost:5000/x:latest"),
        (f"quay.io/x@{PIN}", f"quay.io/x@{PIN}", f"docker://quay.io/x@{PIN}"),
        (f"quay.io/x:1@{PIN}", "quay.io/x:1", f"docker://quay.io/x@{PIN}"),
    ],
)
def test_full_names_are_taken_apart(text, name, address):
    reference = parse_reference(text)
    assert (reference.name, reference.address) == (name, address)


@pytest.mark.parametrize(
    "text",
    ["", ":", "a:", "A", "a//b", "a b", "quay.io/", "x@sha256:12", f"x@{PIN}0", f"@{PIN}", "x:" + "t" * 200],
)
def test_what_is_no_name_is_refused(text):
    with pytest.raises(UsageError):
        parse_reference(text)


def test_a_short_name_says_no_registry():
    assert parse_reference("team/nginx:1") == Reference("", "team/nginx", "1", "")


@given(st.text(max_size=60) | st.from_regex(r"[a-z.:/@-]{1,40}", fullmatch=True))
def test_any_text_is_a_name_or_refused(text):
    try:
        reference = parse_reference(text)
    except UsageError as error:
        assert error.hint
        return
    if reference.domain:
        assert parse_reference(reference.address).name.partition("@")[0] in (
            reference.name.partition("@")[0],
            reference.repository,
        )


def test_which_texts_are_sources():
    assert all(map(is_source, ("docker://x", "containers-storage:x", "docker-daemon:x:1", "oci:x", "dir:/")))
    assert not any(map(is_source, ("docker:dind", "docker", "nginx:1", "oci", "quay.io/x:1")))
    assert is_fetched("docker://x")
    assert not is_fetched("oci:x")


NAMES = read_short_names([
    ("one", {"unqualified-search-registries": ["a.example"], "aliases": {"tool": "b.example/tools/tool", "x": "c/d"}}),
    ("two", {"unqualified-search-registries": ["a.example", "b.example"], "short-name-mode": "permissive",
             "aliases": {"x": "d.example/x"}}),
])  # fmt: skip


def test_aliases_come_first_and_later_files_win():
    assert NAMES.meanings(parse_reference("tool:2")) == (Reference("b.example", "tools/tool", "2", ""),)
    assert NAMES.meanings(parse_reference(f"x@{PIN}")) == (Reference("d.example", "x", "", PIN),)


def test_registries_are_searched_in_their_order_if_that_is_allowed():
    found = [one.name for one in NAMES.meanings(parse_reference("web"))]
    assert found == ["a.example/web:latest", "b.example/web:latest"]
    with pytest.raises(UsageError, match="may mean an image of 2 registries") as raised:
        NAMES._replace(mode="enforcing").meanings(parse_reference("web"))
    assert "a.example/web:latest or b.example/web:latest" in raised.value.hint


def test_without_configuration_it_is_the_hub():
    assert [one.name for one in ShortNames().meanings(parse_reference("web"))] == [
        "docker.io/library/web:latest"
    ]
    assert ShortNames().meanings(parse_reference("a.example/web")) == (parse_reference("a.example/web"),)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["permissive", "a.example"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
documents = st.dictionaries(
    st.sampled_from(["unqualified-search-registries", "short-name-mode", "aliases", "registry"]), anything
)


@given(
    st.lists(st.tuples(st.just("file"), documents | anything), max_size=3), st.sampled_from(["web", "a/b:1"])
)
def test_any_configuration_is_read_or_refused(some, name):
    try:
        read_short_names(some).meanings(parse_reference(name))
    except UsageError as error:
        assert error.hint


def test_the_users_own_configuration_takes_the_place_of_the_systems(tmp_path):
    own = tmp_path / "containers"
    (own / "registries.conf.d").mkdir(parents=True)
    (own / "registries.conf").write_text('unqualified-search-registries = ["own.example"]\n')
    (own / "registries.conf.d/9.conf").write_text('[aliases]\nx = "alias.example/x"\n')
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    names = short_names(environment)
    assert names.search == ("own.example",)
    assert names.aliases["x"] == "alias.example/x"
    chosen = tmp_path / "chosen.conf"
    chosen.write_text("broken")
    assert configuration_files({"CONTAINERS_REGISTRIES_CONF": str(chosen)})[0] == chosen
    with pytest.raises(UsageError, match=r"chosen\.conf cannot be read"):
        short_names({"CONTAINERS_REGISTRIES_CONF": str(chosen)})


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("docker-daemon:web:1", "web:1"),
        ("containers-storage:localhost/a/b", "localhost/a/b:latest"),
        ("containers-storage:[overlay@/a+/b:x=y]localhost/web:2", "localhost/web:2"),
        (f"containers-storage:web:1@{PIN[7:]}", "web:1"),
    ],
)
def test_images_of_other_stores_keep_their_names(text, name):
    assert name_of(text) == name


def test_an_image_without_a_name_must_be_given_one():
    with pytest.raises(UsageError) as raised:
        name_of(f"containers-storage:@{PIN[7:]}")
    assert "--name" in raised.value.hint


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/amd64", Platform("amd64")),
        ("linux/x86_64", Platform("amd64")),
        ("linux/arm/v6", Platform("arm", "v6")),
        ("linux/armhf", Platform("arm", "v7")),
    ],
)
def test_a_platform_is_read_as_people_write_it(text, platform):
    assert parse_platform(text) == platform


@pytest.mark.parametrize("text", ["amd64", "windows/amd64", "linux/", "linux/a/b/c", "linux/a b", ""])
def test_what_is_no_platform_is_refused(text):
    with pytest.raises(UsageError):
        parse_platform(text)


def test_the_best_variant_wins_and_newer_ones_do_not_run():
    offers = [{"architecture": "arm", "variant": each} for each in ("v8", "v5", "v7", "v6")]
    ranks = [Platform("arm", "v7").rank(offer) for offer in offers]
    assert ranks == [None, 3, 0, 2]
    assert Platform("arm64").rank({"architecture": "arm64", "variant": "v8"}) == 0
    assert Platform("amd64").rank({"architecture": "amd64", "variant": "v3"}) is None
    assert Platform("amd64").rank({"architecture": "amd64", "os": "windows"}) is None


def test_an_image_that_does_not_say_what_it_is_for_suits_every_host():
    assert Platform("arm64").suits("", "")
    assert Platform("arm64").suits("arm64", "")
    assert not Platform("arm64").suits("amd64", "linux")
    assert not Platform("amd64").suits("amd64", "windows")


@given(
    st.dictionaries(st.sampled_from(["architecture", "variant", "os"]), st.text(max_size=5)),
    st.text(max_size=8),
)
def test_any_offer_has_a_rank_or_none(offer, variant):
    assert (Platform("arm", variant).rank(offer) or 0) >= 0


def test_errors_are_errors_of_ours():
    assert issubclass(UsageError, PodError)
