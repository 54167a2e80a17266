"""PURE. What an app may do: from wishes to the manifest, from the manifest to its unit, and what is refused."""

from __future__ import annotations

import errno
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.image.model import Image
from stage0.plan import Host, capabilities, plan_pod, seccomp
from stage0.plan.confinement import HIDDEN
from stage0.request import AppRequest, PodRequest, arguments
from stage1 import units
from stage1.contract import App, Confinement, Device, SystemCalls, UsageError
from stage1.contract.rules import broken
from stage1.nspawn import more_capabilities
from tests.samples import NOW, app, image, plan, pod

ANYWHERE = Host()
ALL, DEFAULT = capabilities.ALL, capabilities.DEFAULT


def wish(**asked: Any) -> AppRequest:
    return AppRequest(image="web", **asked)


def confined(userns: str = "auto", *, host: Host = ANYWHERE, **asked: Any) -> Confinement:
    request = PodRequest(app=(wish(**asked),), userns=userns)
    images: tuple[Image, ...] = (image(),)
    return plan_pod(request, images, NOW._replace(host=host)).apps[0].confinement


def refused(**asked: Any) -> str:
    with pytest.raises(UsageError) as caught:
        confined(**asked)
    assert caught.value.hint
    return caught.value.message


def filter_of(calls: SystemCalls, **changes: Any) -> units.AppUnit:
    web = app(confinement=Confinement(system_calls=calls, **changes))
    return units.app_unit(web, pod(web), 252)


# Capabilities


def test_there_are_fourteen_by_default_and_none_for_who_is_not_root() -> None:
    assert confined().capabilities == DEFAULT
    assert len(DEFAULT) == 14
    assert confined(user="web").ambient == ()


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ({"cap_add": ("net_admin",)}, {*DEFAULT, "CAP_NET_ADMIN"}),
        ({"cap_add": ("CAP_SYS_TIME,sys_nice",)}, {*DEFAULT, "CAP_SYS_TIME", "CAP_SYS_NICE"}),
        ({"cap_drop": ("all",)}, set()),
        ({"cap_drop": ("ALL",), "cap_add": ("chown",)}, {"CAP_CHOWN"}),
        ({"cap_add": ("all",), "cap_drop": ("sys_admin",)}, set(ALL) - {"CAP_SYS_ADMIN"}),
        ({"cap_only": ("kill", "net_raw")}, {"CAP_KILL", "CAP_NET_RAW"}),
        ({"cap_only": ("kill",), "cap_add": ("net_raw",)}, {"CAP_KILL", "CAP_NET_RAW"}),
        ({"cap_only": ("none",)}, set()),
        ({"cap_drop": ("mknod",)}, set(DEFAULT) - {"CAP_MKNOD"}),
        ({"privileged": True}, set(ALL)),
        ({"privileged": True, "cap_drop": ("sys_boot",)}, set(ALL) - {"CAP_SYS_BOOT"}),
    ],
)
def test_capabilities_are_added_dropped_and_chosen(asked: dict[str, Any], left: set[str]) -> None:
    assert set(confined(**asked).capabilities) == left


def test_who_is_not_root_gets_what_was_asked_for_by_name() -> None:
    assert confined(user="web", cap_add=("net_raw", "sys_time")).ambient == ("CAP_NET_RAW", "CAP_SYS_TIME")
    assert confined(user="web", cap_only=("kill",)).ambient == ("CAP_KILL",)
    assert confined(cap_add=("sys_time",)).ambient == ()
    assert confined(user="web", privileged=True).ambient == ()


@pytest.mark.parametrize("name", ["", "x", "cap_", "sys-admin", "CAP_X\nUser=0", "net_raw net_admin"])
def test_what_is_no_capability_is_refused(name: str) -> None:
    assert "no such capability" in refused(cap_add=(name,))


def test_a_capability_cannot_be_both_added_and_dropped() -> None:
    assert "CAP_KILL is both added and dropped" in refused(cap_add=("kill",), cap_drop=("KILL",))
    assert "--privileged gives all" in refused(privileged=True, cap_add=("kill",))


def test_the_pods_systemd_is_given_what_it_must_hand_on() -> None:
    one = app("one", confinement=Confinement(capabilities=("CAP_SYS_TIME", "CAP_KILL")))
    other = app("other", confinement=Confinement(capabilities=("CAP_BPF",)))
    assert more_capabilities(pod(one, other)) == ["CAP_BPF", "CAP_SYS_TIME"]
    assert more_capabilities(plan()) == []


# System calls


def test_the_default_allows_a_list_and_says_what_others_end_with() -> None:
    calls = confined().system_calls
    assert calls.allow[0] == "@system-service"
    assert (calls.errno, calls.architectures) == ("ENOSYS", ("native",))
    assert {"mount:EPERM", "keyctl:EPERM", "ptrace:EPERM", "io_uring_setup:EPERM"} <= set(calls.deny)
    assert not calls.namespaces
    assert not calls.personality


@pytest.mark.parametrize(
    ("capability", "call"),
    [
        ("sys_admin", "mount"),
        ("sys_ptrace", "ptrace"),
        ("sys_time", "clock_settime"),
        ("bpf", "bpf"),
        ("syslog", "syslog"),
    ],
)
def test_a_capability_brings_its_calls(capability: str, call: str) -> None:
    calls = confined(cap_add=(capability,)).system_calls
    assert call in calls.allow
    assert f"{call}:EPERM" not in calls.deny
    assert calls.namespaces == (capability == "sys_admin")


def test_every_capabilitys_calls_are_forbidden_without_it() -> None:
    known = {call for calls in seccomp._WITH_CAPABILITY.values() for call in calls}
    assert known - set(seccomp._FORBIDDEN) <= {
        "adjtimex",
        "clock_adjtime",
    }  # they tell the time to everybody


def test_unconfined_is_no_filter_at_all() -> None:
    for asked in ({"seccomp": "unconfined"}, {"privileged": True}):
        calls = confined(**asked).system_calls
        assert (calls.allow, calls.deny, calls.architectures, calls.families) == ((), (), (), ())
        unit = filter_of(calls).confinement.filter
        assert not any(unit)


@pytest.mark.parametrize(
    ("text", "allow", "deny", "number"),
    [
        ("@system-service", ("@system-service",), (), "EPERM"),
        ("@system-service,@mount,ptrace", ("@system-service", "@mount", "ptrace"), (), "EPERM"),
        ("read,write,errno=ENOSYS", ("read", "write"), (), "ENOSYS"),
        ("~@mount,ptrace:ENOSYS,errno=EACCES", (), ("@mount", "ptrace:ENOSYS"), "EACCES"),
        ("~mount:kill", (), ("mount:kill",), "EPERM"),
        ("read,errno=kill", ("read",), (), "kill"),
    ],
)
def test_a_list_of_calls_allows_these_or_with_a_tilde_all_others(
    text: str, allow: tuple[str, ...], deny: tuple[str, ...], number: str
) -> None:
    calls = confined(seccomp=text).system_calls
    assert (calls.allow, calls.deny, calls.errno) == (allow, deny, number)
    assert calls.namespaces


@pytest.mark.parametrize(
    "text",
    [
        "",
        "~",
        "@nothing",
        "read,@nothing",
        "errno=EPERM",
        "read,errno=5",
        "read:EX",
        "a b",
        "~~read",
        "read,,write",
    ],
)
def test_what_is_no_list_of_calls_is_refused(text: str) -> None:
    assert "--seccomp=" in refused(seccomp=text)


def test_a_name_that_systemd_does_not_know_is_refused_where_that_can_be_told() -> None:
    known = Host(calls=frozenset({"read"}))
    assert "no 'raed' here" in refused(seccomp="~raed", host=known).replace("there is ", "")
    assert confined(seccomp="~raed").system_calls.deny == ("raed",)


def test_two_filters_are_a_mistake() -> None:
    with pytest.raises(UsageError, match="--seccomp is given twice"):
        list(arguments.apps_of(["web", "--seccomp", "default", "--seccomp", "unconfined"]))


def test_the_unit_has_the_list_first_and_what_is_taken_from_it_after() -> None:
    found = filter_of(
        SystemCalls(allow=("@a", "b"), deny=("b:ENOSYS", "c"), errno="EACCES", families=("AF_X",))
    )
    assert found.confinement.filter[:5] == ("native", "@a b", "b:ENOSYS c", "EACCES", "AF_X")
    assert found.confinement.filter.restrict_namespaces
    assert not found.confinement.filter.lock_personality


# Profiles


def profile(*rules: dict[str, Any], default: str = "SCMP_ACT_ERRNO", **more: Any) -> str:
    return json.dumps({"defaultAction": default, "syscalls": rules, **more})


def rule(*names: str, action: str = "SCMP_ACT_ALLOW", **more: Any) -> dict[str, Any]:
    return {"names": list(names), "action": action, **more}


def translated(*rules: dict[str, Any], caps: tuple[str, ...] = (), **more: Any) -> SystemCalls:
    return seccomp.system_calls(profile(*rules, **more), caps, "amd64")


def test_a_profile_that_allows_a_list() -> None:
    calls = translated(rule("read", "write"), rule("clone3", action="SCMP_ACT_ERRNO", errnoRet=38))
    assert calls == SystemCalls(
        allow=("read", "write"), deny=("clone3:ENOSYS",), errno="EPERM", namespaces=True
    )


def test_a_profile_that_forbids_a_list() -> None:
    calls = translated(
        rule("mount", action="SCMP_ACT_ERRNO"),
        rule("ptrace", action="SCMP_ACT_KILL_PROCESS"),
        default="SCMP_ACT_ALLOW",
    )
    assert (calls.allow, calls.deny) == ((), ("mount:EPERM", "ptrace:kill"))


def test_the_default_error_of_a_profile() -> None:
    assert translated(rule("read"), defaultErrnoRet=38).errno == "ENOSYS"
    assert translated(rule("read"), default="SCMP_ACT_KILL").errno == "kill"


def test_rules_for_capabilities_architectures_and_kernels() -> None:
    rules = (
        rule("mount", includes={"caps": ["CAP_SYS_ADMIN"]}),
        rule("read", excludes={"caps": ["CAP_SYS_ADMIN"]}),
        rule("arch_prctl", includes={"arches": ["amd64"]}),
        rule("cacheflush", includes={"arches": ["arm64"]}),
        rule("ptrace", includes={"minKernel": "4.8"}),
        rule("new", includes={"minKernel": "99.1"}),
    )
    assert translated(*rules).allow == ("read", "arch_prctl", "ptrace")
    assert translated(*rules, caps=("CAP_SYS_ADMIN",)).allow == ("mount", "arch_prctl", "ptrace")


def test_conditions_that_systemd_has_settings_for() -> None:
    mask = {"index": 0, "value": 0x7E020000, "op": "SCMP_CMP_MASKED_EQ"}
    calls = translated(
        rule("clone", args=[mask]),
        rule("personality", args=[{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]),
        rule("socket", args=[{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]),
    )
    assert calls.allow == ("clone", "personality", "socket")
    assert (calls.namespaces, calls.personality, calls.families) == (False, False, ("AF_VSOCK",))


@pytest.mark.parametrize(
    "bad",
    [
        rule("read", args=[{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]),
        rule("clone", args=[{"index": 0, "value": 1, "op": "SCMP_CMP_MASKED_EQ"}]),
        rule("socket", args=[{"index": 2, "value": 9, "op": "SCMP_CMP_NE"}]),
        rule("read", action="SCMP_ACT_TRACE"),
        rule("read", action="SCMP_ACT_NOTIFY"),
        rule("read", action="SCMP_ACT_ERRNO", args=[{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]),
        rule("re ad"),
        rule("read\nUser=0"),
    ],
)
def test_what_would_come_out_weaker_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--seccomp: "):
        translated(bad)


def test_architectures_beside_the_native_one() -> None:
    entry = {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]}
    assert translated(rule("read"), archMap=[entry]).architectures == ("native", "x86", "x32")
    assert translated(rule("read"), architectures=["SCMP_ARCH_X86_64"]).architectures == ("native",)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        '{"defaultAction": 5}',
        '{"defaultAction": "SCMP_ACT_LOG"}',
        '{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [5]}',
        '{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 99999}',
    ],
)
def test_what_is_no_profile_is_refused(text: str) -> None:
    assert "--seccomp" in refused(seccomp=text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["names", "action", "args", "syscalls", "defaultAction", "includes"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_document_is_a_profile_or_refused(document: object) -> None:
    text = json.dumps({"syscalls": document, "defaultAction": "SCMP_ACT_ERRNO"})
    try:
        calls = seccomp.system_calls(text, (), "amd64")
    except UsageError:
        return
    web = app(confinement=Confinement(system_calls=calls))
    assert list(broken(pod(web))) == []


@given(st.text(max_size=20))
def test_any_text_is_a_filter_that_a_unit_can_carry_or_refused(text: str) -> None:
    try:
        calls = seccomp.system_calls(text, (), "amd64")
    except UsageError:
        return
    web = app(confinement=Confinement(system_calls=calls))
    assert list(broken(pod(web))) == []


def test_every_error_has_the_name_that_systemd_knows() -> None:
    assert errno.errorcode[errno.ENOSYS] == "ENOSYS"


def test_a_profile_is_read_from_its_file(tmp_path: Any) -> None:
    path = tmp_path / "p.json"
    path.write_text(profile(rule("read")))
    (found,) = arguments.request_of(arguments_of("web", "--seccomp", str(path)), {}).app
    assert found.seccomp == path.read_text()
    with pytest.raises(UsageError, match="No such file"):
        arguments.request_of(arguments_of("web", "--seccomp", str(tmp_path / "none.json")), {})


def arguments_of(*words: str) -> Any:
    from stage0.cli import verb_parser

    return verb_parser("run").parse_args([*words])


# Devices, paths, roots, labels


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("/dev/net/tun", Device("/dev/net/tun", "/dev/net/tun")),
        ("/dev/fuse:rw", Device("/dev/fuse", "/dev/fuse", "rw")),
        ("/dev/dri/card0:/dev/gpu", Device("/dev/dri/card0", "/dev/gpu")),
        ("/dev/sda:/dev/disk:r", Device("/dev/sda", "/dev/disk", "r")),
    ],
)
def test_a_device_is_given_by_its_node_a_place_and_rights(text: str, device: Device) -> None:
    assert confined(device=(text,)).devices == (device,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "/dev/x:y",
        "/dev/x:/y:rx",
        "/dev/x:/y:rr",
        "/dev/x:/y:/z",
        "/dev/x:",
        "/dev/x:/",
        "/dev/../x:/y:r",
        "/dev/x:/a\nb",
        "/dev/a b",
        "/srv/null",
    ],
)
def test_what_is_no_device_is_refused(text: str) -> None:
    assert "is not a device" in refused(device=(text,))


def test_two_devices_at_one_path_are_refused() -> None:
    assert "two devices at /dev/b" in refused(device=("/dev/a:/dev/b", "/dev/b"))


def test_what_the_kernel_tells_of_the_host_is_hidden_where_nobody_unmasks_it() -> None:
    assert confined().hidden == ()
    assert confined("host").hidden == HIDDEN
    assert confined("host", unmask=("all",)).hidden == ()
    assert confined("host", privileged=True).hidden == ()
    assert confined("host", unmask=("/proc/keys",), mask_path=("/x/",)).hidden == (
        "/proc/kallsyms", "/proc/kcore", "/proc/timer_list", "/x",
    )  # fmt: skip
    assert confined(mask_path=("/etc/secret", "/etc/secret")).hidden == ("/etc/secret",)
    assert "not an absolute path" in refused(mask_path=("etc",))
    unit = filter_of(SystemCalls(), hidden=("/a b%",)).confinement
    assert unit.hidden == ('"-+/a b%%"',)


def planned(**asked: Any) -> App:
    return plan(wish(**asked)).apps[0]


def test_a_read_only_root_has_memory_where_programs_must_write() -> None:
    found = planned(read_only=True, mount=("type=tmpfs,target=/tmp,size=1M",))
    assert {(one.target, one.size) for one in found.tmpfs} == {
        ("/tmp", 1 << 20),
        ("/run", None),
        ("/var/tmp", None),
    }
    assert found.confinement.read_only
    assert planned().tmpfs == ()


def test_labels_are_for_hosts_that_have_them() -> None:
    host = Host(labels=frozenset({"apparmor", "selinux"}))
    found = confined(host=host, security_label=("apparmor:web", "selinux:system_u:system_r:x_t:s0:c1,c2"))
    assert (found.apparmor, found.selinux) == ("web", "system_u:system_r:x_t:s0:c1,c2")
    assert "this host has no AppArmor" in refused(security_label=("apparmor:web",))
    assert "this host has no SELinux" in refused(security_label=("selinux:x",))
    for text in ("smack:x", "apparmor:", "apparmor:a b", "web"):
        assert "not a label" in refused(security_label=(text,), host=host)


def test_set_user_id_programs_give_nothing_unless_asked_for() -> None:
    assert confined(user="web").no_new_privileges
    assert "has no effect for an app that is not root" in refused(user="web", no_new_privileges=False)
    assert confined(no_new_privileges=True).no_new_privileges
    assert not confined(user="web", privileged=True).no_new_privileges


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--no-new-privileges"], True),
        (["--no-new-privileges=no"], False),
        (["--no-new-privileges=yes"], True),
        ([], None),
    ],
)
def test_the_option_is_a_flag_or_says_so(words: list[str], meant: bool | None) -> None:
    (found,) = arguments.apps_of(["web", *words])
    assert found.no_new_privileges is meant
