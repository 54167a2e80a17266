"""EFFECT. What the project says of itself is true: the manual, the help texts, the commands and links in the pages."""

from __future__ import annotations

import argparse
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import pytest

from stage0 import cli
from stage0.request import AppRequest, PodRequest
from stage0.request.arguments import app_parser
from stage0.verbs import events
from stage1 import hostunit, nspawn, units
from stage1.contract import EXIT_CANNOT_EXECUTE, EXIT_NOT_FOUND, EXIT_RUNTIME, EXIT_USAGE
from tests.conftest import needs_program

TOP = Path(__file__).parent.parent.parent
MANUAL = TOP / "docs" / "man" / "pod.1"
PAGES = sorted(
    path
    for path in [
        *TOP.glob("*.md"),
        *TOP.glob("*/README.md"),
        *TOP.glob("docs/*.md"),
        *TOP.glob("*/*/README.md"),
    ]
    if not path.relative_to(TOP).parts[0].startswith((".", "build"))
)
POD_OPTIONS, APP_OPTIONS = "POD OPTIONS", "APP OPTIONS"
# Commands whose first word is a command of their own.
GROUPS = {"app", "volume", "image", "network", "port", "mount", "session"}
GLOBAL = {"--dir", "--help", "--version"}


def sections() -> dict[str, str]:
    """The manual by its headings, as text without markup."""
    found: dict[str, str] = {}
    title = ""
    for line in MANUAL.read_text().splitlines():
        if heading := re.match(r'\.S[HS] "?(.*?)"?$', line):
            title = plain(heading[1])
            found.setdefault(title, "")
        else:
            found[title] = found.get(title, "") + plain(line) + "\n"
    return found


def plain(line: str) -> str:
    text = re.sub(r"\\f[BIRP]", "", line)
    text = text.replace("\\-", "-").replace("\\e", "\\").replace('"', "")
    return re.sub(r"^\.(BR|BI|RB|RI|IR|IB|B|I) (.*)$", lambda found: joined(found[2]), text)


def joined(words: str) -> str:
    """Words of a two-font macro stand beside each other."""
    return words.replace(" , ", ", ")


def options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from (name for name in action.option_strings if name not in {"-h", "--help"})


def parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command and command of a command by its words, with its parser."""
    for name in cli.VERBS:
        parser = cli.verb_parser(name)
        below = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
        yield from ((f"{name} {verb}", inner) for group in below for verb, inner in group.choices.items())
        if not below:
            yield name, parser


def section_of(command: str) -> str:
    """The text of a command's section; that of `run` and `prepare` goes on in the options of pods."""
    known = sections()
    own = [text for title, text in known.items() if re.match(rf"pod {command}( |$)", title)]
    shared = [known[POD_OPTIONS]] if command in {"run", "prepare"} else []
    return "".join(own + shared)


COMMANDS = dict(parsers())


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"list"}))
def test_the_manual_has_every_option_of(command: str) -> None:
    text = section_of(command)
    assert text
    missing = [
        name for name in options(COMMANDS[command]) if not re.search(rf"(?<![\w-]){name}(?![\w-])", text)
    ]
    assert missing == []


def test_the_manual_has_every_option_of_apps() -> None:
    text = sections()[APP_OPTIONS]
    assert [name for name in options(app_parser()) if not re.search(rf"{name}(?![\w-])", text)] == []


def test_the_manual_has_no_option_that_is_not_there() -> None:
    known = (
        GLOBAL | set(options(app_parser())) | {name for one in COMMANDS.values() for name in options(one)}
    )
    said = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", plain(MANUAL.read_text())))
    assert said <= known


def test_the_manual_has_every_key_of_manifests() -> None:
    text = sections()["MANIFESTS"]
    keys = {key for kind in (PodRequest, AppRequest) for key in kind.__annotations__}
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}\b", text)] == []


def test_the_manual_has_every_exit_status() -> None:
    text = sections()["EXIT STATUS"]
    for status in (EXIT_USAGE, EXIT_RUNTIME, EXIT_CANNOT_EXECUTE, EXIT_NOT_FOUND):
        assert f"\n{status}\n" in text


def test_the_manual_has_the_version_of_the_program() -> None:
    assert f'"unitpod {cli.VERSION}"' in MANUAL.read_text().splitlines()[1]


def test_the_manual_is_well_formed() -> None:
    needs_program("mandoc")
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", MANUAL], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("", 0)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_explains_every_option_of(command: str) -> None:
    parser = COMMANDS[command]
    text = parser.format_help()
    assert [name for name in options(parser) if name not in text] == []
    assert [one.dest for one in parser._actions if one.option_strings and not one.help] == []


@pytest.mark.parametrize("command", ["run", "prepare"])
def test_help_explains_the_options_of_apps_too(command: str) -> None:
    text = COMMANDS[command].format_help()
    assert [name for name in options(app_parser()) if name not in text] == []


def test_the_overview_has_every_command() -> None:
    assert [name for name in cli.VERBS if f"  {name} " not in cli.overview()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(TOP)))
def test_links_lead_somewhere_in(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


def commands_in(page: Path) -> Iterator[list[str]]:
    """Commands of `pod` in the indented blocks of a page."""
    for line in page.read_text().replace("\\\n", " ").splitlines():
        if found := re.match(r"(?: {4,}|\t)(?:# |\$ )?(?:sudo )?pod ([a-z].*?)(?:  +#.*)?$", line):
            yield found[1].split()


def flags_of(word: str) -> list[str]:
    """`-it` is two."""
    return [word.split("=")[0]] if word.startswith("--") else [f"-{letter}" for letter in word[1:]]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(TOP)))
def test_commands_exist_with_their_options_in(page: Path) -> None:
    app = set(options(app_parser()))
    for words in commands_in(page):
        verb = " ".join(words[:2]) if words[0] in GROUPS and len(words) > 1 else words[0]
        assert verb in COMMANDS, words
        known = set(options(COMMANDS[verb])) | GLOBAL | {"-h"}
        known |= app if verb in {"run", "prepare"} else set()
        own = words[: words.index("--")] if "--" in words else words
        flags = {flag for word in own if re.match(r"-{1,2}[a-z]", word) for flag in flags_of(word)}
        assert flags <= known, (words, flags - known)


def rules_of(makefile: Path) -> set[str]:
    return (
        set(re.findall(r"^([a-z-]+):", makefile.read_text(), re.MULTILINE)) if makefile.exists() else set()
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(TOP)))
def test_rules_of_make_exist_in(page: Path) -> None:
    said = set(re.findall(r"`make ([a-z-]+)`|^    (?:sudo )?make ([a-z-]+)", page.read_text(), re.MULTILINE))
    names = {name for pair in said for name in pair if name}
    assert names <= rules_of(TOP / "Makefile") | rules_of(page.parent / "Makefile")


def variables(kind: type, name: str) -> Iterator[str]:
    """Every value a template can print, by its path."""
    for field, hint in get_type_hints(kind).items():
        if hasattr(hint, "_fields"):
            yield from variables(hint, f"{name}.{field}")
        else:
            yield f"{name}.{field}"


def test_the_page_of_templates_has_every_template_and_every_variable_and_no_other() -> None:
    templates = TOP / "unit-templates"
    page = (templates / "README.md").read_text()
    assert [path.name for path in templates.rglob("*.j2") if f"/{path.name}`" not in page] == []
    known = {
        *variables(units.AppUnit, "app"),
        *variables(units.SocketUnit, "socket"),
        *variables(units.PodUnits, "pod"),
        *variables(units.Await, "awaited"),
        *variables(nspawn.NspawnArguments, "nspawn"),
        *variables(hostunit.HostUnit, "host"),
    }
    assert set(re.findall(r"^\| `([a-z_.]+)` \|", page, re.MULTILINE)) == known


def test_the_manual_names_the_kinds_of_events_that_can_be_asked_for() -> None:
    (text,) = (body for title, body in sections().items() if title.startswith("pod events"))
    told = text.partition("Only events of this kind:")[2].partition("May be repeated")[0]
    assert re.findall(r"[a-z][a-z-]*", told) == list(events.KINDS)
