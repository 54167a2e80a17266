"""PURE. What somebody may have meant who wrote a word that has no meaning there."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from stage1.contract import UsageError
from stage1.contract.values import NamedTuple

# Words of podman, Docker, machinectl and rkt, and what does that here.
ELSEWHERE = {
    "build": "left to other tools: `podman build`, then `pod image pull containers-storage:NAME`",
    "compose": "`pod run -f FILE`",
    "create": "`pod prepare`",
    "fetch": "`pod image pull`",
    "images": "`pod image ls`",
    "info": "`pod doctor` and `pod version`",
    "load": "`pod image import docker-archive:FILE`",
    "login": "`skopeo login` for a registry, `pod enter` for a pod",
    "ls": "`pod ps`",
    "poweroff": "`pod stop`",
    "prune": "`pod gc`",
    "pull": "`pod image pull`",
    "reboot": "`pod restart`",
    "rmi": "`pod image rm`",
    "save": "`pod image export`",
    "shell": "`pod enter`",
    "show": "`pod inspect`",
    "system": "`pod gc` and `pod doctor`",
    "tag": "`pod image tag`",
    "terminate": "`pod kill`",
    "up": "`pod run -f FILE`",
    "update": "`pod limit`, or `pod app update` for another image",
}


class Place(NamedTuple):
    """Another place on the same line, the options that belong there, and how to say so."""

    options: Collection[str] = ()
    of_options: str = ""
    of_words: str = ""


def no_command(word: str, commands: Collection[str]) -> UsageError:
    """A command that there is not."""
    if word in ELSEWHERE:
        return UsageError(f"there is no command {word!r}", hint=f"here it is {ELSEWHERE[word]}")
    return UsageError(f"there is no command {word!r}", hint=f"{_near(word, commands)}see `pod --help`")


def unknown(word: str, program: str, options: Collection[str], other: Place) -> UsageError:
    """A word that a parser cannot take: an option of another place, one misspelt, or an argument too many."""
    usage = f"see `{program} --help`"
    option = word.partition("=")[0]
    if not word.startswith("-"):
        return UsageError(f"{word!r} is a word too many", hint=other.of_words or usage)
    if option not in other.options and not option.startswith("--"):
        option = option[:2]  # a value may follow at once
    if option in other.options:
        return UsageError(f"{option} has no meaning here", hint=other.of_options)
    return UsageError(f"there is no option {option}", hint=f"{_near(option, options)}{usage}")


def _near(word: str, known: Collection[str]) -> str:
    longer = [name for name in known if name.startswith(word) and word.strip("-")]
    near = longer or difflib.get_close_matches(word, known, 1, 0.7)
    return f"did you mean {' or '.join(near)}? " if near else ""
