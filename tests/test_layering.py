"""PURE. The shape of the code, read from its syntax trees: who imports what, who has effects, how long things are."""

from __future__ import annotations

import ast
import re
import statistics
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

TOP = Path(__file__).parent.parent
PYTHON = sorted(path for stage in ("stage0", "stage1") for path in (TOP / stage).rglob("*.py"))
ROOMS = TOP / "stage1/native"
NATIVE = sorted(ROOMS.rglob("*.c"))
PROGRAMS = {
    path.stem for path in NATIVE if path.stem == path.parent.name and "int main(" in path.read_text()
}
MEANT_FOR_OTHERS = {"begin/begin.h", "enter/plan.h", "enter/filters.h"}
CONTRACT = "stage1.contract"
CROSSING = "stage0/handoff.py"
BUILD_HOOK = "stage1/native/hatch_build.py"

# One library, one door: the only module (or the package, with a slash at its end) that imports it.
DOORS = {
    "jinja2": ("stage1/render.py",),
    "pyroute2": ("stage1/network.py", "stage1/network/"),
    "rich": ("stage0/progress/live.py",),
    "pystemd": ("stage1/manager.py", "stage1/manager/"),
    "dbus_next": ("stage1/machined.py", "stage1/machined/"),
    "subprocess": ("stage0/command.py", "stage1/command.py"),
    "pydantic": ("stage1/contract/",),
    "pydantic_core": ("stage1/contract/",),
    "yaml": ("stage0/request/file.py",),
    "zstandard": ("stage0/image/",),
}
# The standard library's own ways to start programs: all through the doors of subprocess.
STARTERS = {"os.system", "os.popen", "os.spawnv", "os.spawnve", "os.posix_spawn", "pty.spawn"}
EFFECTFUL_MODULES = {"subprocess", "socket", "ctypes", "shutil", "fcntl", "tempfile", "select", "pystemd"}
EFFECTFUL_METHODS = {
    "read_text", "read_bytes", "write_text", "write_bytes", "open", "mkdir", "unlink", "rename", "rmdir",
    "replace_file", "iterdir", "glob", "rglob", "stat", "exists", "symlink_to", "chmod", "touch",
}  # fmt: skip
LONGEST_FUNCTION, MEDIAN_FUNCTION, LONGEST_MODULE = 60, 10, 400


class Import(NamedTuple):
    """A module that another one imports, at the top or inside a function."""

    module: str
    line: int


def name_of(path: Path) -> str:
    """A path as people write it."""
    return path.relative_to(TOP).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(path.read_text(), str(path))


@cache
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """All that is in a syntax tree."""
    return tuple(ast.walk(tree))


@cache
def imports(tree: ast.AST) -> tuple[Import, ...]:
    """Every import statement, and every import_module() of a literal."""
    return tuple(_imports(tree))


def _imports(tree: ast.AST) -> Iterator[Import]:
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            yield from (Import(f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
        elif is_dynamic(node) and node.args and isinstance(node.args[0], ast.Constant):
            yield Import(str(node.args[0].value), node.lineno)


def is_dynamic(node: ast.AST) -> bool:
    """True of a call of import_module() or __import__()."""
    return isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] in {
        "import_module",
        "__import__",
    }


def dotted(node: ast.AST) -> str:
    """`a.b.c` of names and attributes, `?` for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return "?"


def is_below(module: str, package: str) -> bool:
    """True of a package and all in it."""
    return module == package or module.startswith(f"{package}.")


def kind_of(tree: ast.Module) -> str:
    """`PURE`, `EFFECT` or nothing, as the docstring's first word says."""
    found = re.match(r"(PURE|EFFECT)\. \S", ast.get_docstring(tree) or "")
    return found[1] if found else ""


def has_code(tree: ast.Module) -> bool:
    """False of a module of nothing but a docstring, imports and __all__."""
    return any(
        not isinstance(node, ast.Import | ast.ImportFrom | ast.Expr)
        and not (isinstance(node, ast.Assign) and dotted(node.targets[0]) == "__all__")
        for node in tree.body
    )


def each(paths: list[Path]) -> Callable[[Callable[[Path], None]], Callable[[], None]]:
    """One test for all these files, which tells of each that fails; a test a file would be 2,500."""

    def of(check: Callable[[Path], None]) -> Callable[[], None]:
        def test() -> None:
            failures = {name_of(path): failure for path in paths if (failure := complaint(check, path))}
            assert not failures

        test.__doc__ = check.__doc__
        return test

    return of


def complaint(check: Callable[[Path], None], path: Path) -> str:
    """What a check says of a file; empty if it is right."""
    try:
        check(path)
    except AssertionError as error:
        return str(error)
    return ""


STAGE0 = [path for path in PYTHON if name_of(path).startswith("stage0/")]
STAGE1 = [path for path in PYTHON if name_of(path).startswith("stage1/")]
THE_CONTRACT = [path for path in STAGE1 if name_of(path).startswith("stage1/contract/")]
PURE = [path for path in PYTHON if kind_of(tree_of(path)) == "PURE"]


@each(STAGE0)
def test_stage0_sees_of_stage1_only_the_contract(path: Path) -> None:
    wrong = [found for found in imports(tree_of(path)) if is_below(found.module, "stage1")]
    assert [found for found in wrong if not is_below(found.module, CONTRACT)] == []


@each([path for path in PYTHON if name_of(path) != CROSSING])
def test_only_the_handoff_crosses_to_stage1_by_a_name_made_at_run_time(path: Path) -> None:
    made = [ast.unparse(node) for node in nodes(tree_of(path)) if is_dynamic(node)]
    assert [call for call in made if "stage1" in call] == []


@each(
    [
        path
        for path in PYTHON
        if name_of(path) not in {CROSSING, "stage0/cli.py", "stage1/contract/__init__.py"}
    ]
)
def test_no_other_module_imports_by_a_computed_name(path: Path) -> None:
    computed = [ast.unparse(node) for node in nodes(tree_of(path)) if is_dynamic(node)]
    assert computed == []


@each(STAGE1)
def test_stage1_knows_nothing_of_stage0(path: Path) -> None:
    assert [found for found in imports(tree_of(path)) if is_below(found.module, "stage0")] == []


@each(THE_CONTRACT)
def test_the_contract_stands_alone(path: Path) -> None:
    allowed = {*sys.stdlib_module_names, "pydantic", "pydantic_core"}
    foreign = [
        found
        for found in imports(tree_of(path))
        if found.module.partition(".")[0] not in allowed and not is_below(found.module, CONTRACT)
    ]
    assert foreign == []


@each([path for path in STAGE0 if name_of(path).startswith("stage0/image/")])
def test_images_know_nothing_of_pods(path: Path) -> None:
    allowed = (
        "stage0.image",
        "stage0.command",
        "stage0.privileges",
        f"{CONTRACT}.errors",
        f"{CONTRACT}.values",
    )
    ours = [
        found
        for found in imports(tree_of(path))
        if is_below(found.module, "stage0") or is_below(found.module, "stage1")
    ]
    assert [found for found in ours if not any(is_below(found.module, package) for package in allowed)] == []


@each([path for path in PYTHON if name_of(path) != BUILD_HOOK])
def test_each_library_has_one_door(path: Path) -> None:
    name = name_of(path)
    for found in imports(tree_of(path)):
        doors = DOORS.get(found.module.partition(".")[0])
        assert doors is None or name.startswith(doors) or only_for_types(path, found), (
            f"{found} has its own door: {doors}"
        )
    used = {dotted(node) for node in nodes(tree_of(path)) if isinstance(node, ast.Attribute)}
    assert not used & STARTERS


def only_for_types(path: Path, found: Import) -> bool:
    """True of an import below `if TYPE_CHECKING:`, which no program ever runs."""
    guards = [
        node
        for node in nodes(tree_of(path))
        if isinstance(node, ast.If) and dotted(node.test).endswith("TYPE_CHECKING")
    ]
    return any(node.lineno <= found.line <= (node.end_lineno or 0) for node in guards)


@each(PYTHON)
def test_a_module_says_whether_it_has_effects(path: Path) -> None:
    tree = tree_of(path)
    assert ast.get_docstring(tree), "a docstring says what the module is"
    if path.name != "__init__.py" or has_code(tree):
        assert kind_of(tree), "the docstring begins with PURE. or EFFECT."


@each(PURE)
def test_a_pure_module_touches_nothing_outside_itself(path: Path) -> None:
    tree = tree_of(path)
    loud = [found for found in imports(tree) if found.module.partition(".")[0] in EFFECTFUL_MODULES]
    assert loud == []
    calls = [node for node in nodes(tree) if isinstance(node, ast.Call)]
    assert [
        ast.unparse(call)
        for call in calls
        if dotted(call.func) in {"open", "print", "input", "exec", "eval"}
    ] == []
    assert [ast.unparse(call) for call in calls if effectful_method(call)] == []


def effectful_method(call: ast.Call) -> bool:
    """A method that asks or changes a file system, whatever it is called on; `re.Match.open` does not exist."""
    return isinstance(call.func, ast.Attribute) and call.func.attr in EFFECTFUL_METHODS


@each(PURE)
def test_a_pure_module_builds_on_pure_modules_of_its_own_room(path: Path) -> None:
    """At the top: what it imports inside a function is for a case in which somebody else asked for the effect."""
    for node in tree_of(path).body:
        for found in imports(node):
            target = module_path(found.module)
            if target in PURE or target is None:
                continue
            assert kind_of(tree_of(target)) != "EFFECT" or only_names(path, found), f"{found} has effects"


def only_names(path: Path, found: Import) -> bool:
    """A constant or a type: its name is not that of a function."""
    return found.module.rpartition(".")[2][:1].isupper() or only_for_types(path, found)


def module_path(module: str) -> Path | None:
    """The file of a module of ours, of the module that holds a name, or None for a library."""
    for name in (module, module.rpartition(".")[0]):
        path = TOP / name.replace(".", "/")
        if name and path.with_suffix(".py") in PYTHON:
            return path.with_suffix(".py")
        if name and path / "__init__.py" in PYTHON:
            return path / "__init__.py"
    return None


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Late imports count: what two modules need of each other belongs into a third."""
    graph = {
        path: {target for target in map(module_path, needed(path)) if target} - {path} for path in PYTHON
    }
    while leaves := [path for path, targets in graph.items() if not targets & graph.keys()]:
        for path in leaves:
            del graph[path]
    assert sorted(map(name_of, graph)) == []


def needed(path: Path) -> list[str]:
    """What a module imports for more than its annotations."""
    return [found.module for found in imports(tree_of(path)) if not only_for_types(path, found)]


@each(PYTHON)
def test_a_named_tuple_is_of_the_cheap_kind(path: Path) -> None:
    """`typing.NamedTuple` costs 0.3 ms a class, which `pod run` would pay for each."""
    if name_of(path) != "stage1/contract/values.py":
        assert "typing.NamedTuple" not in {found.module for found in imports(tree_of(path))}


@each(PYTHON)
def test_only_the_command_line_talks_and_exits(path: Path) -> None:
    name = name_of(path)
    if name.startswith("stage0/verbs/") or name in {
        "stage0/cli.py",
        "stage0/__main__.py",
        "stage1/__main__.py",
    }:
        return
    written = [ast.unparse(node) for node in nodes(tree_of(path)) if talks(node)]
    assert written == []


def talks(node: ast.AST) -> bool:
    """print(), a write to a standard stream, or an exit."""
    if not isinstance(node, ast.Call):
        return False
    called = dotted(node.func)
    return called in {"print", "exit", "quit", "sys.exit"} or bool(
        re.match(r"sys\.(stdout|stderr)\.(buffer\.)?write", called)
    )


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function, methods and nested ones too."""
    for node in nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the last one."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


@each(PYTHON)
def test_modules_and_functions_stay_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_MODULE
    assert [node.name for node in functions(tree_of(path)) if length(node) > LONGEST_FUNCTION] == []


def test_the_usual_function_is_very_short() -> None:
    lengths = [length(node) for path in PYTHON for node in functions(tree_of(path))]
    assert statistics.median(lengths) <= MEDIAN_FUNCTION


def c_functions(text: str) -> Iterator[tuple[str, int]]:
    """Name and length of every function of a file that clang-format has laid out: its body's braces stand alone."""
    start, name = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if start == 0 and (line == "{" or re.match(r"\s*[A-Za-z_].*\)\s*\{$", line)):
            start, name = number, line
        elif line == "}" and start:
            yield name, number - start + 1
            start = 0


@each(NATIVE)
def test_c_functions_stay_short(path: Path) -> None:
    found = list(c_functions(path.read_text()))
    assert found, "no function was recognised"
    assert [name for name, lines in found if lines > LONGEST_FUNCTION] == []


@each(NATIVE)
def test_c_files_have_no_tabs(path: Path) -> None:
    assert "\t" not in path.read_text()


def included(path: Path) -> Iterator[str]:
    """Headers of ours, seen from stage1/native: a plain name is one of the file's own room."""
    for name in re.findall(r'^#include "(.+)"$', path.read_text(), re.MULTILINE):
        yield name if "/" in name else str((path.parent / name).relative_to(ROOMS))


def room_of(name: str) -> str:
    return name.rpartition("/")[0]


def test_rooms_of_c_stand_one_upon_the_other() -> None:
    """In the order of the table in their README; of another program only what is meant for others."""
    rows = re.findall(r"^\| ((?:`[a-z/]+/` ?)+)\|", (ROOMS / "README.md").read_text(), re.MULTILINE)
    order = [room.rstrip("/") for row in rows for room in re.findall(r"`(.+?)`", row)]
    sources = [*NATIVE, *ROOMS.rglob("*.h")]
    assert sorted(order) == sorted({room_of(str(path.relative_to(ROOMS))) for path in sources})
    wrong = []
    for path in sources:
        here = room_of(str(path.relative_to(ROOMS)))
        for name in included(path):
            there = room_of(name)
            assert (ROOMS / name).is_file(), f"{path}: {name}"
            foreign = there in PROGRAMS and there != here.partition("/")[0] and name not in MEANT_FOR_OTHERS
            if foreign or order.index(there) < order.index(here):
                wrong.append(f"{here}/{path.name} includes {name}")
    assert wrong == []


def test_there_is_code_to_look_at() -> None:
    assert len(STAGE0) > 30
    assert len(STAGE1) > 15
    assert len(NATIVE) > 50
    assert len(PURE) > 10


def test_the_checks_see_what_they_are_for() -> None:
    hidden = ast.parse(
        "def f():\n    from stage1.launch import x\n    import_module('stage1.plan')\n    sys.stdout.write('')\n"
    )
    assert [found.module for found in imports(hidden)] == ["stage1.launch.x", "stage1.plan"]
    assert any(talks(node) for node in ast.walk(hidden))
    assert [length(node) for node in functions(hidden)] == [4]
    assert kind_of(ast.parse('"""PURE. Values."""')) == "PURE"
    assert kind_of(ast.parse('"""Values, PURE."""')) == ""
    assert list(c_functions("static int f(int a,\n             int b) {\n        return a;\n}\n")) == [
        ("             int b) {", 3)
    ]
