"""PURE. From a request and its images to a manifest: every rule of `pod run`, by what it does and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.plan import CAPABILITIES, DEFAULT_PATH, plan_pod
from stage0.plan.storage import image_sources
from stage0.plan.userns import Bounds
from stage0.request import AppRequest, PodRequest
from stage1.contract import (
    App,
    Condition,
    Credential,
    CredentialKind,
    Dependency,
    ExitPolicy,
    ExitRule,
    Identity,
    Interface,
    Log,
    LogRate,
    Mount,
    Names,
    NetworkMode,
    Output,
    PodManifest,
    Provider,
    Readiness,
    Restart,
    RestartPolicy,
    Socket,
    SocketKind,
    Stdin,
    Tmpfs,
    UsageError,
    UserNamespace,
    Volume,
    VolumeKind,
    codec,
)
from tests.samples import CREATED, DIGEST, LAYER, NOW, UUID, image, plan, request


def wish(name: str | None = None, **asked: Any) -> AppRequest:
    return AppRequest(image="web", name=name, **asked)


def planned(asked: AppRequest | None = None, /, *, pod: dict[str, Any] | None = None, **config: Any) -> App:
    """The app that one wish and one image config lead to."""
    found = plan(asked or wish(), images=(image(**config),), **(pod or {}))
    return found.apps[0]


def refused(*apps: AppRequest, images: Any = None, **pod: Any) -> str:
    with pytest.raises(UsageError) as caught:
        plan(*apps, images=images, **pod)
    assert caught.value.hint
    return caught.value.message


# The pod


def test_an_image_alone_is_a_whole_pod() -> None:
    found = plan()
    assert found == PodManifest(
        version=1,
        uuid=UUID,
        name=None,
        hostname="pod-00112233",
        created=CREATED,
        apps=(planned(),),
        network=NetworkMode.PRIVATE,
        interfaces=(Interface(name="eth0", network="default"),),
        names=Names(hosts=Provider.POD),
        userns=UserNamespace(base=Bounds().first),
        identity=Identity(machine_id=UUID.replace("-", "")),
    )
    assert found.apps[0].image.digest == DIGEST
    assert found.apps[0].layers == (LAYER,)
    assert found.apps[0].confinement.capabilities == CAPABILITIES


def test_the_manifest_of_any_plan_can_be_written_and_read() -> None:
    found = plan(wish(env=("A=\udcff",), args=("\udc80", "x")), name="n")
    assert codec.decode(codec.encode(found), where="x") == found


def test_the_host_name_is_the_option_or_the_name_or_the_uuid() -> None:
    assert plan(name="shop", hostname="other").hostname == "other"
    assert plan(hostname="shop_1").hostname == "shop-1"
    assert plan().hostname == "pod-00112233"
    assert plan(hostname="a.b.example").hostname == "a.b.example"


@pytest.mark.parametrize("hostname", ["-a", "a-", "a..b", "a b", "é", "x" * 65, "a\n", ".", "_"])
def test_what_is_no_host_name_is_refused(hostname: str) -> None:
    assert "host name" in refused(hostname=hostname)


@pytest.mark.parametrize("name", ["a", "A9-b", "9", "x" * 63])
def test_a_name_is_letters_and_digits(name: str) -> None:
    assert plan(name=name, hostname="h").name == name
    assert plan(wish(name)).apps[0].name == name


@pytest.mark.parametrize("name", ["a_b", "a-", "a_"])
def test_a_pod_is_a_machine_and_those_have_host_names_but_an_app_may_be_called_anything_like_a_word(
    name: str,
) -> None:
    assert plan(wish(name)).apps[0].name == name
    assert "is not a name for a pod" in refused(name=name, hostname="h")


@pytest.mark.parametrize(
    "name", ["-a", "_a", "a.b", "a/b", "../x", "a b", "é", "x" * 64, "a\n", "%n", "a:b"]
)
def test_what_is_no_name_is_refused_for_pods_and_apps(name: str) -> None:
    assert "is not a name for a pod" in refused(name=name, hostname="h")
    assert "is not a name for an app" in refused(wish(name))


def test_network_is_host_or_none() -> None:
    assert plan(net="none").network is NetworkMode.NONE
    assert "--net=bridge" in refused(net="bridge")
    refused(net="")


def test_a_log_has_room_for_something() -> None:
    assert plan(log_size="1M").log_limit == 2**20
    assert plan(log_size="1").log_limit == 65536
    assert "--log-size" in refused(log_size="much")


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10000/30s", LogRate(10000, 30)),
        ("5", LogRate(5, 1)),
        ("1/1d", LogRate(1, 86400)),
        ("none", LogRate(0, 30)),
    ],
)
def test_a_rate_is_lines_in_a_time(text: str, rate: LogRate) -> None:
    assert plan(log_rate=text).log_rate == rate


@pytest.mark.parametrize(
    "text", ["", "0", "0/1s", "5/", "x/1s", "5/x", "5/1.5s", "5/2d", "-1", "5/0", "99999999999"]
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    assert "--log-rate" in refused(log_rate=text)


def test_lines_go_to_files_alone_where_that_is_asked_for() -> None:
    assert plan().log is Log.BOTH
    assert plan(log="file").log is Log.FILE
    assert "--log=journal" in refused(log="journal")


def test_a_pod_needs_an_app() -> None:
    with pytest.raises(UsageError, match="needs an app"):
        plan_pod(PodRequest(app=()), [], NOW)


# Names of apps


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("web", "web"),
        ("web:1.2", "web"),
        ("quay.io/x/web-server:1.2", "web-server"),
        ("localhost:5000/web", "web"),
        ("web@sha256:" + "1" * 64, "web"),
        ("oci:/images/web-server:latest", "web-server"),
        ("oci:web", "web"),
        ("dir:/srv/root/", "root"),
        ("tar:/srv/my app.tar.gz", "my-app-tar-gz"),
        ("a__b", "a__b"),
        ("oci:/é", "app"),
        ("x" * 80, "x" * 63),
    ],
)
def test_an_app_without_a_name_is_called_after_its_image(reference: str, name: str) -> None:
    assert plan(AppRequest(image=reference), images=(image(),)).apps[0].name == name


@given(st.text(st.characters(exclude_characters="\0"), max_size=20))
def test_any_reference_gives_a_name_that_may_be_one(reference: str) -> None:
    found = plan(AppRequest(image=reference), images=(image(),)).apps[0].name
    assert plan(wish(found)).apps[0].name == found


def test_two_apps_of_one_name_are_refused() -> None:
    assert "'web'" in refused(wish(), wish())
    assert "'a'" in refused(wish("a"), wish("a"))
    assert len(plan(wish(), wish("two")).apps) == 2


# Program and words


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "asked", "argv"),
    [
        (("/e",), ("c",), {}, ("/e", "c")),
        (("/e",), ("c",), {"args": ("a", "b")}, ("/e", "a", "b")),
        (("/e",), ("c",), {"args": ()}, ("/e",)),
        ((), ("c", "d"), {}, ("c", "d")),
        ((), ("c",), {"args": ("/p", "x")}, ("/p", "x")),
        (("/e", "-x"), (), {}, ("/e", "-x")),
        (("/e",), ("c",), {"exec": "/p"}, ("/p",)),
        (("/e",), ("c",), {"exec": "/p", "args": ("a",)}, ("/p", "a")),
        ((), (), {"exec": "/p"}, ("/p",)),
    ],
)
def test_what_runs_is_the_program_of_the_image_with_its_words_or_the_users(
    entrypoint: tuple[str, ...], cmd: tuple[str, ...], asked: dict[str, Any], argv: tuple[str, ...]
) -> None:
    assert planned(wish(**asked), entrypoint=entrypoint, cmd=cmd).argv == argv


@pytest.mark.parametrize(
    ("cmd", "asked"), [((), {}), (("x",), {"args": ()}), ((), {"exec": ""}), (("",), {})]
)
def test_an_app_without_a_program_is_refused(cmd: tuple[str, ...], asked: dict[str, Any]) -> None:
    assert "names no program" in refused(wish(**asked), images=(image(cmd=cmd),))


# Environment


def test_the_user_wins_over_the_image_and_the_image_over_defaults() -> None:
    found = planned(wish(env=("A=user", "NEW=1")), env=("A=image", "B=image", "PATH=/x"))
    assert dict(text.partition("=")[::2] for text in found.env) == {
        "PATH": "/x",
        "HOME": "/root",
        "SHELL": "/bin/sh",
        "A": "user",
        "B": "image",
        "NEW": "1",
    }


def test_each_variable_is_there_once_and_the_last_one_counts() -> None:
    found = planned(wish(env=("A=1", "A=2")), env=("A=0",))
    assert [text for text in found.env if text.startswith("A=")] == ["A=2"]


def test_defaults_are_a_path_and_the_users_home() -> None:
    assert planned().env == (f"PATH={DEFAULT_PATH}", "HOME=/root", "SHELL=/bin/sh")
    assert planned(wish(user="web")).env[1:] == ("HOME=/srv/web", "SHELL=/bin/false")
    assert planned(wish(user="4242")).env[1:] == ("HOME=/",)


def test_only_a_terminal_has_a_kind() -> None:
    assert "TERM=xterm" in planned(pod={"tty": True}).env
    assert "TERM=dumb" in planned(wish(env=("TERM=dumb",)), pod={"tty": True}).env
    assert not any(text.startswith("TERM=") for text in planned(pod={"interactive": True}).env)


def test_values_may_be_anything_and_names_nearly() -> None:
    found = planned(wish(env=("A=b=c \n%n$X\udcff", "odd name=1", "A.B=2")))
    assert set(found.env) >= {"A=b=c \n%n$X\udcff", "odd name=1", "A.B=2"}
    assert "name of a variable" in refused(wish(env=("=x",)))


# Users, directories, signals


def test_the_user_is_the_images_unless_said() -> None:
    assert planned(user="web").user.uid == 101
    assert planned(wish(user="root"), user="web").user.uid == 0
    assert planned(wish(group="tape"), user="web").user.gid == 26
    assert planned(wish(user="ghost")).user.uid is None


def test_only_root_may_gain_privileges() -> None:
    assert not planned().confinement.no_new_privileges
    assert planned(wish(user="web")).confinement.no_new_privileges
    assert planned(wish(user="ghost")).confinement.no_new_privileges


def test_the_working_directory_is_absolute_and_tidy() -> None:
    assert planned().workdir == "/"
    assert planned(workdir="/srv//app/.").workdir == "/srv/app"
    assert planned(wish(workdir="/a/../b"), workdir="/c").workdir == "/b"
    assert planned(wish(workdir="//x")).workdir == "/x"
    assert "not absolute" in refused(wish(workdir="here"))
    assert "not absolute" in refused(images=(image(workdir="here"),))


def test_the_signal_that_asks_to_stop_is_the_images_unless_said() -> None:
    assert planned().stop_signal == "SIGTERM"
    assert planned(stop_signal="3").stop_signal == "SIGQUIT"
    assert planned(stop_signal="SIGRTMIN+3").stop_signal == "SIGRTMIN+3"
    assert planned(wish(stop_signal="int"), stop_signal="QUIT").stop_signal == "SIGINT"
    assert "is not a signal" in refused(wish(stop_signal="NO"))


def test_the_time_to_stop_is_a_time() -> None:
    assert planned().stop_time == 10
    assert planned(wish(stop_time="500ms")).stop_time == 0.5
    assert "--stop-time" in refused(wish(stop_time="soon"))


def test_ports_and_labels_are_kept_for_people() -> None:
    found = planned(ports=("80/tcp",), labels={"a": "b"})
    assert (found.ports, found.labels) == (("80/tcp",), {"a": "b"})


# Policies


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("no", RestartPolicy()),
        ("always", RestartPolicy(when=Restart.ALWAYS)),
        ("on-failure:3", RestartPolicy(when=Restart.ON_FAILURE, limit=3)),
        ("always:0", RestartPolicy(when=Restart.ALWAYS, limit=0)),
    ],
)
def test_a_restart_policy_may_have_a_limit(text: str, policy: RestartPolicy) -> None:
    assert planned(wish(restart=text)).restart == policy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yes",
        "no:1",
        "always:",
        "always:x",
        "always:-1",
        "always:²",
        "always:1:2",
        "always:" + "9" * 5000,
    ],
)
def test_what_is_no_restart_policy_is_refused(text: str) -> None:
    assert "--restart=" in refused(wish(restart=text))


@pytest.mark.parametrize("rule", ["any-failure", "all", "first", "never"])
def test_an_exit_policy_is_a_rule(rule: str) -> None:
    assert plan(exit_policy=rule).exit_policy == ExitPolicy(rule=ExitRule(rule))


def test_an_exit_policy_may_name_the_app_that_decides() -> None:
    assert plan(wish("a"), wish("b"), exit_policy="app:b").exit_policy == ExitPolicy(
        rule=ExitRule.APP, app="b"
    )
    assert "no app is called 'c'" in refused(wish("a"), exit_policy="app:c")
    assert "no app is called ''" in refused(exit_policy="app")


@pytest.mark.parametrize("text", ["", "some", "all:web", "never:", "ALL"])
def test_what_is_no_exit_policy_is_refused(text: str) -> None:
    if text == "never:":
        assert plan(exit_policy=text).exit_policy.rule is ExitRule.NEVER
    else:
        assert "--exit-policy=" in refused(exit_policy=text)


def test_readiness_is_started_notify_or_a_port() -> None:
    assert planned().readiness == Readiness()
    assert planned(wish(ready="started")).readiness == Readiness()
    assert planned(wish(ready="notify")).readiness == Readiness(notify=True)
    assert planned(wish(ready="tcp:8080")).readiness == Readiness(port=8080)


@pytest.mark.parametrize(
    "text", ["", "soon", "tcp", "tcp:", "tcp:0", "tcp:65536", "tcp:x", "tcp:²", "notify:1"]
)
def test_what_is_no_readiness_is_refused(text: str) -> None:
    assert "--ready=" in refused(wish(ready=text))


# Order


def test_apps_may_wait_for_each_other_in_any_order_of_words() -> None:
    found = plan(wish("a", after=("b",)), wish("b", requires=("c",)), wish("c"))
    assert found.apps[0].after == (Dependency(app="b"),)
    assert found.apps[1].requires == (Dependency(app="c"),)


def test_an_app_may_wait_for_a_state_of_another() -> None:
    found = plan(
        wish("a", after=("b:started",), wants=("c:finished",), requires=("d:ready",)), *map(wish, "bcd")
    )
    assert found.apps[0].after == (Dependency(app="b", condition=Condition.STARTED),)
    assert found.apps[0].wants == (Dependency(app="c", condition=Condition.FINISHED),)
    assert found.apps[0].requires == (Dependency(app="d", condition=Condition.READY),)
    assert "no state 'up'" in refused(wish("a", after=("b:up",)), wish("b"))


def test_an_app_can_be_waited_for_until_it_is_healthy_if_its_health_is_watched() -> None:
    found = plan(wish("a", requires=("b:healthy",)), wish("b", ready="notify", watchdog="5s"))
    assert found.apps[0].requires == (Dependency(app="b", condition=Condition.HEALTHY),)
    for half in ({}, {"ready": "notify"}, {"watchdog": "5s"}):
        assert "nothing watches over" in refused(wish("a", requires=("b:healthy",)), wish("b", **half))


@pytest.mark.parametrize(
    "endless", [{"restart": "always"}, {"sidecar": True}, {"socket": ("80,activated",)}]
)
def test_an_app_that_never_finishes_cannot_be_waited_for_to_finish(endless: dict[str, Any]) -> None:
    assert "never finished" in refused(wish("a", after=("b:finished",)), wish("b", **endless))


def test_sidecars_wait_for_sidecars_and_keep_no_pod_alive() -> None:
    assert plan(wish("a", sidecar=True), wish("b", sidecar=True, after=("a",)), wish("c")).apps[1].sidecar
    assert "sidecar a cannot wait" in refused(wish("a", sidecar=True, after=("b",)), wish("b"))
    assert "every app is a sidecar" in refused(wish("a", sidecar=True))
    assert "both --init and --sidecar" in refused(wish("a", sidecar=True, init=True), wish("b"))
    assert "decides nothing" in refused(wish("a", sidecar=True), wish("b"), exit_policy="app:a")


def test_the_delay_before_a_restart_grows_from_one_time_to_another() -> None:
    asked = wish(restart="always", restart_delay="100ms", restart_max_delay="5s")
    assert planned(asked).restart == RestartPolicy(when=Restart.ALWAYS, delay=0.1, max_delay=5.0)
    assert planned(wish(restart="always", restart_delay="2m")).restart.max_delay == 120
    assert "shorter than" in refused(wish(restart_delay="5s", restart_max_delay="1s"))


def test_times_bound_the_start_and_the_run() -> None:
    found = planned(wish(start_time="5s", run_time="1h", watchdog="30s"))
    assert (found.readiness.timeout, found.run_time, found.watchdog) == (5, 3600, 30)
    assert planned(wish(start_time="0")).readiness.timeout == 0
    assert "--run-time=0" in refused(wish(run_time="0"))
    assert "in place of --start-time" not in refused(wish(watchdog="soon"))
    assert "whole run" in refused(wish("a", init=True, start_time="5s"), wish("b"))
    assert "watchdog" in refused(wish("a", init=True, watchdog="5s"), wish("b"))
    assert "--kill-mode=all" in refused(wish(kill_mode="all"))


# Hooks


def test_a_hook_is_split_as_a_shell_would_or_given_in_words() -> None:
    found = planned(wish(pre_start=("/bin/a 'b c' \\$D", ("e", "", " f"))))
    assert found.hooks.pre_start == (("/bin/a", "b c", "$D"), ("e", "", " f"))


@pytest.mark.parametrize("command", ["", "  ", "'open", (), ("", "x")])
def test_what_is_no_command_is_refused(command: Any) -> None:
    assert "--post-stop" in refused(wish(post_stop=(command,)))


def test_an_init_app_has_no_stop() -> None:
    assert "--pre-stop" in refused(wish("a", init=True, pre_stop=("x",)), wish("b"))
    assert (
        plan(wish("a", init=True, pre_start=("x",), post_start=("y",)), wish("b")).apps[0].hooks.post_start
    )


def test_an_app_that_is_not_there_cannot_be_waited_for() -> None:
    assert "'ghost'" in refused(wish("a", after=("ghost",)))
    assert "'ghost'" in refused(wish("a", requires=("ghost",)))


@pytest.mark.parametrize(
    "apps",
    [
        (wish("a", after=("a",)),),
        (wish("a", after=("b",)), wish("b", after=("a",))),
        (wish("a", after=("b",)), wish("b", requires=("c",)), wish("c", after=("a",)), wish("d")),
        (wish("a", init=True, after=("b",)), wish("b", init=True)),
    ],
)
def test_apps_that_wait_for_each_other_are_refused(apps: tuple[AppRequest, ...]) -> None:
    assert "wait" in refused(*apps)


def test_an_init_app_waits_for_init_apps_only() -> None:
    assert plan(wish("a", init=True), wish("b", init=True, after=("a",)), wish("c", after=("b",)))
    assert "init app a" in refused(wish("a", init=True, after=("b",)), wish("b"))


def test_an_init_app_ends_so_it_cannot_be_restarted_for_ever() -> None:
    """systemd refuses Restart=always of a oneshot service, and the unit with it."""
    assert "--restart=always" in refused(wish("a", init=True, restart="always"), wish("b"))
    assert plan(wish("a", init=True, restart="on-failure:2"), wish("b")).apps[0].init


# Streams


def test_a_terminal_or_input_is_for_one_app() -> None:
    assert planned(pod={"tty": True}).stdin is Stdin.TTY
    assert planned(pod={"interactive": True}).stdin is Stdin.STREAM
    assert planned(pod={"interactive": True, "tty": True}).stdin is Stdin.TTY
    assert planned().stdin is Stdin.NONE
    assert "--tty needs" in refused(wish("a"), wish("b"), tty=True)
    assert "--interactive needs" in refused(wish("a"), wish("b"), interactive=True)
    assert "--restart" in refused(wish(restart="always"), tty=True)


def test_one_of_several_apps_may_have_the_input_or_a_terminal() -> None:
    found = plan(wish("a"), wish("b", stdin="stream"), interactive=True).apps
    assert [app.stdin for app in found] == [Stdin.NONE, Stdin.STREAM]
    terminal = plan(wish("a"), wish("b", stdin="tty", stderr="log")).apps[1]
    assert (terminal.stdin, terminal.stdout, terminal.stderr) == (Stdin.TTY, Output.TTY, Output.LOG)
    assert "TERM=xterm" in terminal.env
    assert planned(wish(stdin="null"), pod={}).stdin is Stdin.NONE
    assert "both read" in refused(wish("a", stdin="tty"), wish("b", stdin="stream"))
    assert "more than once" in refused(wish(stdin="stream", socket=("80,activated",)))


def test_output_goes_to_the_log_or_elsewhere() -> None:
    found = planned(wish(stdout="stream", stderr="null"))
    assert (found.stdout, found.stderr) == (Output.STREAM, Output.NULL)
    assert (planned().stdout, planned().stderr) == (Output.LOG, Output.LOG)
    assert "--stdin=file" in refused(wish(stdin="file"))
    assert "--stderr=file" in refused(wish(stderr="file"))
    assert "needs one" in refused(wish(stderr="tty"))
    assert "exclude each other" in refused(wish(stdin="tty", stdout="log"))


# Volumes


def test_a_volume_of_the_pod_is_in_every_app_and_is_one() -> None:
    found = plan(wish("a"), wish("b", volume=("/srv:/data:ro",)), volume=("/srv:/srv",))
    assert [app.mounts for app in found.apps] == [
        (Mount(volume="host.1", target="/srv"),),
        (Mount(volume="host.1", target="/data", read_only=True), Mount(volume="host.1", target="/srv")),
    ]
    assert found.volumes == (Volume(name="host.1", kind=VolumeKind.HOST, source="/srv"),)


def test_a_named_volume_is_shared_by_its_name() -> None:
    found = plan(
        wish("a", volume=("cache:/c",)), wish("b", mount=("type=volume,source=cache,target=/d,ro",))
    )
    assert found.volumes == (Volume(name="cache", kind=VolumeKind.NAMED, source="cache"),)
    assert found.apps[1].mounts == (
        Mount(volume="cache", target="/d", read_only=True, nosuid=True, nodev=True),
    )


def test_a_volume_of_the_pod_and_one_that_outlives_it_cannot_have_one_name() -> None:
    message = refused(wish(volume=("cache:/c",), mount=("type=empty,source=cache,target=/d",)))
    assert "'cache' is a volume of the pod (type=empty) and one that outlives it" in message


def test_an_image_is_a_volume_of_its_layers() -> None:
    wishes = wish(mount=("type=image,source=tools,target=/t", "type=image,source=tools,target=/u,noexec"))
    assert image_sources(request(wishes)) == ("tools",)
    now = NOW._replace(images={"tools": image("tools:latest")})
    found = plan_pod(request(wishes), (image(),), now)
    assert found.volumes == (
        Volume("image.1", VolumeKind.IMAGE, "tools:latest", digest=DIGEST, layers=(LAYER,)),
    )
    assert [mount.noexec for mount in found.apps[0].mounts] == [False, True]
    assert all(mount.read_only for mount in found.apps[0].mounts)


def test_volumes_without_a_name_are_not_shared() -> None:
    found = plan(wish("a", mount=("type=empty,target=/x",)), wish("b", mount=("type=empty,target=/x",)))
    assert len(found.volumes) == 2


def test_an_image_brings_volumes_of_its_own_unless_the_place_is_taken() -> None:
    found = plan(
        wish(volume=("/srv:/var/lib/a",), mount=("type=tmpfs,target=/var/b",)),
        images=(image(volumes=("/var/lib/a/", "/var/b", "/var/c", "/var/c/", "relative", "/", "/odd\n")),),
    )
    assert [mount.target for mount in found.apps[0].mounts] == ["/var/c", "/var/lib/a"]
    assert {volume.kind for volume in found.volumes} == {VolumeKind.HOST, VolumeKind.IMPLICIT}


def test_two_apps_of_one_image_have_volumes_apart() -> None:
    found = plan(wish("a"), wish("b"), images=(image(volumes=("/v",)), image(volumes=("/v",))))
    assert len({volume.name for volume in found.volumes}) == 2


def test_mounts_are_made_from_the_outside_in() -> None:
    found = planned(wish(volume=("/1:/a/b/c", "/2:/a", "/3:/a/b")), volumes=("/a/b/c/d",))
    assert [mount.target for mount in found.mounts] == ["/a", "/a/b", "/a/b/c", "/a/b/c/d"]


def test_two_mounts_at_one_place_are_refused() -> None:
    assert "two mounts at /x" in refused(wish(volume=("/a:/x", "/b:/x/")))
    assert "two mounts at /x" in refused(wish(volume=("/a:/x",), mount=("type=tmpfs,target=/x",)))
    assert "two mounts at /x" in refused(wish(volume=("/a:/x",)), volume=("/b:/x",))


def test_memory_is_not_a_volume() -> None:
    found = plan(wish(mount=("type=tmpfs,target=/t,size=1k",)))
    assert found.volumes == ()
    assert found.apps[0].tmpfs == (Tmpfs(target="/t", size=1024),)


# Sockets


def test_a_socket_may_have_a_name_and_a_kind() -> None:
    found = planned(wish(socket=("8080", "http=127.0.0.1:80", "dns=[::]:53/udp", "/run/x.sock")))
    assert found.sockets == (
        Socket(name="s0", listen="8080"),
        Socket(name="http", listen="127.0.0.1:80"),
        Socket(name="dns", listen="[::]:53", kind=SocketKind.DATAGRAM),
        Socket(name="s3", listen="/run/x.sock"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "=80",
        "a b=80",
        "http=",
        "a%nb",
        "80 81",
        "x=8\n0",
        "/udp",
        "0",
        "70000",
        "[::1]",
        "1.2.3.4",
        "/a/../b",
        "/",
        "@",
        "80,",
        "80,on",
        "80,activated=yes",
        "80,mode=0660",
        "80,owner=0",
        "80,type=seqpacket",
        "80,type=raw",
        "80/udp,type=stream",
        "/x,mode=9",
        "/x,mode=",
        "/x,owner=ghost",
        "80,activated,activated",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert "--socket=" in refused(wish(socket=(text,)))


def test_two_sockets_of_one_name_are_refused() -> None:
    refused(wish(socket=("a=80", "a=81")))
    refused(wish(socket=("s1=80", "81")))


def test_a_socket_has_options() -> None:
    found = planned(
        wish(
            socket=(
                "a=8080,activated,host",
                "b=/run/b.sock,type=seqpacket,mode=0660,owner=web",
                "c=@c,type=datagram",
            )
        )
    )
    assert found.sockets == (
        Socket(name="a", listen="8080", activated=True, from_host=True),
        Socket(name="b", listen="/run/b.sock", kind=SocketKind.SEQPACKET, mode=0o660, uid=101, gid=102),
        Socket(name="c", listen="@c", kind=SocketKind.DATAGRAM),
    )


def test_a_socket_where_nobody_would_find_it_is_refused() -> None:
    assert "only the app itself" in refused(wish(socket=("/dev/log,type=datagram",)))
    assert planned(wish(socket=("/dev/log,host", "/device.sock", "80")))


# Credentials


def test_a_credential_is_a_file_or_comes_from_the_unit() -> None:
    found = planned(wish(credential=("db", "key=etc/key=1"), encrypted_credential=("x.y=/srv/x",)))
    assert found.credentials == (
        Credential(name="db", kind=CredentialKind.UNIT, source="db"),
        Credential(name="key", kind=CredentialKind.FILE, source="/home/user/etc/key=1"),
        Credential(name="x.y", kind=CredentialKind.ENCRYPTED, source="/srv/x"),
    )


@pytest.mark.parametrize("text", ["", "=x", "a=", "a/b=x", ".a=x", "a b", "a:b=x", "x" * 200])
def test_what_is_no_credential_is_refused_and_not_said_again(text: str) -> None:
    assert "not a credential" in refused(wish(credential=(text,)))
    assert "not a credential" in refused(wish(encrypted_credential=(text,)))


def test_two_credentials_of_one_name_are_refused() -> None:
    assert "two credentials" in refused(wish(credential=("a", "a=/x")))
    assert "two credentials" in refused(wish(credential=("a",), encrypted_credential=("a=/x",)))


# Anything


TEXT = st.text(st.characters(exclude_characters="\0"), max_size=6)
WORDS = st.sampled_from(
    ["web", "a", "b", "no", "always", "on-failure:1", "notify", "tcp:1", "10s", "/x", "/x:/y", "v:/y:ro", "TERM", "80",
     "type=tmpfs,target=/t", "type=empty,target=/e,mode=0700", "type=bind,source=/s,target=/b", "A=1", "root", "1:2"]
)  # fmt: skip
MANY = st.lists(TEXT | WORDS, max_size=2).map(tuple)
ONE = TEXT | WORDS
WISHES = st.builds(
    AppRequest, image=ONE, name=st.none() | ONE, exec=st.none() | ONE, args=st.none() | MANY, user=st.none() | ONE,
    group=st.none() | ONE, workdir=st.none() | ONE, env=MANY, after=MANY, requires=MANY, ready=st.none() | ONE,
    restart=ONE | st.just("no"), stop_signal=st.none() | ONE, stop_time=ONE | st.just("10s"), init=st.booleans(),
    volume=MANY, mount=MANY, socket=MANY,
)  # fmt: skip
PODS = st.builds(
    PodRequest, app=st.lists(WISHES, max_size=2).map(tuple), name=st.none() | ONE, hostname=st.none() | ONE,
    net=ONE | st.just("host"), exit_policy=ONE | st.sampled_from(["all", "app:a"]), volume=MANY,
    log_size=ONE | st.just("1M"), log=ONE | st.just("file"), log_rate=ONE | st.just("1/1s"),
    interactive=st.booleans(), tty=st.booleans(), rm=st.booleans(),
)  # fmt: skip


@given(PODS)
def test_any_request_is_a_pod_that_can_be_written_or_a_usage_error(asked: PodRequest) -> None:
    try:
        found = plan_pod(asked, [image() for _ in asked.app], NOW)
    except UsageError as error:
        assert error.hint
        return
    assert codec.decode(codec.encode(found), where="x") == found


@given(WISHES)
def test_any_app_is_planned_or_a_usage_error(asked: AppRequest) -> None:
    try:
        found = plan(
            asked._replace(
                restart="no", ready=None, stop_time="1s", stop_signal=None, after=(), requires=()
            ),
            images=(image(),),
        )
    except UsageError as error:
        assert error.hint
        return
    names = {volume.name for volume in found.volumes}
    assert {mount.volume for mount in found.apps[0].mounts} <= names
    targets = [mount.target for mount in found.apps[0].mounts]
    assert targets == sorted(set(targets))
