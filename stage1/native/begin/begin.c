/* begin [--at-once] [--close-settings] [--apparmor] PROGRAM [ARGUMENT…]
 *
 * The first step of a pod's PID 1, in the pod's own root, where the pod has a network of its own or mounts
 * that follow the host's: it hands out its network namespace, which only systemd-nspawn could make so that
 * it belongs to the pod's user namespace, waits until all is set up, and becomes PROGRAM, systemd. If nobody
 * does it, it ends, and the pod with it. With --at-once there is nothing to wait for. */
#include "begin.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include "basic/files.h"
#include "basic/localsocket.h"
#include "basic/passing.h"
#include "basic/util.h"

/* Who sets it up ends when the monitor does, and is heard to end; this is for one that is stopped. */
#define PATIENCE_MS (120 * 1000)
#define SYS         "/sys"
#define APPARMOR    SYS "/module/apparmor/parameters"

static void hand_out_namespace(int to) {
        AUTO_CLOSE int namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

        if (namespace < 0 || !send_descriptor(to, namespace))
                die_errno("cannot hand out the pod's network namespace");
}

static void await_network(int from) {
        struct pollfd source = {.fd = from, .events = POLLIN};
        char byte;

        if (poll(&source, 1, PATIENCE_MS) != 1 || recv(from, &byte, 1, 0) != 1)
                die("the pod's network was not set up");
}

/* systemd-nspawn leaves /proc/sys/net writable, as the settings are the pod's own. In a user namespace the
 * kernel asks for CAP_NET_ADMIN; of the host's root it does not. What lies below is read-only. */
static void close_settings(void) {
        if (umount2("/proc/sys/net", MNT_DETACH) < 0 && errno != EINVAL)
                die_errno("cannot make the settings of the pod's network read-only");
}

static void remount_sys(unsigned long flags) {
        if (mount(NULL, SYS, NULL, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV | MS_NOEXEC | flags, NULL) <
            0)
                die_errno("cannot change how " SYS " is mounted");
}

/* Beside a network of the pod's own systemd-nspawn shows only some of /sys, without /sys/module. There
 * systemd asks whether the kernel has AppArmor, and without an answer it would run apps with no profile. */
static void show_apparmor(void) {
        if (access(APPARMOR "/enabled", F_OK) == 0)
                return;
        remount_sys(0);
        if (make_dirs(APPARMOR, 0755) < 0 || write_file(AT_FDCWD, APPARMOR "/enabled", "Y\n") < 0)
                die_errno("cannot show systemd that there is AppArmor");
        remount_sys(MS_RDONLY);
}

static void set_up_network(void) {
        AUTO_CLOSE int monitor = connect_to(BEGIN_IN_POD);

        if (monitor < 0)
                die_errno("nobody sets up the pod's network: %s", BEGIN_IN_POD);
        hand_out_namespace(monitor);
        await_network(monitor);
}

static bool take(char ***words, const char *option) {
        bool there = **words && strcmp(**words, option) == 0;

        *words += there;
        return there;
}

int main(int argc, char **argv) {
        char **program = argv + (argc > 0);
        bool alone = take(&program, "--at-once"), closes = take(&program, "--close-settings"),
             labels = take(&program, "--apparmor");

        if (!*program)
                die("usage: begin [--at-once] [--close-settings] [--apparmor] PROGRAM [ARGUMENT…]");
        if (!alone)
                set_up_network();
        if (closes)
                close_settings();
        if (labels)
                show_apparmor();
        (void) unsetenv("LANG"); /* systemd-nspawn sets it for programs that are no systemd */
        execv(program[0], program);
        die_errno("cannot execute %s", program[0]);
}
