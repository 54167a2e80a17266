"""EFFECT. Build hook: compile the C programs, and put templates and the base recipe into the wheel.

An editable install needs neither copy: stage1.resources finds both in the tree.
"""

from __future__ import annotations

import subprocess  # noqa: TID251  runs at build time only, where nothing of the project is importable
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class NativeBuildHook(BuildHookInterface[BuilderConfig]):
    """Calls the one Makefile that knows the flags."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before a wheel is put together."""
        if self.target_name != "wheel":
            return
        subprocess.run(["make", "-C", str(Path(self.root) / "stage1/native")], check=True)  # noqa: S607
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
        if version == "standard":
            build_data["force_include"]["unit-templates"] = "stage1/unit-templates"
            build_data["force_include"]["images/base"] = "stage1/images/base"
