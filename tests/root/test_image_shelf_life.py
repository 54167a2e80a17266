"""Names, collection, verification and export of stored images, as a user types them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stage0.image import Store
from stage0.image.inventory import inventory, sizes
from stage1.contract import DataRoot, State
from tests.conftest import needs_program
from tests.image_archives import archive, directory, file, symlink, write_layout
from tests.image_trees import describe

pytestmark = pytest.mark.root

REPOSITORY = Path(__file__).parents[2]
BASE = archive(
    directory("etc", mode=0o750, uid=7), file("etc/passwd", b"root:x:0:0:::\n"), file("big", b"x" * 50_000)
)
WEB = archive(file("etc/web", b"web"), symlink("l", "big"))
STORE = archive(file("srv/store", b"store" * 1000))
DAY = 86400


def pod(root: Path, *words: object, status: int = 0) -> str:
    argv = [sys.executable, "-m", "stage0", "--dir", str(root), "image", *map(str, words)]
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if status == 0 else done.stdout + done.stderr


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root with two images that share their lower layer; the upper one implies a directory of the lower."""
    root = tmp_path / "data"
    for name, layers in (("web", [BASE, WEB]), ("store", [BASE, STORE])):
        layout = write_layout(tmp_path / name, layers)
        pod(root, "import", f"oci:{layout}", "--name", f"{name}:1")
    return root


def names(root: Path) -> list[str]:
    return [image["name"] for image in json.loads(pod(root, "ls", "--json"))]


def make_pod(root: Path, digest: str, name: str) -> Path:
    """As far as the store is concerned, a pod is a manifest that names an image."""
    place = DataRoot(root).pod(State.EXITED, "01234567-89ab-cdef-0123-456789abcdef")
    place.path.mkdir(parents=True)
    place.manifest.write_text(
        json.dumps({"name": name, "apps": [{"name": "a", "image": {"name": name, "digest": digest}}]})
    )
    return place.path


def age(root: Path, ref: str, days: float) -> None:
    digest = Store(root).resolve(ref)[1]
    path = Store(root).paths.description(digest)
    os.utime(path, (time.time() - days * DAY,) * 2)


# Names


def test_a_name_is_given_and_taken_and_the_image_stays(root: Path) -> None:
    digest = Store(root).get("web:1").digest
    assert (
        pod(root, "tag", "web:1", "shop/web", "web:stable")
        == f"shop/web:latest {digest}\nweb:stable {digest}\n"
    )
    assert names(root) == ["shop/web:latest", "store:1", "web:1", "web:stable"]
    pod(root, "untag", "web:1", "shop/web")
    assert names(root) == ["store:1", "web:stable"]
    pod(root, "untag", "web:stable")
    assert json.loads(pod(root, "inspect", digest))[0]["names"] == []
    pod(root, "tag", digest[7:20], "back")
    assert names(root) == ["back:latest", "store:1"]
    assert "good" in pod(root, "verify", "back")


def test_a_name_can_move_to_another_image(root: Path) -> None:
    found = json.loads(pod(root, "tag", "--json", "store:1", "web:1"))
    assert found == [{"name": "web:1", "digest": Store(root).get("store:1").digest}]
    assert Store(root).get("web:1").digest == Store(root).get("store:1").digest


def test_a_name_that_is_not_there_cannot_be_taken(root: Path) -> None:
    assert "no image is called 'nothing:latest'" in pod(root, "untag", "nothing", status=125)
    assert "not a valid image name" in pod(root, "tag", "web:1", "Not Valid", status=2)


def test_inspecting_tells_names_pods_trees_and_the_last_use(root: Path) -> None:
    digest = Store(root).get("web:1").digest
    pod(root, "tag", "web:1", "web:2")
    make_pod(root, digest, "shop")
    age(root, "web:1", 3)
    (shown,) = json.loads(pod(root, "inspect", "web:1"))
    assert (shown["names"], shown["pods"]) == (["web:1", "web:2"], ["shop"])
    assert [Path(tree).is_dir() for tree in shown["trees"]] == [True, True, True]
    path = Store(root).paths.description(digest)
    assert shown["used"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(path.stat().st_mtime))


# Removal


def test_removing_says_what_keeps_the_content(root: Path) -> None:
    digest = Store(root).get("web:1").digest
    pod(root, "tag", "web:1", "other")
    assert "it is still called other:latest" in pod(root, "rm", "web:1")
    make_pod(root, digest, "shop")
    assert "its content stays until these pods are gone: shop" in pod(root, "rm", "other")
    (told,) = json.loads(pod(root, "rm", "--json", digest))
    assert (told["names"], told["pods"], told["freed"]) == ([], ["shop"], 0)
    assert Store(root).get(digest).layers


def test_layers_that_two_images_share_go_with_the_second(root: Path) -> None:
    web, store = Store(root).get("web:1"), Store(root).get("store:1")
    shared = Store(root).layer_path(web.layers[0])
    assert web.layers[0] == store.layers[0]
    pod(root, "rm", "web:1")
    assert shared.is_dir()
    assert "good" in pod(root, "verify", "store:1")
    pod(root, "rm", "store:1")
    assert not shared.exists()
    assert list(Store(root).paths.blobs.iterdir()) == []
    assert list(Store(root).paths.layers.iterdir()) == []


# Collection


def test_a_collection_takes_what_has_no_name_and_is_in_no_pod(root: Path) -> None:
    web = Store(root).get("web:1").digest
    pod(root, "untag", "web:1", "store:1")
    make_pod(root, web, "shop")
    told = json.loads(pod(root, "gc", "--json"))
    assert [image["reason"] for image in told["images"]] == ["no name"]
    assert told["freed"] > 5000
    assert Store(root).digests() == [web]
    assert "good" in pod(root, "verify")


def test_what_is_named_goes_by_age_only_if_asked(root: Path) -> None:
    age(root, "web:1", 40)
    age(root, "store:1", 3)
    assert json.loads(pod(root, "gc", "--json"))["images"] == []
    told = pod(root, "gc", "--older-than", "30d", "--dry-run")
    assert told.startswith("would remove web:1 (unused for 40 days)\nwould free ")
    assert names(root) == ["store:1", "web:1"]
    assert pod(root, "gc", "--older-than", "30d").startswith("removed web:1 (unused for 40 days)\nfreed ")
    assert names(root) == ["store:1"]
    assert "good" in pod(root, "verify", "store:1")


def test_a_goal_for_the_size_takes_the_longest_unused_first_and_no_more_than_needed(root: Path) -> None:
    age(root, "store:1", 2)
    assert json.loads(pod(root, "gc", "--keep-size", "1G", "--json"))["images"] == []
    paths = Store(root).paths
    whole = sum(sizes(paths, inventory(paths)).values())
    plan = json.loads(pod(root, "gc", "--keep-size", str(whole - 1), "--dry-run", "--json"))
    assert [image["names"] for image in plan["images"]] == [["store:1"]]
    assert 5000 < plan["freed"] < whole / 2
    pod(root, "gc", "--keep-size", "1")
    assert names(root) == []


def test_using_an_image_renews_its_age(root: Path) -> None:
    age(root, "web:1", 40)
    Store(root).obtain("web:1")
    assert json.loads(pod(root, "gc", "--older-than", "30d", "--json"))["images"] == []


def test_a_collection_waits_for_nobody_and_says_so(root: Path) -> None:
    pod(root, "untag", "web:1")
    with Store(root).hold():
        assert "try again" in pod(root, "gc", status=125)
    assert "no name" in pod(root, "gc")


def test_what_lost_its_name_goes_by_itself_after_the_time_the_policy_says(
    root: Path, tmp_path: Path
) -> None:
    digest = Store(root).get("web:1").digest
    pod(root, "untag", "web:1")
    age(root, digest, 6)
    other = write_layout(tmp_path / "other", [archive(file("x"))])
    pod(root, "import", f"oci:{other}")
    assert digest in Store(root).digests()
    age(root, digest, 8)
    pod(root, "import", f"oci:{other}")
    assert digest not in Store(root).digests()
    assert names(root) == ["other:latest", "store:1"]


def test_the_policy_of_the_administrator_counts(root: Path, tmp_path: Path) -> None:
    (root / "images.toml").write_text("[gc]\nkeep-size = 1\n[limits]\nlayers = 1\n")
    other = write_layout(tmp_path / "other", [archive(file("x"))])
    pod(root, "import", f"oci:{other}")
    assert names(root) == [], "nothing is used by a pod, and the store is larger than a byte"
    assert "the limit 'layers' is 1" in pod(root, "import", f"oci:{tmp_path / 'web'}", status=125)


# Verification


def test_a_good_store_is_good(root: Path) -> None:
    assert pod(root, "verify").count(": good") == 2
    assert [image["faults"] for image in json.loads(pod(root, "verify", "--json"))] == [[], []]


def spoil_content(tree: Path) -> None:
    with (tree / "etc/passwd").open("r+") as stream:
        stream.write("evil")


DAMAGES = {
    "content": (spoil_content, "etc/passwd has another time"),
    "mode": (lambda tree: (tree / "big").chmod(0o4755), "big has another mode"),
    "owner": (lambda tree: os.chown(tree / "big", 5, 5), "big has another owner"),
    "missing": (lambda tree: (tree / "big").unlink(), "big is missing"),
    "more": (lambda tree: (tree / "etc/shadow").write_text("x"), "does not belong there"),
    "attribute": (lambda tree: os.setxattr(tree / "big", "user.x", b"1"), "other extended attributes"),
    "gone": (shutil.rmtree, "is not unpacked"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_changed_tree_is_found_and_repaired(root: Path, damage: str) -> None:
    change, said = DAMAGES[damage]
    image = Store(root).get("web:1")
    tree = Store(root).layer_path(image.layers[0])
    before = describe(tree)
    change(tree)
    told = pod(root, "verify", "web:1", status=1)
    assert said in told
    assert "repaired" not in told
    assert "repaired" in pod(root, "verify", "--repair", "web:1")
    assert describe(tree) == before
    assert pod(root, "verify").count(": good") == 2
    assert [path.name for path in Store(root).paths.layers.glob("tmp-*")] == []


def test_a_tree_with_labels_of_the_hosts_own_is_good(root: Path) -> None:
    tree = Store(root).layer_path(Store(root).get("web:1").layers[0])
    for path in (tree, tree / "big"):
        os.setxattr(path, "security.selinux", b"system_u:object_r:container_ro_file_t:s0")
    assert pod(root, "verify", "web:1").count(": good") == 1


def test_content_that_kept_its_time_is_found_too(root: Path) -> None:
    tree = Store(root).layer_path(Store(root).get("web:1").layers[0])
    status = (tree / "etc/passwd").stat()
    spoil_content(tree)
    os.utime(tree / "etc/passwd", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "etc/passwd has other content" in pod(root, "verify", "web:1", status=1)


def test_a_damaged_blob_is_found_and_cannot_be_repaired_from_here(root: Path, tmp_path: Path) -> None:
    manifest = json.loads(Store(root).paths.blob(Store(root).get("web:1").digest).read_bytes())
    blob = Store(root).paths.blob(manifest["layers"][1]["digest"])
    data = bytearray(blob.read_bytes())
    data[-1] ^= 0xFF
    blob.write_bytes(bytes(data))
    (verdict,) = json.loads(
        pod(root, "verify", "--repair", "--json", "web:1", status=1).partition("pod:")[0]
    )
    assert [(fault["kind"], fault["which"]) for fault in verdict["faults"]] == [
        ("blob", f"sha256:{blob.name}")
    ]
    assert "good" in pod(root, "verify", "store:1")
    pod(root, "import", f"oci:{tmp_path / 'web'}", "--name", "web:1")
    assert "blob" in pod(root, "verify", "web:1", status=1), "a size that fits is believed at import"


@pytest.mark.parametrize("what", ["description", "implied", "described layer", "manifest"])
def test_our_own_files_are_checked_too(root: Path, what: str) -> None:
    image = Store(root).get("web:1")
    paths = Store(root).paths
    places = {
        "description": paths.description(image.digest),
        "implied": paths.implied(image.layers[1]),
        "described layer": paths.layer(image.layers[2]) / "etc",
        "manifest": paths.blob(image.digest),
    }
    place = places[what]
    before = describe(place) if place.is_dir() else place.read_bytes()
    place.chmod(0o777) if place.is_dir() else place.write_bytes(before.replace(b"e", b"f"))
    pod(root, "verify", "web:1", status=1) if what != "description" else pod(
        root, "verify", image.digest, status=1
    )
    if what == "manifest":
        return
    assert "repaired" in pod(root, "verify", "--repair", image.digest)
    assert (describe(place) if place.is_dir() else place.read_bytes()) == before


# Export


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive", "oci", "dir"])
def test_what_is_exported_other_tools_read(root: Path, tmp_path: Path, transport: str) -> None:
    needs_program("skopeo")
    assert pod(root, "export", "web:1", f"{transport}:{tmp_path / 'output'}").startswith("web:1 ")
    config = subprocess.run(
        ["skopeo", "inspect", "--config", f"{transport}:{tmp_path / 'output'}"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    manifest = json.loads(Store(root).paths.blob(Store(root).get("web:1").digest).read_bytes())
    expected = json.loads(Store(root).paths.blob(manifest["config"]["digest"]).read_bytes())
    assert json.loads(config)["rootfs"] == expected["rootfs"]
    assert [path.name for path in tmp_path.iterdir() if "tmp-" in path.name] == []


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive", "oci"])
def test_an_export_comes_back_as_it_was(root: Path, tmp_path: Path, transport: str) -> None:
    needs_program("skopeo")
    pod(root, "export", "web:1", f"{transport}:{tmp_path / 'output'}:other/web:2", "--json")
    again = tmp_path / "again"
    pod(again, "import", f"{transport}:{tmp_path / 'output'}")
    assert names(again) == ["docker.io/other/web:2" if transport == "docker-archive" else "other/web:2"]
    before, after = Store(root).get("web:1"), Store(again).images()[0]
    assert before.layers == after.layers
    assert transport == "docker-archive" or before.digest == after.digest


def test_a_layout_that_is_there_gets_one_image_more(root: Path, tmp_path: Path) -> None:
    needs_program("skopeo")
    pod(root, "export", "web:1", f"oci:{tmp_path / 'layout'}:web")
    pod(root, "export", "store:1", f"oci:{tmp_path / 'layout'}:store")
    index = json.loads((tmp_path / "layout/index.json").read_text())
    found = [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in index["manifests"]]
    assert found == ["web", "store"]


def test_nothing_that_is_there_is_overwritten(root: Path, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    assert "exists already" in pod(root, "export", "web:1", f"oci-archive:{tmp_path / 'there'}", status=125)
    assert (tmp_path / "there").read_text() == "mine"
    assert "is no destination" in pod(root, "export", "web:1", "docker://x", status=2)
    assert "there is no directory" in pod(root, "export", "web:1", f"dir:{tmp_path}/no/where", status=125)


def test_an_export_that_fails_leaves_nothing(root: Path, tmp_path: Path) -> None:
    needs_program("skopeo")
    manifest = json.loads(Store(root).paths.blob(Store(root).get("web:1").digest).read_bytes())
    Store(root).paths.blob(manifest["layers"][1]["digest"]).unlink()
    (tmp_path / "out").mkdir()
    assert "cannot write oci-archive" in pod(
        root, "export", "web:1", f"oci-archive:{tmp_path}/out/x", status=125
    )
    assert list((tmp_path / "out").iterdir()) == []
    assert list(Store(root).paths.images.glob("tmp-*")) == []
