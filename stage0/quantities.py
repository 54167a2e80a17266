"""PURE. Numbers with units, as people write them; parsed once, at the border."""

from __future__ import annotations

import re
import signal

from stage1.contract import UsageError

_SECONDS = {"us": 1e-6, "ms": 1e-3, "": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_LONGEST = 10 * 365 * 86400.0
_LARGEST = 2**63 - 1


def whole(text: str, largest: int) -> int | None:
    """A number of ASCII digits up to `largest`, or None: int() would take ² and choke on thousands of digits."""
    if not _is_digits(text) or len(text) > 20:
        return None
    number = int(text)
    return number if number <= largest else None


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _split(text: str) -> tuple[str, str]:
    """A number as far as it goes, and its unit; regular expressions for it took 1 ms of `pod run` to compile."""
    unit = text.lstrip("0123456789.")
    return text[: len(text) - len(unit)], unit.lstrip()


def seconds(given: str | float, *, where: str) -> float:
    """`90`, `1.5s`, `500ms`, `2m`, `1h`, `1d`; a manifest may have a number."""
    text = str(given)
    number, unit = _split(text.strip())
    whole_part, dot, fraction = number.partition(".")
    good = _is_digits(whole_part) and (_is_digits(fraction) or not dot) and unit in _SECONDS
    if not good or (value := float(number) * _SECONDS[unit]) > _LONGEST:
        raise UsageError(
            f"{where}: {text!r} is not a time", hint="write seconds, or a number with ms, s, m, h or d"
        )
    return value


def decimal(text: str, scale: int) -> int | None:
    """`1.25` times `scale`, exactly and rounded down, or None if it is no number of up to 20 and 9 digits."""
    whole_part, dot, fraction = text.partition(".")
    if not _is_digits(whole_part) or len(whole_part) > 20:
        return None
    if dot and (not _is_digits(fraction) or len(fraction) > 9):
        return None
    return int(whole_part + fraction) * scale // int("1" + "0" * len(fraction))


def size(text: str, *, where: str) -> int:
    """`4096`, `64k`, `16M`, `1.5G`, `2GiB`: powers of 1024, an i and a B may follow."""
    number, unit = _split(text.strip().lower())
    factor = _BYTES.get(unit.removesuffix("b").removesuffix("i"))
    value = decimal(number, 1024**factor) if factor is not None else None
    if value is None or value > _LARGEST:
        raise UsageError(
            f"{where}: {text!r} is not a size", hint="write bytes, or a number with K, M, G or T"
        )
    return value


def signal_name(text: str, *, where: str) -> str:
    """`TERM`, `SIGTERM`, `15` and `RTMIN+3` all become a name systemd knows."""
    name = text.strip().upper().removeprefix("SIG")
    real_time = re.fullmatch(r"RTMIN(?:\+([0-9]{1,2}))?|RTMAX(?:-([0-9]{1,2}))?", name)
    if real_time and int(real_time[1] or real_time[2] or 0) <= signal.SIGRTMAX - signal.SIGRTMIN:
        return f"SIG{name}"
    number = whole(name, int(signal.SIGRTMAX))
    if number in {item.value for item in signal.Signals}:
        return signal.Signals(number).name
    if f"SIG{name}" in signal.Signals.__members__:
        return signal.Signals[f"SIG{name}"].name
    raise UsageError(
        f"{where}: {text!r} is not a signal", hint="write a name such as SIGTERM, or its number"
    )


def signal_number(name: str) -> int:
    """The number of a name that `signal_name` gave."""
    if name.startswith(("SIGRTMIN+", "SIGRTMAX-")):
        return int(signal.Signals[name[:8]]) + int(name[8:])
    return int(signal.Signals[name])
