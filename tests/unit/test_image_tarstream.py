"""Tar streams are read as Python's tarfile reads them, and damage is refused."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stage0.image import ImageError
from stage0.image.extract import clean
from stage0.image.tarstream import TarStream, nanoseconds, number, parse_pax
from tests.image_archives import archive, directory, file, hardlink, member, symlink, xattrs

FORMS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)


def read_all(data: bytes) -> list[tuple]:
    stream = TarStream(io.BytesIO(data).read)
    found = []
    for entry in stream:
        content = b""
        while piece := stream.read_body(7):
            content += piece
        found.append(
            (entry.name, entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime_ns, entry.link, content)
        )
    return found


names = st.lists(st.sampled_from(["a", "b" * 60, "é", "c d", "\udcff", "\n"]), min_size=1, max_size=6).map(
    "/".join
)


@st.composite
def members(draw):
    kind = draw(
        st.sampled_from(
            [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE]
        )
    )
    content = draw(st.binary(max_size=1100)) if kind == tarfile.REGTYPE else b""
    link = draw(names) if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
    info = member(draw(names), kind, linkname=link, size=len(content), mode=draw(st.integers(0, 0o7777)),
                  uid=draw(st.integers(0, 2**32 - 2)), gid=draw(st.integers(0, 2**32 - 2)),
                  mtime=draw(st.integers(0, 2**40)))  # fmt: skip
    return info, content


@given(st.lists(members(), max_size=5), st.sampled_from(FORMS[1:]))
def test_what_tarfile_writes_is_read_back(some, form):
    data = archive(*some, form=form)
    expected = [
        (i.name.encode("utf-8", "surrogateescape"), i.type, i.mode, i.uid, i.gid, i.mtime * 10**9,
         i.linkname.encode("utf-8", "surrogateescape"), content)
        for i, content in some
    ]  # fmt: skip
    assert [(name.rstrip(b"/"), *rest) for name, *rest in read_all(data)] == [
        (name.rstrip(b"/"), *rest) for name, *rest in expected
    ]


@given(st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 255)), max_size=6), st.integers(0, 7000))
@example([], 511)
def test_damage_is_refused_and_never_crashes(changes, length):
    data = bytearray(archive(directory("d"), file("d/f", b"x" * 700), symlink("l", "d/f"), file("é" * 90, b"1"),
                             file("long/" * 30, b"2", pax_headers=xattrs({"user.a": b"b"}))))  # fmt: skip
    for position, value in changes:
        data[position % len(data)] = value
    try:
        read_all(bytes(data[:length]))
    except ImageError as error:
        assert error.hint


@given(st.binary(max_size=2000))
def test_noise_is_refused_and_never_crashes(data):
    try:
        read_all(data)
    except ImageError as error:
        assert error.hint


@given(st.binary(max_size=300))
def test_any_pax_records_are_read_or_refused(data):
    try:
        parse_pax(data)
    except ImageError as error:
        assert error.hint


@given(
    st.dictionaries(
        st.binary(min_size=1, max_size=9).filter(lambda key: b"=" not in key), st.binary(max_size=99)
    )
)
def test_pax_records_are_read_back(records):
    data = b""
    for key, value in records.items():
        length = len(key) + len(value) + 3
        length += len(str(length + len(str(length))))
        data += b"%d %s=%s\n" % (length, key, value)
    sparse = (b"GNU.sparse.offset", b"GNU.sparse.numbytes", b"GNU.sparse.map")
    assert parse_pax(data) == {key: value for key, value in records.items() if key not in sparse}


@pytest.mark.parametrize(
    "data",
    [b"5 a=b\n", b"x a=b\n", b"99 a=b\n", b"6 a=b", b"0 a=b\n", b"6 ab\n\n", b"-6 a=b\n", b"5 =b\n", b"1\n"],
)
def test_a_pax_record_of_a_wrong_length_is_refused(data):
    with pytest.raises(ImageError):
        parse_pax(data)


@pytest.mark.parametrize(
    ("text", "value"),
    [(b"0000644\0", 0o644), (b"   644 \0", 0o644), (b"644     ", 0o644), (b"\0" * 8, 0), (b" " * 8, 0),
     (b"\x80" + b"\0" * 6 + b"\x05", 5), (b"\x80\0\0\0\xff\xff\xff\xff", 2**32 - 1), (b"00000644", 0o644)],
)  # fmt: skip
def test_header_numbers_of_all_writers_are_read(text, value):
    assert number(text, "it") == value


@pytest.mark.parametrize(
    "text", [b"0000648\0", b"-000001\0", b"+000001\0", b"1_0\0\0\0\0\0", b"\xff" * 8, b"abc\0\0\0\0\0"]
)
def test_header_numbers_that_are_none_are_refused(text):
    with pytest.raises(ImageError):
        number(text, "it")


def test_a_time_before_1970_is_read():
    assert number(b"\xff" * 12, "it", signed=True) == -1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"1", 10**9),
        (b"1.5", 1_500_000_000),
        (b"-1.5", -1_500_000_000),
        (b"1.1234567891", 1_123_456_789),
        (b"0.", 0),
    ],
)
def test_times_are_read_to_the_nanosecond(text, value):
    assert nanoseconds(text) == value


@pytest.mark.parametrize("text", [b"", b"x", b"1.x", b"1e9", b"--1", b"1" * 30, b"nan", b"."])
def test_times_that_are_none_are_refused(text):
    with pytest.raises(ImageError):
        nanoseconds(text)


def test_the_end_of_the_archive_is_noticed():
    whole = archive(file("a"))
    stream = TarStream(io.BytesIO(whole).read)
    list(stream)
    assert stream.complete
    stream = TarStream(io.BytesIO(whole[:1024]).read)
    list(stream)
    assert not stream.complete


@pytest.mark.parametrize(
    "form", ["--format=gnu", "--format=posix", "--sparse-version=0.0", "--sparse-version=0.1"]
)
def test_sparse_files_of_gnu_tar_are_read(tmp_path: Path, form):
    holes = tmp_path / "holes"
    with holes.open("wb") as stream:
        for position in range(0, 40 << 20, 1 << 20):
            stream.seek(position)
            stream.write(b"%d" % position)
        stream.truncate(50 << 20)
    options = [form] if form.startswith("--format") else ["--format=posix", form]
    argv = ["tar", "-C", tmp_path, *options, "--sparse", "-cf", "-", "holes", "--owner=0"]
    data = subprocess.run(argv, check=True, capture_output=True).stdout
    reader = TarStream(io.BytesIO(data).read)
    entry = next(iter(reader))
    assert entry.sparse is not None
    assert (entry.name, entry.real_size, entry.kind) == (b"holes", 50 << 20, b"0")
    rebuilt = bytearray(entry.real_size)
    for offset, length in entry.sparse:
        rebuilt[offset : offset + length] = reader.read_body(length)
    assert rebuilt == holes.read_bytes()
    assert reader.read_body(1) == b""


def test_links_and_directories_have_no_content_whatever_they_say():
    data = bytearray(archive(hardlink("a", "b"), file("next", b"content"), form=tarfile.USTAR_FORMAT))
    header = tarfile.TarInfo.frombuf(bytes(data[:512]), "utf-8", "strict")
    header.size = 5000
    data[:512] = header.tobuf(tarfile.USTAR_FORMAT)
    assert [entry[0] for entry in read_all(bytes(data))] == [b"a", b"next"]


def test_a_name_with_a_nul_is_refused():
    info = member("short")
    info.pax_headers = {"path": "a\0b"}
    with pytest.raises(ImageError, match="NUL"):
        read_all(archive((info, b"")))


@given(st.binary(max_size=60))
def test_a_cleaned_name_stays_below_the_root(name):
    try:
        cleaned = clean(name)
    except ImageError:
        return
    assert not cleaned.startswith(b"/")
    assert not {b"..", b".", b""} & set(cleaned.split(b"/")) - ({b""} if not cleaned else set())
