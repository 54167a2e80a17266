"""Several imports at once, imports killed half way, and deletion meanwhile: the store is good at every moment."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stage0.image import Store
from stage0.image.shelves import read_tags
from tests.image_archives import archive, digest, directory, file, write_layout
from tests.image_trees import describe

pytestmark = pytest.mark.root

REPOSITORY = Path(__file__).parents[2]
FILES = 3000


def start(store: Store, statement: str) -> subprocess.Popen:
    opening = (
        f"from pathlib import Path; from stage0.image import Store; store = Store(Path({str(store.root)!r}))"
    )
    program = f"{opening}; {statement}"
    return subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen) -> None:
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr.decode()


def check(store: Store) -> None:
    """Every name leads to a whole image, and every layer and blob is what it is called."""
    for name, target in read_tags(store.paths).items():
        image = store.get(name)
        assert image.digest == target
        for layer in image.layers:
            assert store.layer_path(layer).is_dir()
    for blob in store.paths.blobs.iterdir():
        assert digest(blob.read_bytes()) == f"sha256:{blob.name}"


def scratch(store: Store) -> list[Path]:
    places = (store.paths.layers, store.paths.images, store.paths.digested)
    return [path for place in places for path in place.glob("tmp-*")]


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    many = archive(*(file(f"d{number % 50}/{number}", os.urandom(2000)) for number in range(FILES)))
    return write_layout(
        tmp_path_factory.mktemp("source") / "many", [archive(directory("etc"), file("etc/x")), many]
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")


def test_four_imports_of_one_image_at_once_all_succeed(store, layout):
    for process in [start(store, f"store.import_('oci:{layout}', 'name{number}')") for number in range(4)]:
        finish(process)
    check(store)
    assert [image.name for image in store.images()] == [f"name{number}:latest" for number in range(4)]
    assert len({image.digest for image in store.images()}) == 1
    assert scratch(store) == []


def test_no_name_is_lost_when_many_are_written_at_once(store, layout):
    store.import_(f"oci:{layout}", "first")
    names = [[f"p{process}n{number}" for number in range(10)] for process in range(4)]
    for process in [
        start(store, f"[store.import_('oci:{layout}', name) for name in {some}]") for some in names
    ]:
        finish(process)
    assert len(store.images()) == 41


def test_an_import_killed_at_any_moment_leaves_a_good_store(store, layout, tmp_path):
    began = time.monotonic()
    finish(start(Store(tmp_path / "measure"), f"store.import_('oci:{layout}', 'whole')"))
    whole = time.monotonic() - began
    measured = Store(tmp_path / "measure")
    expected = [describe(measured.layer_path(layer)) for layer in measured.get("whole").layers]
    for step in range(1, 20):
        process = start(store, f"store.import_('oci:{layout}', 'killed')")
        time.sleep(whole * step / 18)
        process.kill()
        process.communicate()
        if store.paths.blobs.is_dir():
            check(store)
    finish(start(store, f"store.import_('oci:{layout}', 'killed')"))
    check(store)
    image = store.get("killed")
    assert [describe(store.layer_path(layer)) for layer in image.layers] == expected
    wait_for_no_scratch(store)
    store.remove("killed", frozenset())
    assert list(store.paths.layers.iterdir()) == []


def wait_for_no_scratch(store: Store) -> None:
    """The child of a killed import dies a moment after it; until then it holds its lock."""
    deadline = time.monotonic() + 30
    while scratch(store) and time.monotonic() < deadline:
        store.gc()
        time.sleep(0.01)
    assert scratch(store) == []


def test_collecting_garbage_does_not_disturb_an_import(store, layout):
    process = start(store, f"store.import_('oci:{layout}', 'kept')")
    while process.poll() is None:
        store.gc(frozenset())
    finish(process)
    check(store)
    assert store.get("kept").layers


def test_importing_and_removing_at_once_never_breaks_an_image(store, tmp_path):
    small = write_layout(tmp_path / "small", [archive(directory("etc"), file("etc/x")), archive(file("y"))])
    again = "[(store.import_('oci:{0}', '{1}'), store.remove('{1}', frozenset())) for _ in range(30)]"
    processes = [start(store, again.format(small, f"name{number}")) for number in range(3)]
    processes.append(start(store, f"[store.import_('oci:{small}', 'stays') for _ in range(30)]"))
    for process in processes:
        finish(process)
    check(store)
    assert [image.name for image in store.images()] == ["stays:latest"]
    store.gc(frozenset())
    check(store)
    assert scratch(store) == []


def test_an_abandoned_removal_is_finished_by_the_next_collection(store, layout):
    image = store.import_(f"oci:{layout}", "it")
    layer = store.layer_path(image.layers[0])
    layer.rename(layer.with_name("tmp-0123456789abcdef"))
    assert store.gc() > 0
    assert scratch(store) == []
