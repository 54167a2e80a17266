"""EFFECT. argparse, speaking in our errors; it asks how wide the terminal is."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import ModuleType

from stage1.contract import UsageError

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from typing import NoReturn

    from stage0.mistakes import Place
    from stage0.settings import Settings

# Verb, module, one line of help.
Verbs = Mapping[str, tuple[ModuleType, str]]


class Formatter(argparse.RawDescriptionHelpFormatter):
    """argparse makes a formatter for every option it is told of, and asks shutil (3 ms of imports) for the width."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=max(_width(os.environ.get("COLUMNS", "")), 40) - 2)


@cache
def _width(columns: str) -> int:
    """Asked once, and not for each of eighty options."""
    try:
        return int(columns) if columns.isascii() and columns.isdigit() else os.get_terminal_size(1).columns
    except (OSError, ValueError):
        return 80


class Once(argparse.Action):
    """An option of which the last would win: said twice it is a mistake."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """Keep the value."""
        if getattr(namespace, self.dest) is not None:
            parser.error(f"{option_string} is given twice, and there can be one only")
        setattr(namespace, self.dest, values)


class Parser(argparse.ArgumentParser):
    """A parser that raises UsageError where argparse would print and exit; no abbreviated options."""

    def __init__(
        self, prog: str, *, description: str = "", usage: str | None = None, epilog: str = ""
    ) -> None:
        self.appendix: Callable[[], str] | None = None
        self.other_place: Callable[[], Place] | None = None
        super().__init__(
            prog=prog,
            description=description,
            usage=usage,
            epilog=epilog or None,
            allow_abbrev=False,
            formatter_class=Formatter,
        )

    def format_help(self) -> str:
        """The help, with what `appendix` adds: it is made only when somebody asks."""
        return super().format_help() + (self.appendix() if self.appendix else "")

    def options(self) -> list[str]:
        """Every option by each of its names."""
        return [flag for action in self._actions for flag in action.option_strings]

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """As argparse does it (but for its overloads); the first word left over is told, and what was meant."""
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            from stage0.mistakes import Place, unknown  # noqa: PLC0415  difflib, for mistakes only

            place = self.other_place() if self.other_place else Place()
            raise unknown(rest[0], self.prog, self.options(), place)
        return found

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is."""
        raise UsageError(message, hint=f"see `{self.prog} --help`")


def add_verbs(parser: argparse.ArgumentParser, verbs: Verbs) -> None:
    """The verbs below a verb; `run_verb` does what the one that was called is for."""
    below = parser.add_subparsers(dest="below", metavar="VERB", required=True)
    for name, (module, summary) in verbs.items():
        module.add_arguments(below.add_parser(name, help=summary))


def run_verb(verbs: Verbs, arguments: argparse.Namespace, settings: Settings) -> int:
    """Do what the parsed command line says."""
    status: int = verbs[arguments.below][0].run(arguments, settings)
    return status
