"""EFFECT. The contract as others see it: schemas, paths, errors, and what importing it costs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0 import schema as request_schema
from stage0.request import AppRequest, PodRequest
from stage1 import contract, plan
from stage1.contract import (
    App,
    ConflictError,
    DataRoot,
    Dependency,
    ExitPolicy,
    ExitRule,
    HostError,
    Mount,
    NotFoundError,
    PodDir,
    PodError,
    PodManifest,
    Propagation,
    Socket,
    State,
    Tmpfs,
    UsageError,
    UserNamespace,
    Volume,
    VolumeKind,
    codec,
    places,
    rules,
    schema,
)
from tests.golden.rendering import CASES, HERE
from tests.samples import FACTS, FILES, UUID, app, pod

TOP = Path(__file__).parents[2]
POD_SCHEMA: dict[str, Any] = json.loads(schema.text())


def complaints(value: Any, rule: dict[str, Any], top: dict[str, Any], where: str = "") -> list[str]:
    """What a document does wrong by a schema: the words of JSON Schema that ours use, and an error at any other."""
    known = {
        "$ref",
        "$defs",
        "anyOf",
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "default",
        "title",
        "description",
        "maxItems",
        "minItems",
        "prefixItems",
    }
    assert rule.keys() <= known, rule.keys() - known
    if "$ref" in rule:
        return complaints(value, top["$defs"][rule["$ref"].rpartition("/")[2]], top, where)
    if "anyOf" in rule:
        tries = [complaints(value, one, top, where) for one in rule["anyOf"]]
        return min(tries, key=len)
    found = [] if is_type(value, rule.get("type")) else [f"{where}: no {rule['type']}"]
    if ("const" in rule and value != rule["const"]) or ("enum" in rule and value not in rule["enum"]):
        found.append(f"{where}: {value!r}")
    if isinstance(value, dict):
        found += [f"{where}: lacks {name}" for name in rule.get("required", []) if name not in value]
        more = rule.get("additionalProperties", True)
        for name, item in value.items():
            inner = rule.get("properties", {}).get(name, more)
            found += (
                [f"{where}.{name}: unknown"]
                if inner is False
                else []
                if inner is True
                else complaints(item, inner, top, f"{where}.{name}")
            )
    if isinstance(value, list):
        found += [
            text for item in value for text in complaints(item, rule.get("items", {}), top, f"{where}[]")
        ]
    return found


def is_type(value: object, name: str | None) -> bool:
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    kinds: dict[str | None, type | tuple[type, ...]] = {
        None: object, "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
        "number": (int, float),
    }  # fmt: skip
    return isinstance(value, kinds[name])


# Schemas


def test_the_schemas_in_the_tree_are_those_of_the_code() -> None:
    assert schema.PLACE.read_text() == schema.text(), "write it: make schema"
    assert request_schema.PLACE.read_text() == request_schema.text(), "write it: make schema"
    assert request_schema.KEYS.read_text() == request_schema.keys(), "write it: make schema"


def test_the_schema_of_manifests_says_its_version_and_what_every_key_means() -> None:
    asked = json.loads(request_schema.text())
    assert (asked["$id"], asked["properties"]["version"]["const"]) == ("urn:unitpod:manifest:1", 1)
    for part in (asked, asked["$defs"]["AppRequest"]):
        assert [key for key, value in part["properties"].items() if not value["description"]] == []


def test_the_schemas_know_every_field() -> None:
    assert POD_SCHEMA["properties"].keys() == set(PodManifest._fields)
    assert POD_SCHEMA["$defs"]["App"]["properties"].keys() == set(App._fields)
    asked = json.loads(request_schema.text())
    assert asked["properties"].keys() == set(PodRequest._fields)
    assert asked["$defs"]["AppRequest"]["properties"].keys() == set(AppRequest._fields)
    assert "required" not in asked  # a pod may begin without apps


def test_the_schemas_forbid_unknown_keys_everywhere() -> None:
    for found in (POD_SCHEMA, json.loads(request_schema.text())):
        for part in (found, *found["$defs"].values()):
            assert part.get("additionalProperties") is False or "enum" in part


@pytest.mark.parametrize("case", CASES)
def test_the_schema_allows_every_pod_of_the_golden_tests(case: str) -> None:
    assert complaints(json.loads((HERE / case / "pod.json").read_bytes()), POD_SCHEMA, POD_SCHEMA) == []


def test_the_schema_refuses_what_the_code_refuses() -> None:
    document = json.loads(codec.encode(pod(app(argv=("/bin/x", "\udcff")))))
    document["apps"][0]["restart"]["colour"] = 1
    document["version"] = 2
    document["apps"][0]["argv"].append({"base64": "", "x": 1})
    del document["hostname"]
    found = complaints(document, POD_SCHEMA, POD_SCHEMA)
    assert len(found) == 4, found


def test_the_defaults_of_the_schema_are_documents_themselves() -> None:
    default = POD_SCHEMA["$defs"]["App"]["properties"]["restart"]["default"]
    assert default == {"when": "no", "limit": None, "delay": 1.0, "max_delay": 60.0}
    for part in (POD_SCHEMA, *POD_SCHEMA["$defs"].values()):
        for rule in part.get("properties", {}).values():
            if "default" in rule:
                assert complaints(rule["default"], rule, POD_SCHEMA) == []


# Rules


WHOLE = pod(
    app(
        "web",
        mounts=(Mount(volume="data", target="/d"),),
        tmpfs=(Tmpfs(target="/t"),),
        sockets=(Socket(name="h", listen="80"),),
    ),
    app("db", after=(Dependency(app="web"),)),
    volumes=(Volume(name="data", kind=VolumeKind.HOST, source="/srv"),),
)


def changed(path: str, value: object) -> bytes:
    """The whole pod with one field of it changed."""
    document = json.loads(codec.encode(WHOLE))
    *parents, last = path.split(".")
    place = document
    for part in parents:
        place = place[int(part)] if part.isdigit() else place[part]
    place[int(last) if last.isdigit() else last] = value
    return json.dumps(document).encode()


def test_a_sound_pod_keeps_every_rule() -> None:
    assert list(rules.broken(WHOLE)) == []
    assert codec.decode(changed("name", None), where="x").name is None


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "-a", "a b", "a\n", "a\nExecStart=/bad", "%n", "é", "x" * 200, "a;b", '"']
)
@pytest.mark.parametrize(
    "path", ["name", "apps.0.name", "volumes.0.name", "apps.0.sockets.0.name", "uuid", "hostname"]
)
def test_a_name_that_is_unsafe_in_paths_or_units_is_refused(path: str, name: str) -> None:
    with pytest.raises(
        UsageError, match=re.escape(f"{path.replace('.0.sockets.0', '.0.sockets')}: ")
    ) as caught:
        codec.decode(changed(path, name), where="pod.json")
    assert "\n" not in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("apps.1.name", "web"), ("apps.1.after", [{"app": "ghost"}]),
        ("apps.1.requires", [{"app": "db"}]), ("apps.1.wants", [{"app": "web", "condition": "healthy"}]),
        ("apps.0.watchdog", 0), ("apps.0.run_time", -1), ("apps.0.restart.max_delay", 0.5),
        ("apps.0.hooks", {"pre_start": [[]]}), ("apps.0.hooks", {"pre_stop": [["", "x"]]}), ("apps.0.kill_mode", "x"),
        ("apps.0.credentials", [{"name": "a/b", "kind": "file", "source": "/x"}]),
        ("apps.0.credentials", [{"name": "a", "kind": "file", "source": "x"}]),
        ("apps.0.credentials", [{"name": "a", "kind": "unit", "source": "/x"}]),
        ("apps.0.credentials", [{"name": "a", "kind": "unit", "source": "x"}] * 2),
        ("apps.0.stdout", "tty"), ("apps.0.stdin", "tty"),
        ("apps.0.sockets.0.mode", 0o7777), ("apps.0.sockets.0.uid", -1),
        ("apps.0.argv", []),
        ("apps.0.argv", [""]), ("apps.0.env", ["X"]), ("apps.0.env", ["=1"]), ("apps.0.layers", ["../../etc"]),
        ("apps.0.layers", ["sha256:../x"]), ("apps.0.workdir", "here"), ("apps.0.workdir", "/a/../../b"),
        ("apps.0.mounts.0.target", "d"), ("apps.0.mounts.0.target", "/../d"), ("apps.0.mounts.0.volume", "ghost"),
        ("apps.0.tmpfs.0.target", "t"), ("apps.0.tmpfs.0.mode", 65536), ("apps.0.tmpfs.0.size", -1),
        ("apps.0.stop_signal", "TERM"), ("apps.0.stop_signal", "SIGTERM\nX=1"), ("apps.0.stop_time", -1),
        ("apps.0.stop_time", 1e300),
        ("apps.0.confinement.capabilities", ["ALL"]), ("apps.0.confinement.capabilities", ["CAP_X\nUser=0"]),
        ("apps.0.confinement.ambient", ["x"]), ("apps.0.confinement.system_calls", {"allow": ["a b"]}),
        ("apps.0.confinement.system_calls", {"deny": ["x:\nUser=0"]}),
        ("apps.0.confinement.system_calls", {"errno": "5 "}),
        ("apps.0.confinement.system_calls", {"families": ["~AF_X"]}),
        ("apps.0.confinement.devices", [{"source": "null", "target": "/dev/x"}]),
        ("apps.0.confinement.devices", [{"source": "/dev/null", "target": "/dev/../x"}]),
        ("apps.0.confinement.devices", [{"source": "/dev/null", "target": "/dev/x", "rights": "rr"}]),
        ("apps.0.confinement.hidden", ["proc"]), ("apps.0.confinement.apparmor", "a b"),
        ("apps.0.confinement.selinux", "a\nb"),
        ("apps.0.sockets.0.listen", "8 0"), ("apps.0.sockets.0.listen", "%n"), ("apps.0.restart.limit", -1),
        ("apps.0.restart.delay", -1), ("apps.0.readiness.port", 0), ("apps.0.readiness.port", 65536),
        ("apps.0.user.uid", -1), ("apps.0.user.gid", 2**32 - 1), ("apps.0.user.groups", [2**32]),
        ("volumes.0.source", None), ("volumes.0.source", "srv"), ("volumes.0.mode", -1), ("volumes.0.uid", -5),
        ("log_limit", 1), ("exit_policy", {"rule": "app", "app": "ghost"}),
        ("exit_policy", {"rule": "app", "app": None}),
        ("exit_policy", {"rule": "all", "app": "web"}),
    ],
)  # fmt: skip
def test_what_no_pod_could_run_with_is_refused_when_it_is_read(path: str, value: object) -> None:
    with pytest.raises(UsageError) as caught:
        codec.decode(changed(path, value), where="pod.json")
    assert caught.value.message.startswith(f"pod.json: {path.partition('.')[0]}")


def test_only_a_path_of_the_host_is_shared_and_only_by_a_pod_with_its_ids() -> None:
    app, volume = WHOLE.apps[0], Volume(name="data", kind=VolumeKind.HOST, source="/srv")
    mount = Mount(volume="data", target="/m", propagation=Propagation.SHARED)
    pod = WHOLE._replace(
        userns=None, volumes=(volume,), apps=(app._replace(mounts=(mount,)), *WHOLE.apps[1:])
    )
    assert list(rules.broken(pod)) == []
    assert "ids of its own" in next(
        rules.broken(pod._replace(userns=UserNamespace(base=100000, size=65536)))
    )
    own = volume._replace(kind=VolumeKind.EMPTY, source=None)
    assert "not the host's" in next(rules.broken(pod._replace(volumes=(own,))))


# Values


def test_an_exit_policy_is_written_as_the_reaper_reads_it() -> None:
    assert str(ExitPolicy()) == "any-failure"
    assert str(ExitPolicy(rule=ExitRule.APP, app="web")) == "app:web"


def test_a_pod_is_called_by_its_name_or_its_uuid() -> None:
    assert (pod().label, pod().machine) == ("demo", "demo")
    assert (pod(name=None).label, pod(name=None).machine) == (UUID, f"pod-{UUID}")


# Paths


def test_every_path_of_a_pod_is_below_it_and_leads_back(tmp_path: Path) -> None:
    root = DataRoot(tmp_path)
    directory = root.pod(State.RUN, UUID)
    assert directory.uuid == UUID
    assert directory.root == root
    paths = {
        name: getattr(directory, name) for name in dir(PodDir) if isinstance(getattr(PodDir, name), property)
    }
    found = [path for name, path in paths.items() if isinstance(path, Path)]
    found += [
        directory.app("a"),
        directory.volume("a"),
        directory.words("a"),
        directory.result("a"),
        directory.log("a"),
    ]
    assert len(set(found)) == len(found)
    assert all(path.is_relative_to(directory.path) for path in found)


def test_the_paths_of_the_code_are_those_of_the_page_that_promises_them(tmp_path: Path) -> None:
    page = (TOP / "stage1/contract/README.md").read_text()
    directory = DataRoot(tmp_path).pod(State.RUN, UUID)
    for name in (
        "manifest",
        "rootfs",
        "units",
        "etc",
        "nspawn",
        "launch",
        "policy",
        "streams",
        "status",
        "stopping",
        "console",
        "monitor",
        "leader",
        "ready",
        "outcome",
    ):
        path = getattr(directory, name).relative_to(directory.path)
        assert str(path) in page, path
    for state in State:
        assert f"`{state.value}`" in page


def test_the_page_of_the_contract_names_every_record_and_policy() -> None:

    page = (TOP / "stage1/contract/README.md").read_text()
    whole = pod(app(tmpfs=(Tmpfs(target="/t"),)), remove=True)
    site = plan.Site(DataRoot(Path("/x")).pod(State.RUN, UUID), Path("/b"), FACTS, FILES)
    found = plan.records(whole, site, ("x",), ())
    for record in found:
        assert re.search(rf"^\| `{record[0]}[ `]", page, re.MULTILINE), record[0]
    for rule in ExitRule:
        assert rule.value in page


# Errors


@pytest.mark.parametrize(
    ("kind", "status"),
    [(PodError, 125), (UsageError, 2), (NotFoundError, 125), (ConflictError, 125), (HostError, 125)],
)
def test_an_error_says_what_and_what_to_do(kind: type[PodError], status: int) -> None:
    error = kind("what", hint="do this")
    assert (error.message, error.hint, str(error), error.exit_code) == ("what", "do this", "what", status)
    assert isinstance(error, PodError)


def test_the_door_names_what_it_lets_through() -> None:
    assert all(hasattr(contract, name) for name in contract.__all__)
    assert sorted(contract.__all__, key=lambda name: (not name.isupper(), name)) == contract.__all__


def test_importing_the_contract_and_writing_a_pod_needs_no_pydantic() -> None:
    code = (
        "import sys; from tests.samples import pod; from stage1.contract import codec; codec.encode(pod());"
        "print(*(name for name in ('pydantic', 'pydantic_core', 'jinja2') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("name", contract.__all__)
def test_the_door_has_every_name_that_it_promises(name: str) -> None:
    assert getattr(contract, name) is not None


def test_the_door_has_no_other_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Podd'"):
        contract.Podd  # noqa: B018
    assert not hasattr(contract, "REAPER")


def test_states_have_one_order() -> None:
    assert [state.value for state in State] == list(places.STATES)


@given(st.one_of(st.from_regex(rules.UUID), st.text("0123456789abcdef-", max_size=40), st.text(max_size=40)))
def test_a_uuid_is_one_with_and_without_a_pattern(text: str) -> None:
    assert places.is_uuid(text) == bool(rules.UUID.fullmatch(text))
    assert places.is_start_of_uuid(text) == bool(re.fullmatch("[0-9a-f-]+", text))
