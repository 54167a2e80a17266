"""PURE. The door between the stages: all that stage0 may know of stage1. Prose in README.md.

Errors are here at once. Paths and the types of a manifest are imported when the first of them is asked for: making
them is half of what `pod exec` would cost, and it needs none.
"""

from importlib import import_module

from stage1.contract.errors import (
    EXIT_CANNOT_EXECUTE,
    EXIT_NOT_FOUND,
    EXIT_RUNTIME,
    EXIT_USAGE,
    ConflictError,
    HostError,
    NotFoundError,
    PodError,
    UsageError,
)

TYPE_CHECKING = False  # that of `typing`, which takes longer than all of this
if TYPE_CHECKING:
    from stage1.contract.confinement import Confinement, Device, SystemCalls
    from stage1.contract.credentials import Credential, CredentialKind
    from stage1.contract.identity import HostEntry, Identity, Names, Provider
    from stage1.contract.life import (
        Condition,
        Dependency,
        ExitPolicy,
        ExitRule,
        Hooks,
        KillMode,
        Readiness,
        Restart,
        RestartPolicy,
    )
    from stage1.contract.manifest import App, Image, PodManifest, User
    from stage1.contract.network import DEFAULT_NETWORK, Interface, NetworkMode, Port
    from stage1.contract.paths import DataRoot, PodDir, State, VolumeDir
    from stage1.contract.resources import HugePages, Resources, Throttle, Ulimit
    from stage1.contract.sockets import Socket, SocketKind
    from stage1.contract.storage import IdMap, Mount, Propagation, Tmpfs, Volume, VolumeKind
    from stage1.contract.streams import Log, LogRate, Output, Stdin
    from stage1.contract.text import Text
    from stage1.contract.userns import UserNamespace

__all__ = [
    "DEFAULT_NETWORK",
    "EXIT_CANNOT_EXECUTE",
    "EXIT_NOT_FOUND",
    "EXIT_RUNTIME",
    "EXIT_USAGE",
    "App",
    "Condition",
    "Confinement",
    "ConflictError",
    "Credential",
    "CredentialKind",
    "DataRoot",
    "Dependency",
    "Device",
    "ExitPolicy",
    "ExitRule",
    "Hooks",
    "HostEntry",
    "HostError",
    "HugePages",
    "IdMap",
    "Identity",
    "Image",
    "Interface",
    "KillMode",
    "Log",
    "LogRate",
    "Mount",
    "Names",
    "NetworkMode",
    "NotFoundError",
    "Output",
    "PodDir",
    "PodError",
    "PodManifest",
    "Port",
    "Propagation",
    "Provider",
    "Readiness",
    "Resources",
    "Restart",
    "RestartPolicy",
    "Socket",
    "SocketKind",
    "State",
    "Stdin",
    "SystemCalls",
    "Text",
    "Throttle",
    "Tmpfs",
    "Ulimit",
    "UsageError",
    "User",
    "UserNamespace",
    "Volume",
    "VolumeDir",
    "VolumeKind",
]

# The modules that the names above are looked for in.
_ROOMS = (
    "paths", "manifest", "confinement", "credentials", "identity", "life", "network", "resources", "sockets",
    "storage", "streams", "text", "userns",
)  # fmt: skip

if not TYPE_CHECKING:  # a type checker would take it as an answer to any name

    def __getattr__(name: str) -> object:
        for room in _ROOMS if name in __all__ else ():
            home = import_module(f"{__name__}.{room}")
            if hasattr(home, name):
                return globals().setdefault(name, getattr(home, name))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
