/*
 * The word `syscall`: is this call refused, and how? Each call runs in a child, so nothing that succeeds
 * changes the process, and is chosen so that its success harms nothing: arguments that do nothing, or that
 * the kernel rejects only after it has looked at the caller's rights (EINVAL, EFAULT or ENOENT then means:
 * allowed).
 */
#include "inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/reboot.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

/* Takes back what worked: the probe may share its mount namespace with others. */
static long mount_and_undo(const char *source, const char *type, unsigned long flags) {
        int result = mount(source, "/tmp", type, flags, NULL);

        if (result == 0)
                umount2("/tmp", MNT_DETACH);
        return result;
}

static long try_mount(void) {
        return mount_and_undo("probe", "tmpfs", 0);
}

static long try_bind(void) {
        return mount_and_undo("/", NULL, MS_BIND);
}

/* Nothing is ever mounted there. */
static long try_umount(void) {
        return umount2("/proc/self/fd", 0);
}

static long try_open_tree(void) {
        return syscall(SYS_open_tree, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */);
}

static long try_fsopen(void) {
        return syscall(SYS_fsopen, "tmpfs", 0);
}

static long try_unshare_user(void) {
        return unshare(CLONE_NEWUSER);
}

static long try_unshare_mount(void) {
        return unshare(CLONE_NEWNS);
}

static long try_unshare_net(void) {
        return unshare(CLONE_NEWNET);
}

static long try_setns(void) {
        int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -1 : setns(fd, CLONE_NEWNET);
}

/* Seizes a child: attaching would leave it, or worse the parent, stopped. */
static long try_ptrace(void) {
        pid_t pid = fork();

        while (pid == 0)
                pause();
        if (pid < 0)
                return -1;
        long result = ptrace(PTRACE_SEIZE, pid, NULL, NULL);
        int error = errno;

        kill(pid, SIGKILL);
        errno = error;
        return result;
}

static long try_chroot(void) {
        return chroot("/");
}

static long try_pivot_root(void) {
        return syscall(SYS_pivot_root, "/", "/");
}

static long make_node(mode_t mode, dev_t device) {
        char name[64];

        snprintf(name, sizeof name, "/tmp/.probe-%d", getpid());
        int result = mknod(name, mode, device);
        int error = errno;

        unlink(name);
        errno = error;
        return result;
}

static long try_mknod(void) {
        return make_node(S_IFCHR | 0600, makedev(1, 5));
}

static long try_mknod_block(void) {
        return make_node(S_IFBLK | 0600, makedev(7, 0));
}

static long try_bpf(void) {
        return syscall(SYS_bpf, 0, NULL, 0);
}

static long try_keyctl(void) {
        return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
}

static long try_add_key(void) {
        return syscall(SYS_add_key, "user", "probe", "x", 1, KEY_SPEC_PROCESS_KEYRING);
}

static long try_reboot(void) {
        return syscall(SYS_reboot, 0, 0, 0, NULL);
}

static long try_kexec(void) {
        return syscall(SYS_kexec_load, 0, 0, NULL, ~0UL);
}

static long try_init_module(void) {
        return syscall(SYS_init_module, NULL, 0, "");
}

static long try_clock_settime(void) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return clock_settime(CLOCK_REALTIME, &now);
}

static long try_sethostname(void) {
        char name[65] = "";

        return gethostname(name, sizeof name - 1) < 0 ? -1 : sethostname(name, strlen(name));
}

static long try_setuid(void) {
        return setuid(0);
}

static long try_swapon(void) {
        return swapon("/dev/null", 0);
}

static long try_syslog(void) {
        char buffer[16];

        return klogctl(3, buffer, sizeof buffer);
}

static long try_perf_event(void) {
        struct perf_event_attr wish = {.type = PERF_TYPE_SOFTWARE, .size = sizeof wish};

        return syscall(SYS_perf_event_open, &wish, -1, 0, -1, 0);
}

static long try_userfaultfd(void) {
        return syscall(SYS_userfaultfd, O_CLOEXEC);
}

static long try_open_by_handle(void) {
        unsigned handle[4] = {8}; /* struct file_handle: length of the rest, type, data */

        return syscall(SYS_open_by_handle_at, AT_FDCWD, handle, O_RDONLY);
}

static long try_io_uring(void) {
        return syscall(SYS_io_uring_setup, 0, NULL);
}

static long try_acct(void) {
        return acct("/nonexistent/probe");
}

static long try_quotactl(void) {
        return syscall(SYS_quotactl, 0x80000300U, "/dev/null", 0, NULL);
}

static long try_packet_socket(void) {
        return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
}

static long try_raw_socket(void) {
        return socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
}

static long try_low_port(void) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(79)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        return fd < 0 ? -1 : bind(fd, (struct sockaddr *) &address, sizeof address);
}

static long try_vsock_socket(void) {
        return socket(40 /* AF_VSOCK */, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static long try_personality(void) {
        return personality(ADDR_NO_RANDOMIZE);
}

/* A number that no kernel has. */
static long try_unknown(void) {
        return syscall(9999);
}

static const struct {
        const char *name;
        long (*call)(void);
} calls[] = {
        {"acct", try_acct},
        {"add_key", try_add_key},
        {"bind-low-port", try_low_port},
        {"bind-mount", try_bind},
        {"bpf", try_bpf},
        {"chroot", try_chroot},
        {"clock_settime", try_clock_settime},
        {"fsopen", try_fsopen},
        {"init_module", try_init_module},
        {"io_uring_setup", try_io_uring},
        {"kexec_load", try_kexec},
        {"keyctl", try_keyctl},
        {"mknod", try_mknod},
        {"mknod-block", try_mknod_block},
        {"mount", try_mount},
        {"open_by_handle_at", try_open_by_handle},
        {"open_tree", try_open_tree},
        {"packet-socket", try_packet_socket},
        {"perf_event_open", try_perf_event},
        {"personality", try_personality},
        {"pivot_root", try_pivot_root},
        {"ptrace", try_ptrace},
        {"quotactl", try_quotactl},
        {"raw-socket", try_raw_socket},
        {"reboot", try_reboot},
        {"sethostname", try_sethostname},
        {"setns", try_setns},
        {"setuid", try_setuid},
        {"swapon", try_swapon},
        {"syslog", try_syslog},
        {"umount", try_umount},
        {"unknown", try_unknown},
        {"unshare-mount", try_unshare_mount},
        {"unshare-net", try_unshare_net},
        {"unshare-user", try_unshare_user},
        {"userfaultfd", try_userfaultfd},
        {"vsock-socket", try_vsock_socket},
};

#define N_CALLS (sizeof calls / sizeof calls[0])

/* Prints `NAME ok`, `NAME EPERM` or, if the call killed its caller, `NAME SIGSYS`. */
static int probe(const char *name, long (*call)(void)) {
        int status;

        fflush(stdout);
        pid_t pid = fork();

        if (pid < 0)
                return complain("syscall", "fork");
        if (pid == 0)
                _exit(call() < 0 ? errno : 0);
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return complain("syscall", "wait");
        if (WIFSIGNALED(status))
                printf("%s SIG%s\n", name, sigabbrev_np(WTERMSIG(status)));
        else
                printf("%s %s\n", name, WEXITSTATUS(status) ? errno_name(WEXITSTATUS(status)) : "ok");
        return 0;
}

static int try_syscall(char **arguments, int count) {
        bool all = strcmp(arguments[0], "all") == 0;
        int status = all ? 0 : 2;

        (void) count;
        for (size_t i = 0; i < N_CALLS; i++)
                if (all || strcmp(calls[i].name, arguments[0]) == 0)
                        status = probe(calls[i].name, calls[i].call);
        if (status == 2)
                fprintf(stderr, "inspect: syscall: do not know %s\n", arguments[0]);
        return status;
}

const Word probe_words[] = {
        {"syscall", 1, 0, try_syscall, "NAME|all is it refused?"},
        {NULL, 0, 0, NULL, NULL},
};
