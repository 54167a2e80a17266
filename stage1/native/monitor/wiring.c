#include "wiring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "basic/localsocket.h"
#include "basic/passing.h"
#include "basic/util.h"
#include "begin/begin.h"
#include "monitor/network/netlink.h"
#include "monitor/network/network.h"
#include "monitor/propagation/following.h"

static void close_between(int after, int before) {
        if (after + 1 < before)
                (void) close_range((unsigned) after + 1, (unsigned) before - 1, 0);
}

/* Above all the pod's lock goes: the pod runs as long as the monitor and systemd-nspawn do. */
static void keep_only(int one, int other) {
        int first = one < other ? one : other, second = one < other ? other : one;

        close_between(STDERR_FILENO, first);
        close_between(first, second);
        (void) close_range((unsigned) second + 1, ~0U, 0);
}

static pid_t caller_of(int connection) {
        struct ucred peer;
        socklen_t size = sizeof(peer);

        if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                die_errno("cannot ask who the pod's PID 1 is");
        return peer.pid;
}

/* Only PID 1 can have called: nothing else is in the pod yet, and once it has, nobody can any more. */
static void wire(const struct launch *launch, int listener) {
        AUTO_CLOSE int host = netlink_open();
        struct pollfd caller = {.fd = listener, .events = POLLIN};
        AUTO_CLOSE int pod = poll(&caller, 1, -1) == 1 ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;

        if (pod < 0)
                die_errno("cannot hear the pod's PID 1");
        (void) unlink(BEGIN_ON_HOST);
        AUTO_CLOSE int namespace = receive_descriptor(pod);
        if (namespace < 0)
                die("the pod's PID 1 did not hand out its network namespace");
        if (launch->network == NETWORK_NEW)
                make_network(launch, host, namespace);
        if (launch->n_follows > 0)
                follow_host(launch, caller_of(pod));
        (void) send(pod, "", 1, MSG_NOSIGNAL); /* one that is gone needs none */
}

void wiring_open(struct wiring *wiring, const struct launch *launch) {
        *wiring = (struct wiring){.listener = -1, .said = -1};
        if (launch->network == NETWORK_NEW || launch->n_follows > 0)
                wiring->listener = listen_at(BEGIN_ON_HOST, 0600, 1);
}

void wiring_begin(struct wiring *wiring, const struct launch *launch) {
        AUTO_CLOSE int listener = take_fd(&wiring->listener);
        pid_t monitor = getpid();
        int ends[2];

        if (listener < 0)
                return;
        if (pipe2(ends, O_CLOEXEC) < 0)
                die_errno("cannot make a pipe");
        wiring->pid = fork();
        if (wiring->pid < 0)
                die_errno("cannot fork");
        if (wiring->pid == 0) {
                die_through(ends[1]);
                if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != monitor)
                        die("the monitor is gone");
                keep_only(listener, ends[1]);
                wire(launch, listener);
                _exit(0);
        }
        close(ends[1]);
        wiring->said = ends[0];
}

char *wiring_end(struct wiring *wiring, bool now) {
        int status = 0;

        if (wiring->pid <= 0)
                return NULL;
        if (now)
                (void) kill(wiring->pid, SIGKILL);
        if (waitpid(wiring->pid, &status, now ? 0 : WNOHANG) != wiring->pid)
                return NULL;
        wiring->pid = 0;
        AUTO_CLOSE int said = take_fd(&wiring->said);
        char *error = last_words(said);
        if (error || status == 0 || now)
                return error;
        return xstrdup("the process that sets up the pod's network was killed");
}
