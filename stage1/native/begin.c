/* begin [--close-settings] PROGRAM [ARGUMENT…]
 *
 * The first step of a pod's PID 1, in the pod's own root, where the pod has a network of its own: it hands
 * out its network namespace, which only systemd-nspawn could make so that it belongs to the pod's user
 * namespace, waits until it is set up, and becomes PROGRAM, systemd. If nobody sets it up, it ends, and the
 * pod with it. */
#include "begin.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util.h"

/* Who sets it up ends when the monitor does, and is heard to end; this is for one that is stopped. */
#define PATIENCE_MS (120 * 1000)

static int call(void) {
        struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = BEGIN_IN_POD};
        AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                die_errno("nobody sets up the pod's network: %s", BEGIN_IN_POD);
        return take_fd(&fd);
}

static void hand_out_namespace(int to) {
        AUTO_CLOSE int namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        union {
                char bytes[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } room = {};
        struct iovec data = {"", 1};
        struct msghdr message = {
                .msg_iov = &data, .msg_iovlen = 1, .msg_control = &room, .msg_controllen = sizeof(room)};
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);

        *head = (struct cmsghdr){
                .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(head), &namespace, sizeof(int));
        if (namespace < 0 || sendmsg(to, &message, MSG_NOSIGNAL) != 1)
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

int main(int argc, char **argv) {
        bool closes = argc > 1 && strcmp(argv[1], "--close-settings") == 0;
        char **program = argv + 1 + closes;

        if (argc < 2 + closes)
                die("usage: begin [--close-settings] PROGRAM [ARGUMENT…]");
        AUTO_CLOSE int monitor = call();
        hand_out_namespace(monitor);
        await_network(monitor);
        if (closes)
                close_settings();
        (void) unsetenv("LANG"); /* systemd-nspawn sets it for programs that are no systemd */
        execv(program[0], program);
        die_errno("cannot execute %s", program[0]);
}
