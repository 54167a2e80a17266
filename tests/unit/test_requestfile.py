"""EFFECT. `-f FILE`: three formats, one schema."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stage0.request import AppRequest, PodRequest
from stage0.request import cache as requestcache
from stage0.request import file as requestfile
from stage0.verbs import gc
from stage1.contract import DataRoot, UsageError

TOML = """
name = "shop"
net = "none"
exit_policy = "app:web"
volume = ["/srv:/srv:ro"]
rm = true

[[app]]
image = "web:1"
args = ["-x", "two words"]
env = { A = "1", "LONG_NAME" = "é %n" }
stop_time = "3s"
init = false

[[app]]
image = "store"
env = ["A=1", "HOME"]
after = ["web"]
"""
YAML = """
name: shop
net: none
exit_policy: app:web
volume: ["/srv:/srv:ro"]
rm: true
app:
  - image: web:1
    args: ["-x", two words]
    env: {A: "1", LONG_NAME: "é %n"}
    stop_time: 3s
    init: false
  - image: store
    env: [A=1, HOME]
    after: [web]
"""
JSON = json.dumps(yaml.safe_load(YAML))
WANTED = PodRequest(
    name="shop",
    net="none",
    exit_policy="app:web",
    volume=("/srv:/srv:ro",),
    rm=True,
    app=(
        AppRequest(
            image="web:1", args=("-x", "two words"), env={"A": "1", "LONG_NAME": "é %n"}, stop_time="3s"
        ),
        AppRequest(image="store", env=("A=1", "HOME"), after=("web",)),
    ),
)


def read(text: str | bytes, name: str, directory: Path) -> PodRequest:
    path = directory / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(errors="surrogateescape"))
    return requestfile.read(str(path))


def refused(text: str | bytes, name: str, directory: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read(text, name, directory)
    assert name in caught.value.message
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pod.toml", TOML),
        ("pod.yaml", YAML),
        ("pod.yml", YAML),
        ("pod.json", JSON),
        ("pod", TOML),
        ("pod", YAML),
        ("pod", JSON),
    ],
)
def test_the_same_pod_can_be_said_in_three_formats(name: str, text: str, tmp_path: Path) -> None:
    assert read(text, name, tmp_path) == WANTED


@pytest.mark.parametrize("text", [TOML, YAML, JSON])
def test_a_dash_reads_what_comes_in(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert requestfile.read("-") == WANTED


def test_unknown_keys_are_refused_with_their_paths(tmp_path: Path) -> None:
    message = refused(TOML + 'colour = "red"\n[nmae]\nx = 1\n', "pod.toml", tmp_path)
    assert "app.1.colour: " in message
    assert "nmae: " in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", 5),
        ("app", "web"),
        ("app", [{"name": "x"}]),
        ("rm", "perhaps"),
        ("volume", "/a:/b"),
        ("net", 5),
        ("publish", "80"),
        ("app", [{"image": "x", "env": "A=1"}]),
        ("app", [{"image": "x", "args": "-x"}]),
        ("app", [{"image": "x", "args": ["a\0b"]}]),
        ("app", [{"image": "x\0"}]),
        ("app", [{"image": "x", "env_file": ["\0"]}]),
        ("app", [{"image": "x", "exec": "\ud800"}]),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_its_path(key: str, value: object, tmp_path: Path) -> None:
    assert f": {key}" in refused(
        json.dumps({"app": [{"image": "web"}]} | {key: value}), "pod.json", tmp_path
    )


@pytest.mark.parametrize("name", ["pod.toml", "pod.yaml", "pod.json", "pod"])
@pytest.mark.parametrize(
    "text", ["[", "a: [", "\x00", b"\xff\xfe", "[[app]]\nimage = 'x", "{", "- x", "5", "", "[" * 1100]
)
def test_a_file_that_is_no_table_is_refused_in_one_line(
    name: str, text: str | bytes, tmp_path: Path
) -> None:
    refused(text, name, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        '!!int ""',
        "!!float ''",
        "!!bool x",
        "!!timestamp x",
        "!!python/object:os.system {}",
        "&a [*a]",
        "? {}\n: 1",
        "a: !!binary x",
        "2001-99-99",
        "!!set {a}",
        "1: 2",
        "<<: 1",
        "=: 1",
    ],
)
def test_the_oddities_of_yaml_are_refused_in_one_line(text: str, tmp_path: Path) -> None:
    refused(f"name: {text}" if not text.startswith(("?", "1:", "<<", "=")) else text, "pod.yaml", tmp_path)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        requestfile.read(str(tmp_path / "none.toml"))
    with pytest.raises(UsageError, match="directory"):
        requestfile.read(str(tmp_path))


KEYS = st.sampled_from([*PodRequest._fields, *AppRequest._fields])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["web", "host", "A=1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pod=st.dictionaries(KEYS, VALUES, max_size=4), app=st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_table_is_a_request_or_a_usage_error(
    pod: dict[str, Any], app: dict[str, Any], tmp_path: Path
) -> None:
    document = {"app": [{"image": "web"} | app]} | pod
    found = []
    for name, text in (("pod.json", json.dumps(document)), ("pod.yaml", yaml.safe_dump(document))):
        try:
            found.append(read(text, name, tmp_path))
        except UsageError as error:
            assert "\n" not in error.message
    assert len(found) in {0, 2}
    assert found[:1] == found[1:]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=60) | st.text("[]{}=:-!&*|>'\"#\n ab1,?%@`", max_size=40).map(str.encode))
@example(data=b"app: &a [*a]")
def test_any_bytes_are_a_request_or_a_usage_error(data: bytes, tmp_path: Path) -> None:
    for name in ("pod", "pod.toml", "pod.yaml", "pod.json"):
        try:
            read(data, name, tmp_path)
        except UsageError as error:
            assert error.hint


@pytest.mark.parametrize(("name", "text"), [("pod.toml", TOML), ("pod.yaml", YAML), ("pod.json", JSON)])
def test_what_was_read_before_is_the_same_pod(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    cache = tmp_path / "cache"
    for _ in range(2):
        assert requestfile.read(str(tmp_path / name), cache) == WANTED
    assert len(list((cache / "requests").iterdir())) == 1
    (tmp_path / name).write_text(text.replace("two words", "other"))
    assert requestfile.read(str(tmp_path / name), cache).app[0].args == ("-x", "other")


def test_what_was_read_before_is_read_without_the_schema(tmp_path: Path) -> None:
    """The second time nothing of pydantic is needed: a unit at boot has no time for it."""
    (tmp_path / "pod.toml").write_text(TOML)
    requestfile.read(str(tmp_path / "pod.toml"), tmp_path)
    code = "import sys; from pathlib import Path; from stage0.request import file as r\n"
    code += (
        f"r.read({str(tmp_path / 'pod.toml')!r}, Path({str(tmp_path)!r})); print('pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b'{"key": 1}', b"\xff"])
def test_a_damaged_cache_is_no_harm(damage: bytes, tmp_path: Path) -> None:
    (tmp_path / "pod.toml").write_text(TOML)
    requestfile.read(str(tmp_path / "pod.toml"), tmp_path)
    (entry,) = (tmp_path / "requests").iterdir()
    entry.write_bytes(damage)
    assert requestfile.read(str(tmp_path / "pod.toml"), tmp_path) == WANTED


@given(st.text(st.characters(), max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_request_comes_back_from_the_cache_as_it_was(tmp_path: Path, text: str) -> None:
    request = WANTED._replace(
        hostname=text,
        cpus=1.5,
        app=(AppRequest(image=text, pre_start=((text, "x"), text), env={text: text}),),
    )
    requestcache.keep(tmp_path, ".toml", text, request)
    assert requestcache.recall(tmp_path, ".toml", text) == request
    assert requestcache.recall(tmp_path, ".yaml", text) is None


def test_what_no_pod_was_started_with_for_long_is_pruned(tmp_path: Path) -> None:
    root = DataRoot(tmp_path)
    for name in ("used", "old", "new"):
        (tmp_path / f"{name}.toml").write_text(f"{TOML}\n# {name}")
        requestfile.read(str(tmp_path / f"{name}.toml"), root.cache)
        if name != "new":
            for entry in (root.cache / "requests").iterdir():
                os.utime(entry, (0, 0))
    requestfile.read(str(tmp_path / "used.toml"), root.cache)
    gc.remove_leftovers(root)
    assert len(list((root.cache / "requests").iterdir())) == 2
    for name, kept in (("used", True), ("old", False), ("new", True)):
        text = (tmp_path / f"{name}.toml").read_text()
        assert (requestcache.recall(root.cache, ".toml", text) is not None) is kept


def test_a_bad_manifest_is_refused_each_time(tmp_path: Path) -> None:
    (tmp_path / "pod.toml").write_text("name = 3\n")
    for _ in range(2):
        with pytest.raises(UsageError):
            requestfile.read(str(tmp_path / "pod.toml"), tmp_path)


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ({"memroy": "1G"}, "app.0.memroy: there is no such key"),
        ({"volume": "/a:/b"}, "app.0.volume: should be a list"),
        ({"env": {"PORT": 80}}, "app.0.env.PORT: should be text: put it in quotes"),
        ({"memory": [1]}, "app.0.memory: should be text or a number"),
        ({"init": "maybe"}, "app.0.init: should be true or false"),
        ({"pre_start": [[1]]}, "app.0.pre_start.0.0: should be text: put it in quotes"),
        ({"image": None}, "app.0.image: should be text, or base64 in a table of that name"),
    ],
)
def test_one_mistake_is_one_complaint_in_the_words_of_a_file(
    app: dict[str, object], said: str, tmp_path: Path
) -> None:
    document = {"app": [{"image": "web"} | app]}
    assert refused(json.dumps(document), "pod.json", tmp_path).endswith(f"pod.json: {said}")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pod.json", '{"app": [{"image": "a", "image": "b"}]}'),
        ("pod.yaml", "app:\n- image: a\n  image: b\n"),
        ("pod.toml", '[[app]]\nimage = "a"\nimage = "b"\n'),
    ],
)
def test_no_key_counts_twice(name: str, text: str, tmp_path: Path) -> None:
    message = refused(text, name, tmp_path)
    assert "image" in message or "line 3" in message
    assert "unicode string" not in message


def test_times_and_sizes_may_be_numbers(tmp_path: Path) -> None:
    times = {"stop_time": 5, "start_time": 1.5, "run_time": 60, "watchdog": 2, "restart_delay": 0.5}
    path = tmp_path / "pod.json"
    path.write_text(json.dumps({"log_size": 100000, "app": [{"image": "web"} | times]}))
    (app,) = requestfile.read(str(path)).app
    assert {name: getattr(app, name) for name in times} == times


def test_what_a_plan_complains_of_has_the_files_name_and_words() -> None:
    error = UsageError("app web: --stop-time: 'x' is not a time", hint="see --stop-time or --help")
    told = requestfile.in_words_of_a_file(error, "shop.toml")
    assert told.message == "shop.toml: app web: stop_time: 'x' is not a time"
    assert told.hint == "see stop_time or --help"
