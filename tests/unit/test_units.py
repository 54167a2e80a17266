"""PURE. What an app becomes in its unit: order, restarts, users, streams, and that nothing it says adds a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stage1 import plan, units
from stage1.contract import (
    App,
    Condition,
    Dependency,
    Hooks,
    Mount,
    Output,
    PodManifest,
    Propagation,
    Readiness,
    Restart,
    RestartPolicy,
    Socket,
    SocketKind,
    Stdin,
    Tmpfs,
    UsageError,
    User,
)
from stage1.quoting import Escaped
from stage1.render import render
from stage1.resources import template_path
from tests.samples import FACTS, ROOT, app, pod

SHIPPED = template_path()[-1:]


def unit(one: App, *others: App, systemd: int = 252, **changes: Any) -> units.AppUnit:
    return units.app_unit(one, pod(one, *others, **changes), systemd)


def texts(whole: PodManifest, systemd: int = 252) -> dict[str, str]:
    return render(plan.jobs(whole, FACTS._replace(systemd=systemd), keep_unit=False), SHIPPED, None)


def keys(text: str) -> list[str]:
    """The sections and keys of a unit in their order; whatever else a line may be."""
    lines = (line for line in text.split("\n") if line and not line.startswith("#"))
    return [line if line.startswith("[") else line.partition("=")[0] for line in lines]


def values(text: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in text.split("\n") if line.partition("=")[0] == key]


# Order


def test_an_app_waits_for_those_it_names() -> None:
    waits = {
        "after": (Dependency(app="b"),),
        "wants": (Dependency(app="d"),),
        "requires": (Dependency(app="c"),),
    }
    found = unit(app("a", **waits), app("b"), app("c"), app("d")).order
    assert found.after == ("app-b.service", "app-d.service", "app-c.service")
    assert found.wants == ("app-d.service",)
    assert found.requires == ("app-c.service",)


def waits_for(other: App, condition: Condition) -> tuple[str, ...]:
    """The units that stand for another app's state."""
    return unit(app("a", requires=(Dependency(app=other.name, condition=condition),)), other).order.requires


def test_a_state_is_the_apps_own_unit_where_systemd_means_the_same() -> None:
    probed, talks, hooked = (
        app("b", readiness=Readiness(port=80)),
        app("b", readiness=Readiness(notify=True)),
        app("b", hooks=Hooks(post_start=(("x",),))),
    )
    assert waits_for(app("b"), Condition.STARTED) == ("app-b.service",)
    for other in (app("b"), probed, talks, hooked):
        assert waits_for(other, Condition.READY) == ("app-b.service",)
        assert waits_for(other, Condition.FINISHED) == ("await-b-finished.service",)
    for other in (probed, talks, hooked):
        assert waits_for(other, Condition.STARTED) == ("await-b-started.service",)
    assert waits_for(app("b", init=True), Condition.FINISHED) == ("app-b.service",)


def test_an_app_that_a_socket_starts_is_there_when_the_socket_is() -> None:
    other = app("b", sockets=(Socket(name="h", listen="80", activated=True), Socket(name="i", listen="81")))
    assert waits_for(other, Condition.READY) == ("app-b-h.socket", "app-b-i.socket")


def test_the_unit_that_waits_is_there_once_and_the_pod_does_not_wait_for_it() -> None:
    finished = (Dependency(app="b", condition=Condition.FINISHED),)
    whole = texts(pod(app("a", after=finished), app("b"), app("c", requires=finished)))
    assert values(whole["await-b-finished.service"], "ExecStart") == [":/pod/bin/reaper await finished b"]
    assert "await-b-finished.service" in values(whole["default.target"], "Wants")
    assert "await-b-finished.service" not in values(whole["default.target"], "After")


def test_sidecars_start_before_everything_else_and_so_stop_after_it() -> None:
    apps = (app("web"), app("proxy", sidecar=True), app("one", init=True))
    order = {one.name: units.app_unit(one, pod(*apps), 252).order for one in apps}
    assert order["proxy"].after == ()
    assert order["one"].after == ("app-proxy.service",)
    assert order["web"].after == ("app-one.service", "app-proxy.service")
    assert "app proxy no sidecar" in plan.policy(pod(*apps)).splitlines()


def test_init_apps_run_one_after_the_other_and_the_rest_waits_for_all() -> None:
    apps = (app("web"), app("one", init=True), app("two", init=True), app("three", init=True))
    whole = pod(*apps)
    waits = {one.name: units.app_unit(one, whole, 252).order.requires for one in apps}
    assert waits == {
        "one": (),
        "two": ("app-one.service",),
        "three": ("app-two.service",),
        "web": ("app-one.service", "app-two.service", "app-three.service"),
    }


def test_an_app_called_shutdown_is_just_an_app() -> None:
    names = set(texts(pod(app("shutdown"), app("default"), app("exit"))))
    assert {"app-shutdown.service", "shutdown.target", "default.target", "app-default.service"} <= names


# Restarts


def test_an_app_is_not_restarted_unless_asked() -> None:
    restart = unit(app()).restart
    assert (restart.when, restart.limit, restart.delay, restart.backoff, restart.direct) == (
        "no",
        0,
        "",
        False,
        False,
    )


def test_a_limit_counts_the_first_start_as_well() -> None:
    policy = RestartPolicy(when=Restart.ON_FAILURE, limit=3, delay=0.25)
    restart = unit(app(restart=policy)).restart
    assert (restart.when, restart.limit, restart.delay) == ("on-failure", 4, "0.25s")
    assert values(texts(pod(app(restart=policy)))["app-web.service"], "StartLimitBurst") == ["4"]


def test_without_a_limit_there_is_none() -> None:
    text = texts(pod(app(restart=RestartPolicy(when=Restart.ALWAYS))))["app-web.service"]
    assert values(text, "StartLimitIntervalSec") == ["0"]


@pytest.mark.parametrize(("systemd", "wanted"), [(252, False), (253, False), (254, True), (257, True)])
def test_back_off_is_used_where_systemd_has_it(systemd: int, wanted: bool) -> None:
    text = texts(pod(app(restart=RestartPolicy(when=Restart.ALWAYS))), systemd)["app-web.service"]
    assert bool(values(text, "RestartMode")) is wanted
    assert bool(values(text, "RestartSteps")) is wanted


# Readiness


def test_an_app_has_started_when_its_program_runs_or_it_says_so_or_its_port_answers() -> None:
    assert unit(app()).start.type == "exec"
    notify = unit(app(readiness=Readiness(notify=True))).start
    assert (notify.type, notify.notify_access) == ("notify", "all")
    port = unit(app(readiness=Readiness(port=80, timeout=0.2))).start
    assert (port.type, port.ready_port, port.ready_timeout) == ("exec", 80, 1)


def test_an_init_app_has_started_when_it_has_ended() -> None:
    start = unit(app(init=True, readiness=Readiness(port=80))).start
    assert (start.type, start.init, start.ready_port) == ("oneshot", True, 0)


def test_times_are_bounds_of_the_unit() -> None:
    text = texts(pod(app(readiness=Readiness(timeout=5), run_time=90.0, watchdog=2.5)))["app-web.service"]
    assert values(text, "TimeoutStartSec") == ["5s"]
    assert values(text, "RuntimeMaxSec") == ["90s"]
    assert values(text, "WatchdogSec") == ["2.5s"]
    assert values(text, "NotifyAccess") == ["all"]
    assert values(texts(pod(app(readiness=Readiness(timeout=0))))["app-web.service"], "TimeoutStartSec") == [
        "infinity"
    ]


def test_the_run_of_an_init_app_is_its_start() -> None:
    start = unit(app(init=True, run_time=7.0), app("b")).start
    assert (start.timeout, start.run_time) == ("7s", "")
    assert unit(app(init=True), app("b")).start.timeout == "infinity"


def test_a_probe_says_itself_that_it_took_too_long() -> None:
    start = unit(app(readiness=Readiness(port=80, timeout=30))).start
    assert (start.ready_timeout, start.timeout) == (30, "35s")


# Hooks

HOOKS = Hooks(
    pre_start=(("/bin/a", "%n $X"),), post_start=(("b",),), pre_stop=(("./c",),), post_stop=(("/d", "\n"),)
)


def test_hooks_are_commands_of_the_unit_in_the_apps_root() -> None:
    text = texts(pod(app(hooks=HOOKS, workdir="/srv")))["app-web.service"]
    assert values(text, "ExecStartPre") == [':@"/bin/a" "/bin/a" "%%n $X"']
    assert values(text, "ExecStartPost") == [':@"b" "b"']
    assert values(text, "ExecStop") == [':@"/srv/./c" "./c"']
    run, *stopped = values(text, "ExecStopPost")
    assert run.startswith(":+/run/pod/reaper --hooks --in-order --program ")
    assert stopped == ['-:@"/d" "/d" "\\n"']
    assert values(text, "RootDirectoryStartOnly") == []
    assert "/pod/bin/reaper:/run/pod/reaper" in values(text, "BindReadOnlyPaths")
    assert values(text, "ExecSearchPath") == ["/usr/bin:/bin"]


def test_an_app_without_hooks_has_the_reaper_where_it_cannot_see_it() -> None:
    text = texts(pod())["app-web.service"]
    assert values(text, "RootDirectoryStartOnly") == ["yes"]
    assert "/run/pod/reaper" not in text


def test_hooks_of_an_app_whose_environment_no_unit_can_carry_are_refused() -> None:
    with pytest.raises(UsageError, match="app web: its hooks"):
        plan.jobs(pod(app(hooks=HOOKS, env=("A=\x01",))), FACTS, keep_unit=False)


# Users


def test_root_needs_no_user_and_another_user_is_a_number() -> None:
    assert unit(app()).identity.user == ""
    web = User(name="web", uid=101, gid=102, groups=(4, 26))
    identity = unit(app(user=web)).identity
    assert (identity.user, identity.group, identity.groups) == ("101", "102", "4 26")


def test_root_in_another_group_stays_root() -> None:
    identity = unit(app(user=ROOT._replace(gid=50))).identity
    assert (identity.user, identity.group) == ("", "50")


def test_a_user_or_group_that_the_image_lacks_is_a_name_nobody_has() -> None:
    ghost = unit(app(user=User(name="ghost", uid=None, gid=0))).identity
    assert ghost.user == units.MISSING_ID
    lost = unit(app(user=User(name="0:lost", uid=0, gid=None))).identity
    assert (lost.user, lost.group) == ("", units.MISSING_ID)
    databases = plan.user_database(pod(app(user=User(name="ghost", uid=None, gid=None))))
    assert units.MISSING_ID not in "".join(databases.values())


# Streams


def test_an_app_writes_to_its_own_pipes_and_reads_nothing() -> None:
    streams = unit(app()).streams
    assert (streams.stdin, streams.stdout, streams.stderr) == (
        "null",
        "file:/pod/streams/web.out",
        "file:/pod/streams/web.err",
    )


def test_an_app_with_input_reads_a_pipe_and_one_with_a_terminal_has_that_only() -> None:
    assert unit(app(stdin=Stdin.STREAM)).streams.stdin == "file:/pod/streams/web.in"
    quiet = unit(app(stdout=Output.NULL, stderr=Output.STREAM)).streams
    assert (quiet.stdout, quiet.stderr) == ("null", "file:/pod/streams/web.err")
    tty = unit(app(stdin=Stdin.TTY, stdout=Output.TTY, stderr=Output.TTY)).streams
    assert (tty.tty, tty.stdin, tty.stdout, tty.stderr) == (True, "tty-force", "tty", "tty")


# Words and environment


def test_a_bare_program_is_looked_for_in_the_apps_own_path() -> None:
    command = units.command(app(argv=("redis-server",), env=("PATH=/opt/bin:rel:/bin",)))
    assert (command.program, command.search_path) == ('"redis-server"', "/opt/bin:/bin")


def test_a_program_with_a_slash_starts_at_the_working_directory() -> None:
    assert units.program_path(app(argv=("./run",), workdir="/srv")) == "/srv/./run"
    assert units.program_path(app(argv=("/bin/run",), workdir="/srv")) == "/bin/run"
    assert units.program_path(app(argv=("run",), workdir="/srv")) == "run"


def test_what_no_unit_can_say_goes_through_the_launcher() -> None:
    one = app(argv=("/bin/it's", "\udcff"), env=("A-B=1",), workdir="/w")
    command = units.command(one)
    assert command.program == '"/run/pod/launcher"'
    assert command.environment == ()
    assert command.words == b"/w\x002\x00/bin/it's\x00/bin/it's\x00\xff\x00A-B=1\x00"
    assert "/pod/words/web/words:/run/pod/words" in unit(one).files.read_only_binds


@pytest.mark.parametrize(
    "changes",
    [
        {"env": ("A-B=1",)},
        {"env": ("A=\x01",)},
        {"env": ("A=\ufffe",)},
        {"argv": ("x" * 600_000, "y" * 600_000)},
        {"argv": ("/bin/",)},
        {"argv": ("bare",), "env": ('PATH=/a"b',)},
        {"workdir": "/ends\\"},
        {"workdir": "/line\n"},
    ],
)
def test_each_thing_that_no_unit_can_say_is_noticed(changes: dict[str, Any]) -> None:
    assert units.command(app(**changes)).words is not None


def test_a_label_of_selinux_is_given_by_the_launcher_to_all_that_runs_in_the_app() -> None:
    labelled = app(confinement=app().confinement._replace(selinux="u:r:a%_t:s0:c1,c2"), hooks=HOOKS)
    text = texts(pod(labelled))["app-web.service"]
    (run,) = values(text, "ExecStart")
    assert (
        run == ':@"/run/pod/launcher" "/run/pod/launcher" "--selinux" "u:r:a%%_t:s0:c1,c2" "/run/pod/words"'
    )
    beside = [*values(text, "ExecStartPre"), *values(text, "ExecStop")]
    assert beside
    for line in beside:
        assert line.startswith(
            ':@"/run/pod/launcher" "/run/pod/launcher" "--selinux" "u:r:a%%_t:s0:c1,c2" "--" "/'
        )
    assert '--selinux "u:r:a%%_t:s0:c1,c2"' in values(text, "ExecStopPost")[0]
    assert "SELinuxContext" not in text  # the pod's systemd would not heed it
    unsaid = units.command(labelled._replace(env=("A=\x01",)))
    assert (unsaid.carried, unsaid.environment, unsaid.words is None) == (False, (), False)


def test_an_app_that_shares_mounts_asks_for_them_by_the_launcher() -> None:
    mounts = (Mount(volume="v", target="/m", propagation=Propagation.SHARED),)
    one = app(argv=("/bin/x",), env=("A=1",), mounts=mounts)
    command = units.command(one)
    assert command.argv == '"/run/pod/launcher" "/run/pod/words" "/run/pod/share"'
    assert command.environment == ('"A=1"',)
    assert "/pod/streams/web.share:/run/pod/share" in unit(one).files.read_only_binds
    odd = units.command(one._replace(env=("A-B=1",)))
    assert (odd.argv, odd.environment) == (command.argv, ())


def test_systemds_own_variables_are_taken_out_unless_the_app_has_them() -> None:
    found = unit(app(env=("PATH=/bin", "HOME=/", "USER=me"))).unset_environment.split()
    assert "LOGNAME" in found
    assert "INVOCATION_ID" in found
    assert not {"PATH", "HOME", "USER"} & set(found)
    assert not {"NOTIFY_SOCKET", "LISTEN_FDS"} & set(found)


# Mounts


def test_the_unit_binds_only_what_its_own_mounts_would_cover() -> None:
    mounts = (Mount(volume="v", target="/w"), Mount(volume="v", target="/dev/a b"))
    files = unit(app(mounts=mounts, tmpfs=(Tmpfs(target="/t"), Tmpfs(target="/dev/shm")))).files
    assert files.binds == ('/pod/mounts/web/0:"/dev/a b"', '/pod/mounts/web/1:"/dev/shm"')


@pytest.mark.parametrize("target", ["/dev/a\nb", "/dev/\udcff", "/sys/\ufffe", "/dev/" + "x" * 256])
def test_a_place_that_no_unit_can_say_is_a_usage_error(target: str) -> None:
    for one in (app(mounts=(Mount(volume="v", target=target),)), app(tmpfs=(Tmpfs(target=target),))):
        with pytest.raises(UsageError, match="app web") as caught:
            plan.jobs(pod(one), FACTS, keep_unit=False)
        assert caught.value.hint


# Sockets


def test_a_socket_is_a_unit_that_hands_itself_to_the_app() -> None:
    whole = texts(
        pod(
            app(
                sockets=(
                    Socket(name="http", listen="80"),
                    Socket(name="dns", listen="53", kind=SocketKind.DATAGRAM),
                )
            )
        )
    )
    assert values(whole["app-web-http.socket"], "ListenStream") == ["80"]
    assert values(whole["app-web-dns.socket"], "ListenDatagram") == ["53"]
    assert values(whole["app-web-http.socket"], "Service") == ["app-web.service"]
    assert "app-web-http.socket" in values(whole["app-web.service"], "Requires")


def test_a_path_is_in_the_root_the_app_sees_it_in() -> None:
    one = app(
        sockets=(
            Socket(name="a", listen="/run//a.sock", mode=0o660, uid=5, gid=6),
            Socket(name="d", listen="/run/d.sock", from_host=True),
        ),
    )
    whole = texts(pod(one))
    places = [values(whole[f"app-web-{name}.socket"], "ListenStream")[0] for name in "ad"]
    assert places == ["/pod/apps/web/rootfs/run/a.sock", "/run/d.sock"]
    keys_of_a = {
        key: values(whole["app-web-a.socket"], key) for key in ("SocketMode", "SocketUser", "SocketGroup")
    }
    assert keys_of_a == {"SocketMode": ["0660"], "SocketUser": ["5"], "SocketGroup": ["6"]}
    assert "u5:" in plan.user_database(pod(one))["passwd"]


def test_an_activated_app_is_started_by_its_socket_alone() -> None:
    one = app(sockets=(Socket(name="h", listen="80", activated=True),))
    whole = texts(pod(one, app("b")))
    assert values(whole["default.target"], "Wants") == ["app-b.service", "app-web-h.socket"]
    assert "app web no main activated" in plan.policy(pod(one)).splitlines()


def test_only_sockets_of_the_host_are_loaded_before_the_boot() -> None:
    """The pod's end has the slice in its transaction too, where the start of a socket contradicts its stop."""
    one = app(sockets=(Socket(name="own", listen="80"), Socket(name="host", listen="81", from_host=True)))
    assert values(texts(pod(one))["-.slice.d/10-sockets.conf"], "Wants") == ["app-web-host.socket"]
    assert "-.slice.d/10-sockets.conf" not in texts(pod(app(sockets=one.sockets[:1])))


# Nothing adds a line

TEXT = st.text("\"'\\%$;#[]=\n\r\t \x0b\x0c\x1c\x85\u2028\u2029\x01\ufffeaé\udcff", min_size=1, max_size=12)
LINES = st.sampled_from(
    [
        "\nExecStart=/bin/bad",
        "\r[Service]\rUser=0",
        "\u2028BindPaths=/:/x",
        "x\\",
        "\\\nUser=0",
        "\x85User=0",
    ]
)
ODD = TEXT | LINES


def apps_with_odd_words() -> Iterator[st.SearchStrategy[App]]:
    path = ODD.map(lambda text: "/" + text)
    yield st.builds(app, argv=st.tuples(path, ODD), env=st.tuples(ODD.map(lambda text: f"A={text}")))
    yield st.builds(app, env=st.tuples(ODD.map(lambda text: f"{text}=1")), workdir=path)
    yield st.builds(
        app,
        workdir=path,
        argv=st.tuples(ODD.map(lambda text: text.replace("/", ""))),
        env=st.tuples(ODD.map(lambda text: f"PATH=/{text}")),
    )


FEWER = settings(max_examples=max(settings().max_examples // 2, 5))  # each compiles a template: 20 ms


def service(one: App) -> str:
    """The text of app.service alone: compiling the other templates is not what is looked at."""
    (job,) = [job for job in plan.jobs(pod(one), FACTS, keep_unit=False) if job.result == "app-web.service"]
    return render([job], SHIPPED, None)["app-web.service"]


PLAIN = keys(service(app(argv=("bare",), env=("PATH=/bin",))))


@FEWER
@given(st.one_of(*apps_with_odd_words()))
def test_no_word_of_an_app_adds_or_changes_a_setting(one: App) -> None:
    found = service(one)
    # the launcher takes some lines away, and needs two binds
    assert [key for key in keys(found) if key not in {*PLAIN, "BindReadOnlyPaths"}] == []
    assert len(keys(found)) <= len(PLAIN) + 2
    assert len(values(found, "ExecStart")) == 1
    assert len(values(found, "Environment")) <= 1
    assert values(found, "RootDirectory") == ["/pod/apps/web/rootfs"]


@FEWER
@given(ODD.map(lambda text: "/" + text))
def test_no_place_of_a_mount_adds_or_changes_a_setting(target: str) -> None:
    mounts = (Mount(volume="v", target=target), Mount(volume="v", target=target, read_only=True))
    try:
        found = service(app(mounts=mounts, tmpfs=(Tmpfs(target=target),)))
    except UsageError:
        return
    plain = (Mount(volume="v", target="/a"), Mount(volume="v", target="/b", read_only=True))
    assert keys(found) == keys(service(app(mounts=plain, tmpfs=(Tmpfs(target="/t"),))))


@FEWER
@given(st.text(max_size=30) | ODD)
def test_no_name_of_an_image_adds_or_changes_a_setting(name: str) -> None:
    odd = app()._replace(image=app().image._replace(name=name))
    assert keys(service(odd)) == keys(service(app()))


def test_values_of_units_are_escaped_by_type() -> None:
    found = unit(app())
    assert isinstance(found.name, Escaped)
    assert all(
        isinstance(text, Escaped)
        for text in (*found.order.after, *found.files.binds, found.root, found.stop_time)
    )
