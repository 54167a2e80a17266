"""PURE. Apps of another manifest in a pod that is there: their volumes, their order, and who has to stay."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stage0.plan.changes import Change, stages
from stage0.plan.order import in_order
from stage0.plan.replacement import adopted, kept_back
from stage1.contract import App, Dependency, ExitPolicy, ExitRule, Mount, Volume, VolumeKind
from tests.samples import app, pod

HOST = Volume("host.1", VolumeKind.HOST, "/srv")
DATA = Volume("implicit.web.1", VolumeKind.IMPLICIT)


def waiting(name: str, *others: str) -> App:
    return app(name, requires=tuple(Dependency(other) for other in others))


def test_an_app_that_is_replaced_keeps_its_volumes_and_begins_with_its_images_files() -> None:
    mounts = (Mount("implicit.web.1", "/data"), Mount("host.1", "/srv"))
    old = pod(app("web", mounts=mounts, revision=2), app("db"), volumes=(DATA, HOST))
    theirs = (Mount("implicit.web.2", "/data"), Mount("host.7", "/srv"), Mount("empty.web.3", "/new"))
    new = pod(
        app("db"), app("web", mounts=theirs),
        volumes=(DATA._replace(name="implicit.web.2"), HOST._replace(name="host.7"),
                 Volume("empty.web.3", VolumeKind.EMPTY)),
    )  # fmt: skip
    found = adopted(old, new, "web")
    assert [one.name for one in found.apps] == ["db", "web"]
    assert [one.volume for one in found.apps[1].mounts] == ["implicit.web.1", "host.1", "empty.web.3"]
    assert [one.name for one in found.volumes] == ["implicit.web.1", "host.1", "empty.web.3"]
    assert found.apps[1].revision == 3


def test_a_volume_that_comes_takes_nobodys_name_and_one_that_goes_is_gone() -> None:
    old = pod(app("web", mounts=(Mount("host.1", "/srv"),)), volumes=(HOST,))
    new = pod(app("web", mounts=(Mount("host.1", "/srv"),)), volumes=(HOST._replace(source="/other"),))
    found = adopted(old, new, "web")
    assert found.volumes == (Volume("host.2", VolumeKind.HOST, "/other"),)
    assert found.apps[0].mounts[0].volume == "host.2"


@given(st.permutations(["a", "b", "c", "d"]))
def test_who_waits_comes_later(names: list[str]) -> None:
    apps = [waiting(name, *names[:place]) for place, name in enumerate(names)]
    assert [one.name for one in in_order(sorted(apps, key=lambda one: one.name))] == names


def test_stages_lead_from_one_pod_to_the_other_and_apps_that_go_stay_until_then() -> None:
    old = pod(app("a"), app("gone"), app("b"))
    new = pod(waiting("a", "new"), app("b", env=("X=1",)), app("new"))
    found = list(stages(Change(old, new)))
    assert [(stage.name, stage.earlier) for stage in found] == [
        ("b", ()), ("new", ("b",)), ("a", ("b", "new"))
    ]  # fmt: skip
    assert found[0].before.apps == old.apps
    for stage, following in pairwise(found):
        assert stage.after == following.before
    assert found[-1].after.apps == (*new.apps, app("gone"))


def test_an_app_that_another_waits_for_stays_and_so_do_those_it_waits_for() -> None:
    one = pod(waiting("web", "db"), waiting("db", "store"), app("store"), app("other"))
    assert dict(kept_back(one, ("db", "store", "other"))) == {
        "db": "app web waits for it",
        "store": "app db waits for it",
    }
    decides = one._replace(exit_policy=ExitPolicy(ExitRule.APP, "other"))
    assert dict(kept_back(decides, ("other",))) == {"other": "decides when the pod is over"}
    assert not list(kept_back(one, ("web",)))


def test_everything_of_a_pod_can_go() -> None:
    one = pod(waiting("web", "db"), app("db"))
    assert not list(kept_back(one, ("web", "db")))
