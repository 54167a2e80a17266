"""EFFECT. The unit that `pod unit` writes for a pod whose manifest asks for restarts that become rarer.

`UPDATE_GOLDEN=1 pytest tests/golden` writes what is expected anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stage1 import hostunit
from stage1.render import render
from stage1.resources import template_path

PLACE = Path(__file__).parent
PROPERTIES = (
    "Restart=always", "RestartSec=500ms", "RestartSteps=6", "RestartMaxDelaySec=2min", "After=pod@db.service",
    "MemoryMax=1G", "Environment=A=50% of it",
)  # fmt: skip


def text_of(systemd: int, properties: tuple[str, ...] = PROPERTIES) -> str:
    wish = hostunit.Wish(
        program="/bin/true", root="/var/lib/pod", name="web", file="/srv/web.toml",
        properties=properties, systemd=systemd,
    )  # fmt: skip
    texts: dict[str, str] = render([hostunit.job("pod.service", wish)], template_path()[-1:], None)
    return texts["pod.service"]


@pytest.mark.parametrize("systemd", [252, 254])
def test_the_unit_is_as_it_was(systemd: int, tmp_path: Path) -> None:
    expected = PLACE / f"host-unit-{systemd}.service"
    text = text_of(systemd)
    if os.environ.get("UPDATE_GOLDEN"):
        expected.write_text(text)
    assert text == expected.read_text()
    later = re.findall(r"^(RestartSteps|RestartMaxDelaySec)=", text, re.MULTILINE)
    assert bool(later) is (systemd == 254)
    unit = tmp_path / "pod-web.service"
    unit.write_text(re.sub(r"^RestartSteps=.*\n|^RestartMaxDelaySec=.*\n", "", text, flags=re.MULTILINE))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""


def test_without_wishes_there_is_no_trace_of_them() -> None:
    assert "manifest says" not in text_of(254, ())
    assert "does not know" not in text_of(252, ())


MANIFEST = """
slice = "web.slice"
property = ["Restart=always", "MemoryMax=1G"]
[[app]]
image = "web"
"""


@pytest.mark.parametrize(
    ("words", "restarts", "slices"),
    [
        ((), ["on-failure", "always"], "web.slice"),
        (("--restart=no", "--slice=my.slice"), ["no"], "my.slice"),
    ],
    ids=["manifest", "command line"],
)
def test_the_command_line_goes_over_the_manifest(
    words: tuple[str, ...], restarts: list[str], slices: str, tmp_path: Path
) -> None:
    (tmp_path / "web.toml").write_text(MANIFEST)
    done = subprocess.run(
        [sys.executable, "-m", "stage0", "--dir", tmp_path / "data", "unit", *words, "-f", tmp_path / "web.toml"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert re.findall(r"^Restart=(.*)$", done.stdout, re.MULTILINE) == restarts
    assert re.findall(r"^Slice=(.*)$", done.stdout, re.MULTILINE) == [slices]
    assert "\nMemoryMax=1G\n" in done.stdout
