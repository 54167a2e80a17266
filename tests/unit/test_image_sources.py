"""Documents of layouts and archives, as they are and as they should not be: a draft, or one sentence."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.image import ImageError
from stage0.image.names import parse_source
from stage0.image.places import ArchivePlace, DirectoryPlace
from stage0.image.platforms import host_platform
from stage0.image.sources import read_docker, read_oci
from stage1.contract.errors import PodError
from tests.image_archives import archive, file, hardlink, symlink, write_layout

OCI = parse_source("oci:somewhere")
HOST = host_platform()
DOCKER = parse_source("docker-archive:somewhere")
DIGEST = "sha256:" + "ab" * 32


@dataclass
class Memory:
    """A place that lies in memory."""

    files: dict[str, bytes] = field(default_factory=dict)

    def open(self, name: str) -> io.BytesIO:
        try:
            return io.BytesIO(self.files[name])
        except KeyError:
            raise FileNotFoundError(name) from None

    def add(self, value: object, media_type: str) -> dict:
        data = json.dumps(value).encode()
        hexadecimal = hashlib.sha256(data).hexdigest()
        self.files[f"blobs/sha256/{hexadecimal}"] = data
        return {"mediaType": media_type, "digest": f"sha256:{hexadecimal}", "size": len(data)}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(DIGEST),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def shaped(*keys: str) -> st.SearchStrategy:
    """Something that has the right keys and wrong values."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(keys, anything))


descriptors = anything | shaped("mediaType", "digest", "size", "annotations", "platform")


@given(anything | st.fixed_dictionaries({"manifests": st.lists(descriptors, max_size=3)}))
def test_any_index_is_read_or_refused(index):
    with pytest.raises(ImageError) as raised:
        read_oci(Memory({"index.json": json.dumps(index).encode()}), OCI, HOST)
    assert raised.value.hint


@given(anything | shaped("config", "layers", "manifests", "schemaVersion", "mediaType"))
def test_any_manifest_is_read_or_refused(manifest):
    place = Memory()
    entry = place.add(manifest, "application/vnd.oci.image.manifest.v1+json")
    place.files["index.json"] = json.dumps({"manifests": [entry]}).encode()
    with pytest.raises(ImageError) as raised:
        read_oci(place, OCI, HOST)
    assert raised.value.hint


@given(
    anything | st.lists(anything | shaped("Config", "Layers", "RepoTags"), max_size=3),
    st.sampled_from(["", ":a:1"]),
)
def test_any_list_of_saved_images_is_read_or_refused(images, reference):
    place = Memory({"manifest.json": json.dumps(images).encode()})
    with pytest.raises(ImageError) as raised:
        read_docker(place, parse_source(DOCKER.text + reference))
    assert raised.value.hint


def test_indexes_that_nest_too_deep_are_refused():
    place = Memory()
    entry = place.add({"manifests": []}, "application/vnd.oci.image.index.v1+json")
    for _ in range(6):
        entry = place.add({"manifests": [entry]}, "application/vnd.oci.image.index.v1+json")
    place.files["index.json"] = json.dumps({"manifests": [entry]}).encode()
    with pytest.raises(ImageError, match="nested too deep"):
        read_oci(place, OCI, HOST)


def test_an_image_for_another_system_is_refused(tmp_path):
    layout = write_layout(tmp_path / "layout", [archive(file("a"))], os="windows")
    with pytest.raises(ImageError, match="not for Linux"):
        read_oci(DirectoryPlace(layout), OCI, HOST)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../secret", "a\0b"])
def test_no_name_leads_out_of_a_source_directory(tmp_path, name):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "place/a").mkdir(parents=True)
    with pytest.raises(FileNotFoundError):
        DirectoryPlace(tmp_path / "place").open(name)


def test_members_of_an_archive_are_read_where_they_lie(tmp_path):
    packed = tmp_path / "x.tar"
    packed.write_bytes(archive(
        file("a/one", b"1" * 5000), file("./b", b"2"), symlink("a/link", "../b"), hardlink("hard", "a/one"),
        symlink("absolute", "/b"), symlink("loop", "loop"), symlink("dangling", "nothing"),
    ))  # fmt: skip
    place = ArchivePlace(str(packed), "it", tmp_path)
    contents = {name: place.open(name).read() for name in ("a/one", "b", "a/link", "hard", "absolute")}
    assert contents == {
        "a/one": b"1" * 5000,
        "b": b"2",
        "a/link": b"2",
        "hard": b"1" * 5000,
        "absolute": b"2",
    }
    for missing in ("loop", "dangling", "nothing"):
        with pytest.raises(FileNotFoundError):
            place.open(missing)
    place.close()


@given(data=st.binary(max_size=1500))
def test_any_file_is_read_as_an_archive_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("noise") / "x"
    path.write_bytes(data)
    try:
        place = ArchivePlace(str(path), "it", path.parent)
    except PodError as error:
        assert error.hint
    else:
        with pytest.raises(PodError):
            read_docker(place, DOCKER)
        place.close()


@pytest.mark.parametrize("name", ["../x", "a/../../b"])
def test_an_archive_that_names_what_lies_outside_is_refused(tmp_path, name):
    (tmp_path / "x.tar").write_bytes(archive(file(name)))
    with pytest.raises(ImageError, match="leads out"):
        ArchivePlace(str(tmp_path / "x.tar"), "it", tmp_path)
