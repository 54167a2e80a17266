"""PURE. `pod.json` to and from bytes: everything comes back, and nothing else gets in."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage1.contract import (
    App,
    Condition,
    Confinement,
    Credential,
    CredentialKind,
    Dependency,
    Device,
    ExitPolicy,
    ExitRule,
    Hooks,
    Image,
    KillMode,
    Mount,
    NetworkMode,
    Output,
    PodManifest,
    Readiness,
    Resources,
    Restart,
    RestartPolicy,
    Socket,
    SocketKind,
    Stdin,
    SystemCalls,
    Text,
    Tmpfs,
    UsageError,
    User,
    UserNamespace,
    Volume,
    VolumeKind,
    codec,
    reading,
)
from tests.samples import app, pod

TEXT = st.binary(max_size=12).map(lambda data: data.replace(b"\0", b"").decode(errors="surrogateescape"))
# Fields that are not named below: hypothesis finds them by their types, and no text of a manifest holds a NUL.
PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
st.register_type_strategy(str, PLAIN)
st.register_type_strategy(Text, PLAIN)
NAME = st.text("abc-_09", min_size=1, max_size=6)
IDS = st.none() | st.integers(0, 2**32 - 2)


def tuples(values: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(values, max_size=most).map(tuple)


USERS = st.builds(User, name=TEXT, uid=IDS, gid=IDS, groups=tuples(st.integers(0, 99)), home=TEXT)
DEPENDENCIES = st.builds(Dependency, app=NAME, condition=st.sampled_from(Condition))
APPS = st.builds(
    App,
    name=NAME,
    image=st.builds(Image, name=NAME, digest=NAME),
    layers=tuples(NAME),
    argv=tuples(TEXT),
    env=tuples(TEXT),
    user=USERS,
    workdir=TEXT,
    labels=st.dictionaries(TEXT, TEXT, max_size=3),
    stop_time=st.floats(0, 1e6),
    restart=st.builds(
        RestartPolicy,
        when=st.sampled_from(Restart),
        limit=st.none() | st.integers(0, 9),
        delay=st.floats(0, 9),
        max_delay=st.floats(0, 9),
    ),
    readiness=st.builds(
        Readiness, notify=st.booleans(), port=st.none() | st.integers(1, 65535), timeout=st.floats(0, 1e6)
    ),
    kill_mode=st.sampled_from(KillMode),
    run_time=st.none() | st.floats(0, 1e6),
    watchdog=st.none() | st.floats(0, 1e6),
    hooks=st.builds(Hooks, **dict.fromkeys(Hooks._fields, tuples(tuples(TEXT)))),
    init=st.booleans(),
    sidecar=st.booleans(),
    after=tuples(DEPENDENCIES),
    wants=tuples(DEPENDENCIES),
    requires=tuples(DEPENDENCIES),
    mounts=tuples(st.builds(Mount, volume=NAME, target=TEXT, read_only=st.booleans())),
    tmpfs=tuples(
        st.builds(Tmpfs, target=TEXT, size=st.none() | st.integers(0), mode=st.integers(0, 0o7777))
    ),
    sockets=tuples(
        st.builds(
            Socket,
            name=NAME,
            listen=NAME,
            kind=st.sampled_from(SocketKind),
            activated=st.booleans(),
            mode=IDS,
            uid=IDS,
        )
    ),
    credentials=tuples(st.builds(Credential, name=NAME, kind=st.sampled_from(CredentialKind), source=TEXT)),
    stdin=st.sampled_from(Stdin),
    stdout=st.sampled_from(Output),
    stderr=st.sampled_from(Output),
    confinement=st.builds(
        Confinement,
        capabilities=tuples(NAME),
        system_calls=st.builds(SystemCalls, allow=tuples(NAME), deny=tuples(NAME)),
        devices=tuples(st.builds(Device, source=TEXT, target=TEXT, rights=NAME)),
        hidden=tuples(TEXT),
        apparmor=st.none() | TEXT,
    ),
)
PODS = st.builds(
    PodManifest,
    version=st.just(1),
    uuid=NAME,
    name=st.none() | NAME,
    hostname=NAME,
    created=NAME,
    apps=tuples(APPS),
    volumes=tuples(
        st.builds(Volume, name=NAME, kind=st.sampled_from(VolumeKind), source=st.none() | TEXT, mode=IDS)
    ),
    network=st.sampled_from(NetworkMode),
    userns=st.none() | st.builds(UserNamespace, base=st.integers(0, 9), size=st.integers(1, 9)),
    exit_policy=st.builds(ExitPolicy, rule=st.sampled_from(ExitRule), app=st.none() | NAME),
    remove=st.booleans(),
    log_limit=st.integers(65536, 2**40),
)


def refused(document: object) -> str:
    with pytest.raises(UsageError) as caught:
        codec.decode(json.dumps(document).encode(), where="pod.json")
    assert caught.value.message.startswith("pod.json: ")
    assert caught.value.hint
    return caught.value.message


def document(**changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(codec.encode(pod()))
    return plain | changes


@given(PODS)
def test_a_pod_comes_back_as_it_was(wanted: PodManifest) -> None:
    data = codec.encode(wanted)
    assert codec.parse(data, where="x") == wanted
    data.decode()  # whatever the texts hold, the file itself is UTF-8


def test_what_comes_back_is_made_of_the_same_types() -> None:
    found = codec.decode(codec.encode(pod(app(restart=RestartPolicy(when=Restart.ALWAYS)))), where="x")
    assert isinstance(found, PodManifest)
    assert isinstance(found.apps, tuple)
    assert isinstance(found.apps[0], App)
    assert found.apps[0].restart.when is Restart.ALWAYS
    assert isinstance(found.apps[0].user, User)
    assert found.network is NetworkMode.HOST


def test_text_that_is_not_utf8_is_written_as_base64_and_other_text_as_itself() -> None:
    found = document(apps=json.loads(codec.encode(pod(app(argv=("/bin/é", "\udcff\x01")))))["apps"])
    assert found["apps"][0]["argv"] == ["/bin/é", {"base64": "/wE="}]


def test_a_label_whose_name_is_not_utf8_comes_back() -> None:
    wanted = pod(app(labels={"k\udcff": "v\udcfe", "é": "\u2028"}))
    assert codec.decode(codec.encode(wanted), where="x") == wanted


def test_defaults_may_be_left_out() -> None:
    short = document()
    for key in ("volumes", "network", "exit_policy", "remove", "log_limit"):
        del short[key]
    for key in set(App._field_defaults):
        del short["apps"][0][key]
    found = codec.decode(json.dumps(short).encode(), where="x")
    assert found.exit_policy == ExitPolicy()
    assert found.apps[0].stop_signal == "SIGTERM"


def test_an_unknown_key_is_refused_with_its_path() -> None:
    assert "colour: " in refused(document(colour="red"))
    inside = document()
    inside["apps"][0]["restart"]["color"] = 1
    inside["apps"][0]["user"]["colour"] = "red"
    message = refused(inside)
    assert "apps.0.restart.color: " in message
    assert "apps.0.user.colour: " in message


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", 2), ("version", "1"), ("name", 5), ("apps", {}), ("apps", None), ("network", "bridge"),
        ("exit_policy", "all"), ("volumes", [{"name": "x"}]), ("log_limit", "big"), ("created", None), ("uuid", None),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_refused_with_its_path(path: str, value: object) -> None:
    assert f"{path}" in refused(document(**{path: value}))


@pytest.mark.parametrize(
    "text",
    [
        5,
        None,
        ["x"],
        {"base64": "!"},
        {"base64": "/w==", "x": 1},
        {"base64": 5},
        "a\0b",
        {"base64": "AA=="},
        "\ud800",
    ],
)
def test_text_is_a_string_without_nul_or_base64(text: object) -> None:
    broken = document()
    broken["apps"][0]["argv"] = ["/bin/true", text]
    assert "apps.0.argv.1" in refused(broken)


@pytest.mark.parametrize("document", [[], None, 1, "x", {}, {"version": 1}])
def test_a_document_that_is_no_pod_is_refused(document: object) -> None:
    refused(document)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff", b"[" * 100_000, b'{"version": ' + b"9" * 5000 + b"}", b"\0", b"[NaN]"]
)
def test_bytes_that_are_no_json_are_refused(data: bytes) -> None:
    with pytest.raises(UsageError, match=r"pod\.json: not JSON") as caught:
        codec.decode(data, where="pod.json")
    assert caught.value.hint


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(PodManifest._fields), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(PodManifest._fields), JSON, max_size=2),
    st.dictionaries(st.sampled_from(App._fields), JSON, max_size=2),
    st.dictionaries(st.sampled_from(Resources._fields), JSON, max_size=2),
)
def test_what_is_read_without_pydantic_is_what_pydantic_reads(
    changes: dict[str, Any], inside: dict[str, Any], limits: dict[str, Any]
) -> None:
    """The quick way may leave a document to pydantic, but never take one that pydantic refuses, or another value."""
    changed = document()
    changed["apps"][0].update(inside)
    changed["resources"].update(limits)
    changed.update(changes)
    with contextlib.suppress(reading.UnfitError):
        found = reading.read(PodManifest, changed)
        assert found == codec.validate(PodManifest, changed, where="x", hint="x")


@given(PODS)
def test_what_we_wrote_is_read_without_pydantic(wanted: PodManifest) -> None:
    found = reading.read(PodManifest, json.loads(codec.encode(wanted)))
    assert found == wanted
    assert kinds(found) == kinds(wanted)


def kinds(value: object) -> Any:
    """A value with types in the place of all that is in it: 1 is equal to 1.0 and to true."""
    if isinstance(value, tuple):
        return type(value), [kinds(item) for item in value]
    if isinstance(value, dict):
        return dict, {key: kinds(item) for key, item in value.items()}
    return type(value)


@given(
    st.dictionaries(st.sampled_from(PodManifest._fields), JSON, max_size=5),
    st.dictionaries(st.sampled_from(App._fields), JSON, max_size=5),
)
def test_any_document_is_a_pod_or_a_usage_error(changes: dict[str, Any], inside: dict[str, Any]) -> None:
    changed = document(**changes)
    if "apps" not in changes:
        changed["apps"][0].update(inside)
    try:
        found = codec.decode(json.dumps(changed).encode(), where="x")
    except UsageError as error:
        assert "\n" not in error.message
        return
    assert codec.decode(codec.encode(found), where="x") == found
