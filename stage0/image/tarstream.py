"""PURE. A tar stream read once, front to back: ustar, GNU and pax, names as the bytes they are.

Python's own tarfile decodes names, keeps every member, and takes twice as long; here a header costs a few
slices. Sizes are bounded before they are believed. Like Go's reader, which other runtimes use, global pax headers
are passed over, and links, devices and directories have no content whatever their size field says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from stage0.image.model import ImageError

BLOCK = 512
MAX_EXTENSION = 1 << 20
MAX_SPARSE = 1 << 16
MAX_ID = 0xFFFFFFFE
_NANO = 10**9
_BODILESS = b"123456"
_ZERO_BLOCK = bytes(BLOCK)
_XATTR = b"SCHILY.xattr."
_HINT = "the layer is damaged or was made by a faulty tool; fetch or build the image again"

Read = Callable[[int], bytes]
Skip = Callable[[int], None]
Take = Callable[[int], bytes | memoryview]


@dataclass(slots=True)
class Member:
    """One entry; `kind` is its type flag, `size` its bytes in the stream, `real_size` those of the file."""

    name: bytes
    kind: bytes
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size: int
    link: bytes
    device: tuple[int, int]
    xattrs: dict[bytes, bytes]
    real_size: int = 0
    sparse: list[tuple[int, int]] | None = field(default=None)


def bad(message: str) -> ImageError:
    """Make the error of a malformed archive."""
    return ImageError(message, hint=_HINT)


class TarStream:
    """Iterate over members; between two of them `read_body` gives the content of the first."""

    def __init__(self, read: Read, skip: Skip | None = None, take: Take | None = None) -> None:
        """Read from `read(n)`, which gives n bytes, fewer only at the end.

        `skip(n)` may seek instead; `take(n)` may give fewer than n bytes as they lie in memory, none at the end.
        """
        self._read = read
        self._skip = skip
        self._take = take or read
        self._left = 0
        self._padding = 0
        self.complete = False

    def __iter__(self) -> Iterator[Member]:
        """Give the members in turn; `complete` says afterwards whether the end was marked."""
        while (header := self._next_header()) is not None:
            yield header

    def read_body(self, limit: int) -> bytes:
        """Give the next bytes of the current member's content, at most `limit`; b"" at its end."""
        wanted = min(limit, self._left)
        if not wanted:
            return b""
        data = self._read(wanted)
        if len(data) != wanted:
            raise bad("the archive ends in the middle of a file")
        self._left -= wanted
        return data

    def take_body(self, limit: int) -> bytes | memoryview:
        """As `read_body`, but whatever is at hand; it is overwritten by the next call of any method."""
        if not self._left:
            return b""
        data = self._take(min(limit, self._left))
        if not data:
            raise bad("the archive ends in the middle of a file")
        self._left -= len(data)
        return data

    def _skip_rest(self) -> None:
        if self._skip:
            self._skip(self._left + self._padding)
            self._left = self._padding = 0
        while self.take_body(1 << 20):
            pass
        if self._padding and len(self._read(self._padding)) != self._padding:
            raise bad("the archive ends in the middle of a file")
        self._padding = 0

    def _begin_body(self, size: int) -> None:
        self._left = size
        self._padding = -size % BLOCK

    def _next_header(self) -> Member | None:
        pax: dict[bytes, bytes] = {}
        long_name = long_link = None
        while True:
            self._skip_rest()
            block = self._read(BLOCK)
            if not block or block == _ZERO_BLOCK:
                self.complete = bool(block)
                return None
            member = parse_header(block)
            self._begin_body(member.size)
            if member.kind == b"x":
                pax |= parse_pax(self._extension(member))
            elif member.kind == b"L":
                long_name = self._extension(member).partition(b"\0")[0]
            elif member.kind == b"K":
                long_link = self._extension(member).partition(b"\0")[0]
            elif member.kind not in b"gV":
                break
        member.name = member.name if long_name is None else long_name
        member.link = member.link if long_link is None else long_link
        return self._finish(member, block, pax)

    def _extension(self, member: Member) -> bytes:
        if member.size > MAX_EXTENSION:
            raise bad(f"an extended header of {member.size} bytes is too large")
        return self.read_body(member.size)

    def _finish(self, member: Member, block: bytes, pax: dict[bytes, bytes]) -> Member:
        if pax:
            apply_pax(member, pax)
        if member.kind in _BODILESS:
            member.size = 0
        elif member.kind in (b"\0", b"0", b"7") and member.name.endswith(b"/"):
            member.kind = b"5"  # how archives older than ustar mark a directory
            member.size = 0
        self._begin_body(member.size)
        member.real_size = member.size
        if member.kind == b"S":
            self._gnu_sparse(member, block)
        elif b"GNU.sparse.major" in pax or b"GNU.sparse.map" in pax or b"GNU.sparse.size" in pax:
            self._pax_sparse(member, pax)
        if not 0 <= member.uid <= MAX_ID or not 0 <= member.gid <= MAX_ID:
            raise bad(f"owner {member.uid}:{member.gid} of {show(member.name)} is out of range")
        if b"\0" in member.name or b"\0" in member.link:
            raise bad(f"the name {show(member.name)} contains a NUL")
        return member

    def _gnu_sparse(self, member: Member, block: bytes) -> None:
        """Old GNU format: four pairs in the header, 21 in each block that follows."""
        pairs = _sparse_pairs(block, 386, 4)
        member.real_size = number(block[483:495], "size of a sparse file")
        more = block[482]
        while more:
            block = self._read(BLOCK)
            if len(block) != BLOCK or len(pairs) > MAX_SPARSE:
                raise bad(f"the map of the sparse file {show(member.name)} is damaged")
            pairs += _sparse_pairs(block, 0, 21)
            more = block[504]
        member.kind = b"0"
        member.sparse = _checked_map(member, pairs)

    def _pax_sparse(self, member: Member, pax: dict[bytes, bytes]) -> None:
        """Pax formats 0.0 and 0.1 (map in the header) and 1.0 (map in front of the content)."""
        major = pax.get(b"GNU.sparse.major", b"0")
        member.name = pax.get(b"GNU.sparse.name", member.name)
        size = pax.get(b"GNU.sparse.realsize", pax.get(b"GNU.sparse.size", b""))
        member.real_size = decimal(size, "size of a sparse file")
        if major == b"1":
            numbers = self._sparse_numbers()
        else:
            numbers = [
                decimal(word, "map of a sparse file")
                for word in pax.get(b"GNU.sparse.map", b"").split(b",")
                if word
            ]
        if len(numbers) % 2:
            raise bad(f"the map of the sparse file {show(member.name)} is damaged")
        pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
        member.size = self._left
        member.sparse = _checked_map(member, pairs)

    def _sparse_numbers(self) -> list[int]:
        """Read the map of format 1.0: decimal lines, the first the number of pairs, padded to a whole block."""
        text = self.read_body(BLOCK)
        count = decimal(text.partition(b"\n")[0], "map of a sparse file")
        if count > MAX_SPARSE:
            raise bad("the map of a sparse file is too long")
        while text.count(b"\n") < 2 * count + 1:
            more = self.read_body(BLOCK)
            if not more:
                raise bad("the map of a sparse file is cut short")
            text += more
        return [decimal(line, "map of a sparse file") for line in text.split(b"\n")[1 : 2 * count + 1]]


def parse_header(block: bytes) -> Member:
    """Read one header block; pax and GNU extensions are applied by the caller."""
    if len(block) != BLOCK:
        raise bad("the archive ends in the middle of a header")
    _verify_checksum(block)
    name = block[:100].partition(b"\0")[0]
    kind = block[156:157]
    if block[257:263] == b"ustar\0":
        prefix = block[345:500].partition(b"\0")[0]
        name = prefix + b"/" + name if prefix else name
    device = (0, 0)
    if kind in b"34":
        device = (number(block[329:337], "device"), number(block[337:345], "device"))
    return Member(
        name=name,
        kind=kind,
        mode=number(block[100:108], "mode") & 0o7777,
        uid=number(block[108:116], "owner"),
        gid=number(block[116:124], "group"),
        mtime_ns=_NANO * number(block[136:148], "time", signed=True),
        size=number(block[124:136], "size"),
        link=block[157:257].partition(b"\0")[0],
        device=device,
        xattrs={},
    )


def _verify_checksum(block: bytes) -> None:
    field = block[148:156]
    stored = number(field, "checksum")
    if stored == sum(block) - sum(field) + 256:
        return
    signed = sum(byte - 256 if byte > 127 else byte for byte in block[:148] + b" " * 8 + block[156:])
    if stored != signed:
        raise bad("a header's checksum is wrong: this is no tar archive, or it is damaged")


def number(text: bytes, what: str, *, signed: bool = False) -> int:
    """Read a header's number: octal digits, or base 256 where the first bit is set."""
    if text[0] & 0x80:
        value = int.from_bytes(text, "big")
        bits = 8 * len(text)
        value = value - (1 << bits) if text[0] & 0x40 else value & ((1 << (bits - 1)) - 1)
        if value < 0 and not signed:
            raise bad(f"a header's {what} is negative")
        return value
    digits = text[:-1]
    if text[-1] or not digits.isdigit():
        digits = text.partition(b"\0")[0].strip(b" ")
    if not digits:
        return 0
    if digits.strip(b"01234567"):
        raise bad(f"a header's {what} is not a number: {digits!r}")
    return int(digits, 8)


def decimal(text: bytes, what: str) -> int:
    """Read a decimal number of a pax record."""
    if not text.isdigit() or len(text) > 20:
        raise bad(f"the {what} is not a number: {text[:40]!r}")
    return int(text)


def parse_pax(data: bytes) -> dict[bytes, bytes]:
    """Read records `LENGTH KEY=VALUE\\n`; keys that sparse format 0.0 repeats are joined as 0.1 has them."""
    records: dict[bytes, bytes] = {}
    sparse: list[bytes] = []
    position = 0
    while position < len(data) and data[position]:
        space = data.find(b" ", position, position + 21)
        length = decimal(data[position:space], "length of a pax record") if space >= 0 else 0
        record = data[space + 1 : position + length]
        key, equals, value = record[:-1].partition(b"=")
        if position + length > len(data) or not equals or not key or record[-1:] != b"\n":
            raise bad("a pax record is damaged")
        if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
            sparse.append(value)
        else:
            records[key] = value
        position += length
    if sparse:
        records[b"GNU.sparse.map"] = b",".join(sparse)
    return records


def apply_pax(member: Member, pax: dict[bytes, bytes]) -> None:
    """Let pax records override the header; an empty value means the header's own."""
    member.name = pax.get(b"path") or member.name
    member.link = pax.get(b"linkpath") or member.link
    if pax.get(b"size"):
        member.size = decimal(pax[b"size"], "size")
    if pax.get(b"uid"):
        member.uid = decimal(pax[b"uid"], "owner")
    if pax.get(b"gid"):
        member.gid = decimal(pax[b"gid"], "group")
    if pax.get(b"mtime"):
        member.mtime_ns = nanoseconds(pax[b"mtime"])
    for key, value in pax.items():
        if key.startswith(_XATTR) and key != _XATTR:
            member.xattrs[key[len(_XATTR) :]] = value


def nanoseconds(text: bytes) -> int:
    """Read `[-]SECONDS[.FRACTION]` without rounding; digits below a nanosecond are cut."""
    sign = -1 if text.startswith(b"-") else 1
    seconds, dot, fraction = text.removeprefix(b"-").partition(b".")
    if dot and fraction.strip(b"0123456789"):
        raise bad(f"the time is not a number: {text[:40]!r}")
    return sign * (decimal(seconds, "time") * _NANO + int((fraction[:9]).ljust(9, b"0")))


def _sparse_pairs(block: bytes, start: int, count: int) -> list[tuple[int, int]]:
    pairs = []
    for position in range(start, start + 24 * count, 24):
        entry = block[position : position + 24]
        if not entry[0]:
            break
        pairs.append(
            (number(entry[:12], "map of a sparse file"), number(entry[12:], "map of a sparse file"))
        )
    return pairs


def _checked_map(member: Member, pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Accept a map only if it is in order, within the file, and covers exactly the content that follows."""
    end = 0
    for offset, length in pairs:
        if offset < end or offset + length > member.real_size:
            raise bad(f"the map of the sparse file {show(member.name)} is out of order")
        end = offset + length
    if sum(length for _, length in pairs) != member.size or len(pairs) > MAX_SPARSE:
        raise bad(f"the map of the sparse file {show(member.name)} does not fit its content")
    return pairs


def show(name: bytes) -> str:
    """Write a name for people."""
    return repr(name[:200].decode("utf-8", "backslashreplace"))
