"""PURE. Manifests, requests and images for tests: complete, small, and varied by keyword."""

from __future__ import annotations

from typing import Any

from stage0.image.model import Image, ImageConfig
from stage0.plan import CAPABILITIES, Circumstances, plan_pod
from stage0.plan.seccomp import default
from stage0.plan.userns import Bounds, choose
from stage0.request import AppRequest, PodRequest
from stage1.contract import App, Confinement, PodManifest, User
from stage1.contract import Image as AppImage
from stage1.host import HostFacts
from stage1.identity import HostFiles

UUID = "00112233-4455-4677-8899-aabbccddeeff"
CREATED = "2026-01-31T12:00:00.000000Z"
LAYER = "sha256:" + "1" * 64
DIGEST = "sha256:" + "2" * 64
NOW = Circumstances(uuid=UUID, created=CREATED, directory="/home/user", term="xterm", memory=16 * 2**30)
FACTS = HostFacts(
    nspawn="/usr/bin/systemd-nspawn", systemd=252, booted=False, machined=False, cgroups=("/sys/fs/cgroup",)
)
FILES = HostFiles(
    hosts="127.0.0.1\tlocalhost\n192.0.2.1\tneighbour\n",
    resolv="nameserver 192.0.2.53\n",
    zone=b"TZif2",
    zone_name="Europe/Berlin",
)
ROOT = User(name="0", uid=0, gid=0)
PASSWD = "root:x:0:0:root:/root:/bin/sh\nweb:x:101:102:web:/srv/web:/bin/false\n"
GROUP = "root:x:0:\nweb:x:102:\nlog:x:4:web,other\ntape:x:26:web\n"


def app(name: str = "web", **changes: Any) -> App:
    """An app of root that runs `/bin/true`."""
    plain = App(
        name=name,
        image=AppImage(name=f"{name}:latest", digest=DIGEST),
        layers=(LAYER,),
        argv=("/bin/true",),
        env=("PATH=/usr/bin:/bin", "HOME=/root"),
        user=ROOT,
        workdir="/",
        confinement=Confinement(capabilities=CAPABILITIES, system_calls=default(CAPABILITIES)),
        labels={},
    )
    return plain._replace(**changes)


def pod(*apps: App, **changes: Any) -> PodManifest:
    """A pod of these apps, or of one."""
    plain = PodManifest(
        version=1, uuid=UUID, name="demo", hostname="demo", created=CREATED, apps=apps or (app(),)
    )
    return plain._replace(**changes)


def image(name: str = "web:latest", **config: Any) -> Image:
    """A stored image; keywords change what it says about how to run it."""
    plain = ImageConfig(
        entrypoint=(),
        cmd=("/bin/true",),
        env=(),
        user="",
        workdir="",
        stop_signal="",
        volumes=(),
        ports=(),
        labels={},
        architecture="amd64",
        os="linux",
    )
    return Image(
        name=name,
        digest=DIGEST,
        config_digest="sha256:" + "3" * 64,
        layers=(LAYER,),
        size=1000,
        created=CREATED,
        config=plain._replace(**config),
        passwd=PASSWD,
        group=GROUP,
    )


def request(*apps: AppRequest, **changes: Any) -> PodRequest:
    """A request for a pod of these apps, or of one."""
    return PodRequest(app=apps or (AppRequest(image="web"),))._replace(**changes)


def plan(*apps: AppRequest, images: tuple[Image, ...] | None = None, **changes: Any) -> PodManifest:
    """The pod a request leads to; every app has a plain image of its name unless `images` says otherwise."""
    wish = request(*apps, **changes)
    found = images or tuple(image(f"{one.image}:latest") for one in wish.app)
    pod = plan_pod(wish, found, NOW)
    return pod._replace(userns=choose(pod.userns, (), Bounds()) if pod.userns else None)
