/* Whether the pod's systemd is well: its loop takes a connection at its private socket and either answers or
 * hangs up (it speaks only with peers of its own pid namespace). Both take a living loop, neither changes
 * anything. */
#include "watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#include "basic/events.h"
#include "basic/files.h"
#include "basic/inroot.h"
#include "basic/notify.h"
#include "basic/util.h"

#define PRIVATE_SOCKET  "run/systemd/private"
#define BEATS           3 /* in each WATCHDOG_USEC: one may be late */
#define CGROUP_TEXT_MAX 65536

static struct source beat, answer;
static pid_t leader;

static uint64_t wanted_interval(void) {
        const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
        uint64_t interval, owner;

        if (!usec || !parse_number(usec, INT64_MAX, &interval) || interval < BEATS)
                return 0;
        if (pid && (!parse_number(pid, INT32_MAX, &owner) || (pid_t) owner != getpid()))
                return 0;
        return interval / BEATS;
}

static void hang_up(void) {
        if (answer.fd >= 0)
                close(take_fd(&answer.fd));
        answer.events = 0;
}

static void answered(struct source *source, short events) {
        (void) source;
        (void) events;
        hang_up();
        notify_send("WATCHDOG=1");
}

/* A pod that was paused is as it should be. */
static bool stands_still(void) {
        AUTO_FREE char *own = xasprintf("/proc/%d/cgroup", (int) leader);
        AUTO_FREE char *text = read_file(AT_FDCWD, own, NULL, CGROUP_TEXT_MAX);
        bool hybrid = access("/sys/fs/cgroup/unified/cgroup.procs", F_OK) == 0;

        for (char *rest = text, *line; rest && (line = strsep(&rest, "\n"));) {
                if (strncmp(line, "0::/", 4) != 0)
                        continue;
                AUTO_FREE char *path =
                        xasprintf("/sys/fs/cgroup%s%s/cgroup.events", hybrid ? "/unified" : "", line + 3);
                AUTO_FREE char *events = read_file(AT_FDCWD, path, NULL, CGROUP_TEXT_MAX);
                return events && strstr(events, "frozen 1");
        }
        return false;
}

/* The pod may have put a link there: it must not lead to a socket of the host. */
static int open_private_socket(void) {
        AUTO_FREE char *path = xasprintf("/proc/%d/root", (int) leader);
        AUTO_CLOSE int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

        return root < 0 ? -1 : open_in_root(root, PRIVATE_SOCKET, O_PATH | O_NOFOLLOW);
}

static void ask(void) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        AUTO_CLOSE int target = open_private_socket();
        AUTO_FREE char *path = xasprintf("/proc/self/fd/%d", target);

        hang_up();
        if (target < 0 || strlen(path) >= sizeof(address.sun_path))
                return;
        strcpy(address.sun_path, path);
        answer.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        /* A backlog that is full is no answer. */
        if (answer.fd < 0 || connect(answer.fd, (const struct sockaddr *) &address, sizeof(address)) < 0) {
                hang_up();
                return;
        }
        (void) send(answer.fd, "\0AUTH EXTERNAL\r\n", 16, MSG_NOSIGNAL);
        answer.events = POLLIN;
}

static void beat_ready(struct source *source, short events) {
        uint64_t times;

        (void) events;
        if (read(source->fd, &times, sizeof(times)) < 0)
                return;
        if (stands_still())
                notify_send("WATCHDOG=1");
        else
                ask();
}

void watchdog_start(pid_t pid) {
        uint64_t interval = wanted_interval();
        struct itimerspec timer = {};

        if (interval == 0 || leader > 0)
                return;
        leader = pid;
        timer.it_interval = (struct timespec){.tv_sec = (time_t) (interval / 1000000),
                                              .tv_nsec = (long) (interval % 1000000) * 1000};
        timer.it_value = timer.it_interval;
        answer = (struct source){.fd = -1, .ready = answered};
        beat = (struct source){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                               .events = POLLIN,
                               .ready = beat_ready};
        if (beat.fd < 0 || timerfd_settime(beat.fd, 0, &timer, NULL) < 0)
                die_errno("cannot make a timer");
        add_source(&answer);
        add_source(&beat);
}
