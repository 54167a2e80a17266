"""EFFECT. `pod run -f FILE`: one manifest in TOML, JSON or YAML, with the options' own words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.root.pods import Pods

pytestmark = pytest.mark.root

MANIFEST: dict[str, Any] = {
    "name": "from-file",
    "exit_policy": "app:reader",
    "app": [
        {
            "image": "inspect",
            "name": "writer",
            "args": ["write", "/out/x", "%n $HOME\n", "pause"],
            "volume": ["data:/out"],
            "env": {"A": "b"},
            "user": "0",
        },
        {
            "image": "inspect",
            "name": "reader",
            "args": ["wait-file", "/in/x", "sleep", "0.1", "cat", "/in/x", "env", "A", "exit", "4"],
            "env": ["A=list"],
            "volume": ["data:/in:ro"],
        },
    ],
}
TOML = r"""
name = "from-file"
exit_policy = "app:reader"

[[app]]
image = "inspect"
name = "writer"
args = ["write", "/out/x", "%n $HOME\n", "pause"]
volume = ["data:/out"]
user = "0"
[app.env]
A = "b"

[[app]]
image = "inspect"
name = "reader"
args = ["wait-file", "/in/x", "sleep", "0.1", "cat", "/in/x", "env", "A", "exit", "4"]
env = ["A=list"]
volume = ["data:/in:ro"]
"""
YAML = r"""
name: from-file
exit_policy: app:reader
app:
  - image: inspect
    name: writer
    args: [write, /out/x, "%n $HOME\n", pause]
    volume: ["data:/out"]
    user: "0"
    env: {A: b}
  - image: inspect
    name: reader
    args: [wait-file, /in/x, sleep, "0.1", cat, /in/x, env, A, exit, "4"]
    env: [A=list]
    volume: ["data:/in:ro"]
"""
TEXTS = {"toml": TOML, "json": json.dumps(MANIFEST), "yaml": YAML, "yml": YAML}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_pod_can_be_described_in_a_file(pods: Pods, kind: str) -> None:
    done = pods.run("-f", pods.write(f"pod.{kind}", TEXTS[kind]), status=4)
    assert done.lines == ["reader | %n $HOME", "reader | list"]
    assert pods.status("from-file")["uuid"] == done.uuid


@pytest.mark.parametrize("kind", ["toml", "json", "yaml"])
def test_a_manifest_can_come_from_standard_input(pods: Pods, kind: str) -> None:
    assert pods.run("-f", "-", input=TEXTS[kind].encode(), status=4).lines[-1] == "reader | list"


def test_the_three_languages_describe_the_same_pod(pods: Pods) -> None:
    manifests = []
    for kind in ("toml", "json", "yaml"):
        told = json.loads(pods("run", "--dry-run", "-f", pods.write(f"same.{kind}", TEXTS[kind])).out)
        manifests.append(
            {key: value for key, value in told.items() if key not in {"uuid", "created", "identity"}}
        )
    assert manifests[0] == manifests[1] == manifests[2]


def test_a_file_says_what_the_command_line_says(pods: Pods) -> None:
    words = (
        "--name", "both", "--exit-policy", "all", "inspect", "--name", "a", "--user", "app", "--env", "A=b",
        "--workdir", "/w", "--restart", "on-failure:2", "--stop-time", "3s", "--ready", "tcp:80",
        "--mount", "type=tmpfs,target=/t", "--", "exit", "0",
    )  # fmt: skip
    app = {
        "image": "inspect", "name": "a", "user": "app", "env": {"A": "b"}, "workdir": "/w", "restart": "on-failure:2",
        "stop_time": "3s", "ready": "tcp:80", "mount": ["type=tmpfs,target=/t"], "args": ["exit", "0"],
    }  # fmt: skip
    file = pods.write("both.json", json.dumps({"name": "both", "exit_policy": "all", "app": [app]}))
    one, other = (json.loads(pods("run", "--dry-run", *words).out) for words in (words, ("-f", str(file))))
    for manifest in (one, other):
        del manifest["uuid"], manifest["created"], manifest["identity"]
    assert one == other


def test_options_of_the_pod_win_over_the_file(pods: Pods) -> None:
    file = pods.write("pod.toml", TOML)
    told = json.loads(pods("run", "--dry-run", "--name", "other", "--exit-policy", "all", "-f", file).out)
    assert told["name"] == "other"
    assert told["exit_policy"]["rule"] == "all"


BAD: list[tuple[Any, str]] = [
    ({"app": [{"image": "inspect", "colour": "red"}]}, "app[0].colour"),
    ({"colour": "red", "app": [{"image": "inspect"}]}, "colour"),
    ({"app": [{"image": "inspect"}, {"image": "inspect", "name": "b", "usr": "x"}]}, "app[1].usr"),
    ({"app": [{"name": "x"}]}, "app[0].image"),
    ({"app": [{"image": 5}]}, "app[0].image"),
    ({"app": [{"image": "inspect", "args": "exit 0"}]}, "app[0].args"),
    ({"app": [{"image": "inspect", "env": {"A": 5}}]}, "app[0].env"),
    ({"app": [{"image": "inspect", "init": "maybe"}]}, "app[0].init"),
    ({"app": {"image": "inspect"}}, "app"),
    ({"app": []}, "app"),
    ({}, "app"),
    ([], "not a table"),
    ({"app": [{"image": "inspect", "args": ["a\0b"]}]}, "app[0].args"),
    ({"app": [{"image": "inspect", "restart": "sometimes"}]}, "bad.json: restart=sometimes"),
    (
        {"app": [{"image": "inspect", "stop_time": "soon"}, {"image": "inspect", "name": "b"}]},
        "bad.json: app inspect: stop_time: 'soon'",
    ),
    ({"app": [{"image": "inspect", "name": "a b"}]}, "a b"),
    ({"net": 5, "app": [{"image": "inspect"}]}, "net"),
]


@pytest.mark.parametrize(("manifest", "said"), BAD, ids=[said for _, said in BAD])
def test_a_mistake_in_a_file_is_told_with_its_path(pods: Pods, manifest: Any, said: str) -> None:
    file = pods.write("bad.json", json.dumps(manifest))
    refused = pods("run", "-f", file, status=2)
    what, todo = refused.err.splitlines()
    assert said in what.replace("app.0.", "app[0].").replace("app.1.", "app[1].")
    assert todo.startswith("     ")
    assert pods.all() == []


@pytest.mark.parametrize(
    ("name", "text"),
    [("x.toml", "name = "), ("x.json", "{"), ("x.yaml", "a: ["), ("x.yaml", "a: b: c"), ("x.json", "\udcff"),
     ("x.json", "[" * 5000)],
    ids=["toml", "json", "yaml", "yaml colons", "not UTF-8", "deep"],
)  # fmt: skip
def test_a_file_that_cannot_be_parsed_is_told(pods: Pods, name: str, text: str) -> None:
    refused = pods("run", "-f", pods.write(name, text), status=2)
    assert name in refused.err
    assert len(refused.err.splitlines()) == 2


def test_bytes_that_are_not_text_can_be_written_in_a_file(pods: Pods) -> None:
    word = {"base64": "/wF+"}  # ff 01 7e
    manifest = {"app": [{"image": "inspect", "args": ["print", word], "env": {"A": word}}]}
    assert pods.run("-f", pods.write("bytes.json", json.dumps(manifest))).out == "\udcff\x01~\n"
