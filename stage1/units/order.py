"""PURE. Which units an app's unit waits for, and the units that wait for what systemd has no word for."""

from __future__ import annotations

from collections.abc import Iterator

from stage1.contract import App, Condition, Dependency, PodManifest
from stage1.contract.values import NamedTuple
from stage1.quoting import Escaped
from stage1.units.names import await_name, service_name, socket_unit_name


class Order(NamedTuple):
    """Units this one starts after, units it has started with it, and units without which it does not start."""

    after: tuple[Escaped, ...]
    wants: tuple[Escaped, ...]
    requires: tuple[Escaped, ...]


class Await(NamedTuple):
    """The context of await.service: it has started when the app is that far, and fails when it will never be."""

    app: Escaped
    condition: Escaped
    service: Escaped


def order(app: App, pod: PodManifest) -> Order:
    """What was asked for; init apps run one after the other, and after sidecars; the others after both."""
    known = {other.name: other for other in pod.apps}
    wants, requires = _units(app.wants, known), (*_units(app.requires, known), *_inits_before(app, pod))
    sidecars = () if app.sidecar else tuple(service_name(other.name) for other in pod.apps if other.sidecar)
    after = (*_units(app.after, known), *wants, *requires, *sidecars)
    return Order(
        *(tuple(Escaped(unit) for unit in dict.fromkeys(units)) for units in (after, wants, requires))
    )


def awaits(pod: PodManifest) -> tuple[Await, ...]:
    """Each app and state that some app waits for by a unit of its own."""
    known = {other.name: other for other in pod.apps}
    wished = [one for app in pod.apps for one in (*app.after, *app.wants, *app.requires)]
    found = dict.fromkeys(one for one in wished if _needs_unit(known[one.app], one.condition))
    return tuple(
        Await(Escaped(one.app), Escaped(one.condition.value), Escaped(service_name(one.app)))
        for one in found
    )


def is_activated(app: App) -> bool:
    """True for an app that starts when something comes in at one of its sockets."""
    return any(socket.activated for socket in app.sockets)


def _units(dependencies: tuple[Dependency, ...], known: dict[str, App]) -> tuple[str, ...]:
    return tuple(unit for one in dependencies for unit in _units_of(known[one.app], one.condition))


def _units_of(app: App, condition: Condition) -> Iterator[str]:
    """An app that its sockets start is as good as ready as soon as they listen."""
    if is_activated(app):
        yield from (socket_unit_name(app.name, socket.name) for socket in app.sockets)
    elif _needs_unit(app, condition):
        yield await_name(app.name, condition)
    else:
        yield service_name(app.name)


def _needs_unit(app: App, condition: Condition) -> bool:
    """For systemd a unit has started when it is ready; and an init app when it has ended."""
    if condition is Condition.FINISHED:
        return not app.init
    waits = app.readiness.is_told or bool(app.hooks.post_start)
    return condition is Condition.STARTED and waits and not is_activated(app)


def _inits_before(app: App, pod: PodManifest) -> tuple[str, ...]:
    if app.sidecar:
        return ()
    names = [other.name for other in pod.apps if other.init]
    before = names[: names.index(app.name)][-1:] if app.init else names
    return tuple(service_name(name) for name in before)
