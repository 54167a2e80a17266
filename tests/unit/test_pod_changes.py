"""PURE. A pod that gets apps, loses them and gives them other images, and what of `run/` that changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.plan.changes import Change, with_app, with_image, without_apps
from stage0.request import AppRequest
from stage1 import plan as launch
from stage1.contract import (
    Confinement,
    ConflictError,
    Credential,
    CredentialKind,
    DataRoot,
    Device,
    ExitPolicy,
    ExitRule,
    NotFoundError,
    PodManifest,
    State,
    Stdin,
    UsageError,
    User,
    UserNamespace,
    VolumeKind,
)
from stage1.render import render
from stage1.resources import template_path
from stage1.running.difference import difference, lacking
from stage1.running.joining import kept
from tests.samples import FACTS, FILES, NOW, app, image, plan, pod

ONE = image(entrypoint=("/bin/one",), cmd=("serve",), env=("A=1", "B=2"), workdir="/srv", volumes=("/data",))
TWO = image(
    "web:2", entrypoint=("/bin/two",), cmd=("run",), env=("A=9",), workdir="/opt", volumes=("/data", "/more")
)
OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "env": st.sampled_from([(), ("A=x",), ("C=3", "A=1")]),
    "args": st.none() | st.sampled_from([("serve",), ("other", "words")]),
    "volume": st.sampled_from([(), ("/etc:/etc2:ro",), ("kept:/data",), ("/etc:/a", "/usr:/b")]),
    "tmpfs": st.sampled_from([(), ("/tmp",)]),
    "user": st.none() | st.just("1000:1000"),
    "read_only": st.booleans(),
}
WISHES = st.fixed_dictionaries(OPTIONS)


def launched(whole: PodManifest) -> launch.LaunchPlan:
    directory = DataRoot(Path("/var/lib/pod")).pod(State.RUN, whole.uuid)
    texts = render(launch.jobs(whole, FACTS, keep_unit=False), template_path()[-1:], None)
    return launch.launch_plan(
        whole, launch.Site(directory, directory.root.base / "KEY", FACTS, FILES), texts
    )


@given(first=WISHES, second=WISHES)
def test_an_app_that_is_added_is_planned_as_if_it_had_been_there(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    wishes = [AppRequest(image="web", name=name, **said) for name, said in (("a", first), ("b", second))]
    both = plan(*wishes, images=(ONE, TWO))
    added = with_app(plan(wishes[0], images=(ONE,)), wishes[1], TWO, NOW)
    assert added == both
    assert without_apps(added, ["b"]) == plan(wishes[0], images=(ONE,))


def test_numbers_of_volumes_that_are_gone_are_not_taken_twice() -> None:
    wishes = [AppRequest(image="web", name=name, volume=(f"/{name}:/x",)) for name in ("a", "b", "c")]
    two = plan(*wishes[:2], images=(ONE, ONE))
    found = with_app(without_apps(two, ["a"]), wishes[2], ONE, NOW)
    hosts = [volume for volume in found.volumes if volume.kind is VolumeKind.HOST]
    assert {volume.source for volume in hosts} == {"/b", "/c"}
    assert len({volume.name for volume in found.volumes}) == len(found.volumes)


def test_a_name_is_there_once_and_ports_have_a_verb_of_their_own() -> None:
    with pytest.raises(ConflictError, match="has an app web already"):
        with_app(plan(images=(ONE,)), AppRequest(image="web"), ONE, NOW)
    with pytest.raises(UsageError, match="pod port add"):
        with_app(plan(images=(ONE,)), AppRequest(image="web", name="x", publish=("80",)), ONE, NOW)
    own = plan(images=(ONE,))._replace(userns=UserNamespace(base=100000, size=1000))
    with pytest.raises(UsageError, match="no id 2000"):
        with_app(own, AppRequest(image="web", name="x", user="2000:5"), ONE, NOW)


def test_apps_that_somebody_needs_stay() -> None:
    both = plan(
        AppRequest(image="web", name="db"),
        AppRequest(image="web", name="web", requires=("db",)),
        images=(ONE, ONE),
    )
    with pytest.raises(ConflictError, match="app web waits for db"):
        without_apps(both, ["db"])
    assert without_apps(both, ["db", "web"]).apps == ()
    with pytest.raises(NotFoundError, match="no app 'cache'") as caught:
        without_apps(both, ["cache"])
    assert caught.value.hint == "its apps: db, web"
    decided = both._replace(exit_policy=ExitPolicy(rule=ExitRule.APP, app="web"))
    with pytest.raises(ConflictError, match="decides"):
        without_apps(decided, ["web"])


@given(said=WISHES)
def test_the_same_image_again_changes_nothing_but_the_writable_layer(said: dict[str, Any]) -> None:
    before = plan(AppRequest(image="web", name="a", **said), images=(ONE,))
    after = with_image(before, "a", (ONE, ONE), NOW)
    assert after.apps[0].revision == 1
    assert after.apps[0].data == "a.1"
    assert set(after.apps[0].env) == set(before.apps[0].env)
    assert after == before._replace(apps=(before.apps[0]._replace(revision=1, env=after.apps[0].env),))


@given(said=WISHES)
def test_another_image_speaks_where_the_user_did_not(said: dict[str, Any]) -> None:
    wish = AppRequest(image="web", name="a", **said)
    found = with_image(plan(wish, images=(ONE,)), "a", (ONE, TWO), NOW).apps[0]
    fresh = plan(wish, images=(TWO,)).apps[0]
    assert (found.layers, found.image, found.workdir) == (fresh.layers, fresh.image, "/opt")
    assert {mount.target for mount in found.mounts} == {mount.target for mount in fresh.mounts}
    if said["args"] != ("serve",):  # what the user said in the image's own words is the image's
        assert found.argv == fresh.argv
    if "A=1" not in said["env"]:
        assert set(found.env) == set(fresh.env)


def test_words_of_the_user_stay_behind_the_new_entry_point() -> None:
    wish = AppRequest(image="web", name="a", args=("mine",), env=("B=5",))
    found = with_image(plan(wish, images=(ONE,)), "a", (ONE, TWO), NOW).apps[0]
    assert found.argv == ("/bin/two", "mine")
    assert {"A=9", "B=5"} <= set(found.env)


APPS = st.sets(st.sampled_from(["a", "b", "c", "d"]))


def made_of(names: set[str]) -> PodManifest:
    return pod()._replace(apps=tuple(app(name) for name in sorted(names)))


@given(old=APPS, new=APPS)
def test_a_change_names_what_comes_what_goes_and_what_is_another(old: set[str], new: set[str]) -> None:
    found = Change(made_of(old), made_of(new))
    assert {one.name for one in found.added} == new - old
    assert {one.name for one in found.removed} == old - new
    assert found.replaced == []
    again = found.after._replace(apps=tuple(one._replace(revision=1) for one in found.after.apps))
    assert {one.name for one, _ in Change(found.before, again).replaced} == old & new


@given(old=APPS, new=APPS)
def test_the_difference_of_two_plans_makes_one_into_the_other(old: set[str], new: set[str]) -> None:
    one, other = launched(made_of(old)), launched(made_of(new))
    found = difference(one, other)
    kept = {name: content for name, content in one.files.items() if name not in found.removed}
    assert kept | found.changed == other.files
    touched = {name for name in (*found.changed, *found.removed) if name.startswith("units/app-")}
    assert touched == {f"units/app-{name}.service" for name in old ^ new}, "others are untouched"
    assert found.of_units == (old != new)
    assert lacking(one, other) == []


def test_a_device_or_a_secret_comes_to_a_running_pod() -> None:
    device, secret = Device("/dev/x", "/dev/x", "rw"), Credential("key", CredentialKind.FILE, "/secret")
    rich = app("b", confinement=Confinement(devices=(device,)), credentials=(secret,))
    assert lacking(launched(pod(app("a"))), launched(pod(app("a"), rich))) == []
    assert kept(None, rich) == kept(rich, None) == ()
    assert kept(rich, rich._replace(revision=1)) == ("nodes", "credentials")
    assert kept(rich, rich._replace(credentials=())) == ("nodes",)
    assert kept(rich, rich._replace(user=User("5", 5, 5))) == ("credentials",)


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"confinement": Confinement(capabilities=("CAP_NET_ADMIN",))}, "CAP_NET_ADMIN"),
        ({"credentials": (Credential("key", CredentialKind.UNIT, "key"),)}, "the unit that started it"),
        ({"credentials": (Credential("key", CredentialKind.FILE, "/dev/stdin"),)}, "/dev/stdin"),
        ({"confinement": Confinement(privileged=True)}, "--privileged"),
        ({"stdin": Stdin.STREAM}, "--stdin"),
        ({"oom_score_adjust": -500}, "--oom-score-adj"),
    ],
)
def test_what_only_a_start_gives_is_named_and_may_go(more: dict[str, Any], what: str) -> None:
    plain, rich = launched(pod(app("a"))), launched(pod(app("a"), app("b", **more)))
    assert any(what in text for text in lacking(plain, rich))
    assert lacking(rich, plain) == []
    assert lacking(rich, rich) == []
