"""JSON of images from outside: read, or refused with a sentence; never a traceback."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.image import Image, ImageConfig, ImageError
from stage0.image.manifests import (
    OCI_CONFIG,
    choose_platform,
    parse_config,
    parse_index,
    parse_manifest,
    parse_object,
)
from stage0.image.model import from_json, to_json
from stage0.image.platforms import Platform

DIGEST = "sha256:" + "0123456789abcdef" * 4
DESCRIPTOR = {"mediaType": OCI_CONFIG, "digest": DIGEST, "size": 10}
CONFIG = {
    "architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00Z",
    "config": {
        "Entrypoint": ["/a"], "Cmd": ["b", "c"], "Env": ["A=1", "B="], "User": "1:2", "WorkingDir": "/w",
        "StopSignal": "SIGINT", "Volumes": {"/v": {}}, "ExposedPorts": {"80/tcp": {}}, "Labels": {"k": "v"},
    },
    "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
}  # fmt: skip
MANIFEST = {"schemaVersion": 2, "config": DESCRIPTOR, "layers": [DESCRIPTOR]}

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(DIGEST) | st.just(-1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def dumped(value: object) -> bytes:
    return json.dumps(value).encode()


def test_a_whole_config_is_read():
    config = parse_config(dumped(CONFIG), "it")
    assert config.diff_ids == (DIGEST,)
    assert config.created == "2024-01-01T00:00:00Z"
    assert config.config == ImageConfig(
        entrypoint=("/a",), cmd=("b", "c"), env=("A=1", "B="), user="1:2", workdir="/w", stop_signal="SIGINT",
        volumes=("/v",), ports=("80/tcp",), labels={"k": "v"}, architecture="amd64", os="linux",
    )  # fmt: skip


def test_null_and_absent_mean_empty():
    nulls = {"config": dict.fromkeys(CONFIG["config"]), "rootfs": None, "os": None}
    assert parse_config(dumped(nulls), "it") == parse_config(b"{}", "it")


def test_bytes_that_are_not_utf8_come_back_as_they_were():
    data = b'{"config":{"Env":["A=\xff\xfe"],"Cmd":["\xe9"]}}'
    config = parse_config(data, "it").config
    assert os.fsencode(config.env[0]) == b"A=\xff\xfe"
    assert os.fsencode(config.cmd[0]) == b"\xe9"


@pytest.mark.parametrize(
    "document",
    [
        b"", b"[]", b"null", b"{", b"\xff", b'{"config":[]}', b'{"config":{"Env":"A"}}', b'{"config":{"Env":["=x"]}}',
        b'{"config":{"Env":["A=\\u0000"]}}', b'{"config":{"Cmd":[1]}}', b'{"config":{"Cmd":["\\ud800"]}}',
        b'{"config":{"User":1}}', b'{"rootfs":{"diff_ids":["md5:1"]}}', b'{"rootfs":[]}',
        b'{"config":{"Labels":{"a":1}}}',
        b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}", b'{"config":{"Volumes":"x"}}',
    ],
)  # fmt: skip
def test_a_malformed_config_is_refused_with_a_sentence(document):
    with pytest.raises(ImageError) as raised:
        parse_config(document, "it")
    assert raised.value.message.startswith("it")
    assert raised.value.hint


@pytest.mark.parametrize(
    "change",
    [
        {"config": None}, {"config": {}}, {"config": DESCRIPTOR | {"mediaType": "application/x"}}, {"layers": None},
        {"layers": [None]}, {"layers": [DESCRIPTOR | {"digest": "sha512:00"}]},
        {"layers": [DESCRIPTOR | {"size": -1}]},
        {"layers": [DESCRIPTOR | {"size": True}]}, {"layers": [DESCRIPTOR | {"size": "1"}]}, {"schemaVersion": 1},
        {"layers": [DESCRIPTOR | {"digest": "sha256:../../../../etc/passwd"}]},
    ],
)  # fmt: skip
def test_a_malformed_manifest_is_refused(change):
    with pytest.raises(ImageError):
        parse_manifest(dumped(MANIFEST | change), "it")


@given(anything)
def test_any_json_is_read_or_refused(value):
    for parse in (parse_config, parse_manifest, parse_index, parse_object):
        try:
            parse(dumped(value), "it")
        except ImageError as error:
            assert error.hint


@given(st.sampled_from(sorted(CONFIG["config"])), anything)
def test_any_value_of_a_known_config_field_is_read_or_refused(key, value):
    try:
        parse_config(dumped(CONFIG | {"config": {key: value}}), "it")
    except ImageError as error:
        assert key in error.message


@given(st.sampled_from(["config", "layers", "mediaType", "schemaVersion", "annotations"]), anything)
def test_any_value_of_a_known_manifest_field_is_read_or_refused(key, value):
    try:
        parse_manifest(dumped(MANIFEST | {key: value}), "it")
    except ImageError as error:
        assert error.message


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    try:
        parse_object(data, "it")
    except ImageError as error:
        assert error.message


def test_the_platform_of_this_host_is_chosen():
    entries = parse_index(dumped({"manifests": [
        DESCRIPTOR | {"platform": {"os": "windows", "architecture": "amd64"}},
        DESCRIPTOR | {"size": 2, "platform": {"os": "linux", "architecture": "amd64"}},
        DESCRIPTOR | {"size": 3, "platform": {"os": "linux", "architecture": "arm64"}},
    ]}), "it")  # fmt: skip
    assert choose_platform(entries, Platform("arm64"), "it").size == 3
    assert choose_platform(entries, Platform("amd64"), "it").size == 2
    with pytest.raises(ImageError, match="nothing for linux/s390x") as raised:
        choose_platform(entries, Platform("s390x"), "it")
    assert "linux/amd64" in raised.value.hint


surrogates = st.text(
    st.characters(exclude_categories=("Cs",)) | st.sampled_from(["\udcff", "\udc80"]), max_size=10
)
words = st.lists(surrogates, max_size=3).map(tuple)


@given(words, surrogates, st.dictionaries(surrogates, surrogates, max_size=3))
def test_the_digested_form_gives_back_what_went_in(some, text, labels):
    config = ImageConfig(entrypoint=some, cmd=some, env=some, user=text, workdir=text, stop_signal=text, volumes=some,
                         ports=some, labels=labels, architecture=text, os=text)  # fmt: skip
    image = Image(name="a:b", digest=DIGEST, config_digest=DIGEST, layers=(DIGEST,), size=1, created=text,
                  config=config, passwd=text, group=text)  # fmt: skip
    assert from_json(to_json(image), "a:b") == image
    assert to_json(image).isascii()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version":0}', '{"version":1}', '{"version":1,"config":{}}']
)
def test_a_damaged_digested_form_is_one_sentence(text):
    with pytest.raises(ImageError, match="cannot be read"):
        from_json(text, "a:b")
