#include "readiness.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "basic/files.h"
#include "basic/memory.h"
#include "basic/notify.h"
#include "basic/times.h"
#include "basic/util.h"
#include "leader.h"

#define WHO_MAX 4096

static void pod_is_ready(struct monitor *monitor) {
        char stamp[TIME_TEXT_MAX + 1];
        int result;

        if (monitor->outcome.ready.tv_sec != 0)
                return;
        monitor->outcome.ready = time_now(CLOCK_REALTIME);
        format_time(stamp, &monitor->outcome.ready, 6);
        result = write_file(AT_FDCWD, "run/ready", strcat(stamp, "\n"));
        if (result < 0)
                warn("cannot write run/ready: %s", strerror(-result));
        if (monitor->options.ready_fd >= 0) {
                (void) write_all(monitor->options.ready_fd, "ready\n", 6);
                close(take_fd(&monitor->options.ready_fd));
        }
        AUTO_FREE char *text = xasprintf("READY=1\nMAINPID=%d", (int) getpid());
        notify_send(text);
        forget_code(); /* the start is over, and a pod that talks all the time is never idle */
}

/* By pod-reboot.service. */
bool wants_reboot(void) {
        AUTO_FREE char *who = read_file(AT_FDCWD, "run/status/stopping", NULL, WHO_MAX);

        return who && strcmp(who, "reboot\n") == 0;
}

static void notices_ready(struct source *source, short events) {
        struct monitor *monitor = source->owner;
        struct notice notice;
        char data[4096];

        (void) events;
        while (notify_read(source->fd, data, sizeof(data), &notice)) {
                if (notice.leader > 0)
                        set_leader(monitor, notice.leader);
                look_for_leader(monitor);
                if (notice.status) {
                        AUTO_FREE char *text = xasprintf("STATUS=%s", notice.status);
                        notify_send(text);
                }
                if (notice.ready)
                        pod_is_ready(monitor);
                if (notice.stopping && !(monitor->options.python && wants_reboot()))
                        notify_send("STOPPING=1");
        }
}

void watch_notices(struct monitor *monitor) {
        monitor->notices = (struct source){
                .fd = notify_open(), .events = POLLIN, .ready = notices_ready, .owner = monitor};
        add_source(&monitor->notices);
}
