"""Reading the store: whatever lies there, an answer or one sentence; and the locks that keep it whole."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stage0.image import Image, ImageConfig, ImageError, Store
from stage0.image.model import to_json
from stage0.image.scratch import Batch, discard, remove, sweep_scratch
from stage0.image.shelves import REF_NAME, locked, read_tags
from stage1.contract.errors import ConflictError, NotFoundError, PodError

REPOSITORY = Path(__file__).parents[2]
CONFIG = ImageConfig(entrypoint=(), cmd=(), env=(), user="", workdir="", stop_signal="", volumes=(), ports=(),
                     labels={}, architecture="amd64", os="linux")  # fmt: skip


def put(store: Store, hexadecimal: str, *names: str) -> Image:
    """Write what an import would have written for readers."""
    digest = f"sha256:{hexadecimal}"
    image = Image(name=names[0] if names else digest[:19], digest=digest, config_digest=digest, layers=(digest,),
                  size=1, created="", config=CONFIG, passwd="", group="")  # fmt: skip
    store.paths.digested.mkdir(parents=True, exist_ok=True)
    store.paths.images.mkdir(parents=True, exist_ok=True)
    store.paths.description(digest).write_text(to_json(image))
    try:
        entries = json.loads(store.paths.index.read_text())["manifests"]
    except FileNotFoundError:
        entries = []
    entries += [{"digest": digest, "size": 1, "annotations": {REF_NAME: name}} for name in names]
    store.paths.index.write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    return image


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")


def test_an_empty_store_says_how_to_fill_it(store):
    assert store.images() == []
    with pytest.raises(NotFoundError) as raised:
        store.get("nginx")
    assert "pod image pull" in raised.value.hint
    assert not store.root.exists(), "reading makes nothing"


def test_a_missing_image_says_what_is_there(store):
    put(store, "ab" * 32, "one:latest")
    with pytest.raises(NotFoundError) as raised:
        store.get("two")
    assert "one:latest" in raised.value.hint


def test_a_name_wins_over_the_start_of_a_digest(store):
    put(store, "beef" + "0" * 60)
    named = put(store, "ab" * 32, "beef:latest")
    assert store.get("beef") == named
    assert store.get("beef0").digest.startswith("sha256:beef")


def test_a_start_that_several_digests_share_is_refused(store):
    put(store, "abcd0" + "0" * 59)
    put(store, "abcd1" + "0" * 59)
    with pytest.raises(ConflictError, match="2 images"):
        store.get("abcd")


def test_entries_of_other_tools_are_passed_over(store):
    image = put(store, "ab" * 32, "mine:latest")
    index = json.loads(store.paths.index.read_text())
    index["manifests"] += [None, {}, {"digest": 1}, {"annotations": {REF_NAME: 1}}, {"annotations": {REF_NAME: "x"}},
                           {"digest": "sha256:" + "0" * 64, "annotations": {REF_NAME: "foreign:latest"}}]  # fmt: skip
    store.paths.index.write_text(json.dumps(index))
    assert store.images() == [image]
    with pytest.raises(NotFoundError) as raised:
        store.get("foreign")
    assert "pod image import oci:" in raised.value.hint


@settings(suppress_health_check=list(HealthCheck))
@given(text=st.one_of(st.text(max_size=50), st.sampled_from(["[]", "{}", '{"manifests":1}', "", "null"])))
def test_any_damage_of_the_index_is_one_sentence(store, text):
    store.paths.images.mkdir(parents=True, exist_ok=True)
    store.paths.index.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        store.images()
    except ImageError as error:
        assert error.hint


@settings(suppress_health_check=list(HealthCheck))
@given(ref=st.text(max_size=90))
def test_any_reference_is_found_or_refused(store, ref):
    put(store, "ab" * 32, "mine:latest")
    try:
        store.get(ref)
    except PodError as error:
        assert error.hint


def test_reading_the_store_imports_nothing_slow():
    program = "import sys; import stage0.image; print(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    loaded = set(done.stdout.split())
    for slow in (
        "tarfile",
        "subprocess",
        "ctypes",
        "hashlib",
        "zlib",
        "tempfile",
        "platform",
        "dataclasses",
        "stage0.image.importer",
    ):
        assert slow not in loaded, slow


def test_a_batch_that_is_not_committed_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), Batch() as batch:
        batch.new_directory(tmp_path)
        batch.write_file(tmp_path, b"x", tmp_path / "final")
        (room,) = tmp_path.iterdir()
        assert len(list(room.iterdir())) == 2
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_committed_batch_is_in_place(tmp_path):
    with Batch() as batch:
        tree = batch.new_directory(tmp_path)
        (tree.path / "file").write_text("content")
        tree.final = tmp_path / "tree"
        batch.write_file(tmp_path, b"x", tmp_path / "file")
        batch.commit()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "tree"]
    assert (tmp_path / "tree/file").read_text() == "content"


def test_who_comes_second_finds_the_tree_there(tmp_path):
    for _ in range(2):
        with Batch() as batch:
            tree = batch.new_directory(tmp_path)
            (tree.path / "file").write_text("content")
            tree.final = tmp_path / "tree"
            batch.commit()
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


def test_scratch_is_swept_only_when_nobody_holds_it(tmp_path):
    with Batch() as batch:
        held = batch.new_directory(tmp_path)
        (tmp_path / "tmp-dead").mkdir()
        (tmp_path / "tmp-file").write_text("x" * 5000)
        (tmp_path / "other").mkdir()
        assert sweep_scratch(tmp_path) >= 5000
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([held.path.parent.name, "other"])


def test_a_tree_deeper_than_paths_and_stacks_go_is_removed(tmp_path):
    top = os.open(tmp_path, os.O_RDONLY)
    fd = top
    for _ in range(3000):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        if fd != top:
            os.close(fd)
        fd = below
    os.close(fd)
    os.close(top)
    remove(tmp_path / "d")
    assert list(tmp_path.iterdir()) == []


def test_removal_follows_no_link(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("x")
    (tmp_path / "tree/below").mkdir(parents=True)
    (tmp_path / "tree/below/link").symlink_to(tmp_path / "kept")
    discard(tmp_path / "tree")
    assert remove(tmp_path / "nothing") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept/file").exists()


def test_content_is_swept_only_when_nobody_holds_it(store):
    image = put(store, "ab" * 32)
    store.paths.blobs.mkdir(parents=True)
    store.paths.layers.mkdir(parents=True)
    with store.hold():
        assert store.gc(frozenset()) == 0
    assert store.paths.description(image.digest).exists()
    asked = []
    store.gc(lambda: frozenset(asked) | {asked.append("x") or image.digest})
    assert asked
    assert store.paths.description(image.digest).exists()
    store.gc(frozenset())
    assert not store.paths.description(image.digest).exists()


def test_a_lock_is_given_back(tmp_path):
    for _ in range(3):
        with locked(tmp_path / "below" / "lock", fcntl.LOCK_EX | fcntl.LOCK_NB):
            pass


def test_names_are_read_without_a_lock(store):
    put(store, "ab" * 32, "a:latest")
    with locked(store.paths.index_lock, fcntl.LOCK_EX):
        assert list(read_tags(store.paths)) == ["a:latest"]
