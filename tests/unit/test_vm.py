"""PURE. What the emulated machine is told to run, and in which order its outcomes are asked for."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.vm.conftest import ids
from tests.vm.selection import SELECTION, WITH_SELINUX

EVERYTHING = (*SELECTION, *WITH_SELINUX)
TOP = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", sorted({one.partition("::")[0] for one in EVERYTHING}))
def test_what_is_selected_is_there(name: str) -> None:
    tree = ast.parse((TOP / name).read_text())
    there = {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}
    chosen = {one.partition("::")[2].partition("[")[0] for one in EVERYTHING if one.startswith(f"{name}::")}
    assert chosen <= there


def test_outcomes_are_asked_for_as_both_parts_go_on() -> None:
    lab, root = [f"tests/lab/t.py::{n}" for n in range(2)], [f"tests/root/t.py::{n}" for n in range(6)]
    found = ids("\n".join([*root, *lab, "", "8 tests collected in 1s"]))
    assert sorted(found) == sorted([*lab, *root])
    assert [one for one in found if one in root] == root
    assert [found.index(one) for one in lab] == [3, 7]
