"""PURE. What an app runs: its words in the unit if systemd can carry them, else in a block for the launcher.

The launcher also runs what systemd would run without something that it needs: mounts that the app shares, and a label
of SELinux (systemd gives one only where it may write to selinuxfs, and no pod may).
"""

from __future__ import annotations

import posixpath

from stage1.contract import App
from stage1.contract.paths import LAUNCHER_IN_APP, SHARE_IN_APP, WORDS_IN_APP
from stage1.contract.values import NamedTuple
from stage1.mounts import shares
from stage1.quoting import Escaped, Unquotable, assignment, executable, rest_of_line, search_paths, words

# What systemd puts into the environment of a service by itself (systemd.exec(5), "Environment variables in
# spawned processes"). NOTIFY_SOCKET, LISTEN_* and WATCHDOG_* stay: an app that gets them asked for them.
SYSTEMD_VARIABLES = (
    "HOME", "INVOCATION_ID", "JOURNAL_STREAM", "LANG", "LOGNAME", "MANAGERPID", "MANAGERPIDFDID",
    "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE", "PATH", "SHELL", "SYSTEMD_EXEC_PID", "TERM", "USER",
)  # fmt: skip


class Command(NamedTuple):
    """What ExecStart= runs; `words` is the launcher's block where that runs it, `selinux` the label it gives.

    `carried`: the unit has the app's environment, for all that it runs in the app.
    """

    program: Escaped
    argv: Escaped
    environment: tuple[Escaped, ...]
    workdir: Escaped
    search_path: Escaped
    carried: bool = True
    words: bytes | None = None
    selinux: Escaped = Escaped()


def command(app: App) -> Command:
    """The app's own words in the unit if systemd can carry and start them, else the launcher with a block of words."""
    own = _own(app)
    label = app.confinement.selinux
    if own is not None and not shares(app) and label is None:
        return own
    unsaid = Command(
        Escaped(), Escaped(), environment=(), workdir=Escaped(), search_path=Escaped(), carried=False
    )
    asks = (SHARE_IN_APP,) if shares(app) else ()
    return (own or unsaid)._replace(
        program=executable(LAUNCHER_IN_APP),
        argv=words((LAUNCHER_IN_APP, *_labelled(app), WORDS_IN_APP, *asks)),
        words=launcher_words(app),
        selinux=words((label,)) if label is not None else Escaped(),
    )


def _labelled(app: App) -> tuple[str, ...]:
    label = app.confinement.selinux
    return () if label is None else ("--selinux", label)


def _own(app: App) -> Command | None:
    try:
        return Command(
            program=executable(program_path(app)),
            argv=words(app.argv),
            environment=tuple(assignment(text) for text in app.env),
            workdir=rest_of_line(app.workdir),
            search_path=search_path(app),
        )
    except Unquotable:
        return None


def line(app: App, argv: tuple[str, ...]) -> Escaped:
    """Another command of the app as it stands behind `:@`: the program, and its argument vector."""
    program = _program_path(app, argv[0])
    if label := _labelled(app):
        program, argv = LAUNCHER_IN_APP, (LAUNCHER_IN_APP, *label, "--", program, *argv)
    return Escaped(f"{executable(program)} {words(argv)}")


def program_path(app: App) -> str:
    """A bare name stays one (ExecSearchPath= is the app's PATH); a relative path starts at the working directory."""
    return _program_path(app, app.argv[0])


def _program_path(app: App, program: str) -> str:
    if "/" not in program or program.startswith("/"):
        return program
    return posixpath.join(app.workdir, program)


def launcher_words(app: App) -> bytes:
    """The block that stage1/native/launcher reads: directory, number of arguments, program, arguments, environment."""
    texts = (app.workdir, str(len(app.argv)), program_path(app), *app.argv, *app.env)
    return b"".join(text.encode(errors="surrogateescape") + b"\0" for text in texts)


def search_path(app: App) -> Escaped:
    """The directories a bare program name is looked for in: the absolute ones of the app's PATH."""
    if all("/" in argv[0] for argv in (app.argv, *(hook for hooks in app.hooks for hook in hooks))):
        return Escaped()
    return search_paths(
        next((text.removeprefix("PATH=") for text in app.env if text.startswith("PATH=")), "")
    )


def unset_variables(app: App) -> tuple[str, ...]:
    """systemd's own variables, but those that the app is meant to have."""
    own = {text.partition("=")[0] for text in app.env}
    return tuple(name for name in SYSTEMD_VARIABLES if name not in own)
