#include "living.h"

#include <malloc.h>
#include <unistd.h>

#include "basic/memory.h"
#include "basic/room.h"
#include "basic/times.h"
#include "basic/util.h"
#include "cgroups.h"
#include "console.h"
#include "listeners.h"
#include "monitor/control/attach.h"
#include "monitor/streams/journal.h"
#include "stopping.h"
#include "supervisor.h"

#define HALT_RETRY_MS 10
#define IDLE_MS       500 /* nothing for so long: memory goes back */

static int earlier(int one, int other) {
        return one < 0 ? other : other < 0 ? one : one < other ? one : other;
}

int turn(struct monitor *monitor, int timeout_ms) {
        if (!monitor->options.quiet) {
                timeout_ms = earlier(timeout_ms, display_check(&monitor->out));
                timeout_ms = earlier(timeout_ms, display_check(&monitor->err));
        }
        timeout_ms = earlier(timeout_ms, journal_check());
        apps_update(&monitor->apps);
        attached_update();
        return serve_sources(timeout_ms);
}

static char *set_limits(const struct launch *launch) {
        char *error = NULL;

        for (size_t i = 0; !error && i < launch->n_limits; i++)
                error = write_limit(launch->limits[i].path, launch->limits[i].value);
        return error;
}

static void start(struct monitor *monitor) {
        int terminal = has_terminal(monitor) ? monitor->terminal.slave : -1;
        int *inherited = xalloc((2 * monitor->apps.count + (size_t) monitor->listeners + 2) * sizeof(int)),
            *next = inherited;

        *next++ = monitor->options.lock_fd;
        for (int i = 0; i < monitor->listeners; i++)
                *next++ = FIRST_LISTENER + i;
        for (size_t i = 0; i < monitor->apps.count; i++) {
                const struct app *app = monitor->apps.all[i];
                if (!app->out.terminal)
                        *next++ = app->out.source.fd;
                *next++ = app->err.source.fd;
        }
        *next = -1;
        monitor->outcome.started = time_now(CLOCK_REALTIME);
        monitor->supervisor = -1;
        monitor->outcome.start_error = set_limits(&monitor->launch);
        wiring_open(&monitor->wiring, &monitor->launch);
        if (!monitor->outcome.start_error)
                monitor->supervisor = supervisor_start(&monitor->launch, inherited, terminal,
                                                       &monitor->outcome.start_error);
        if (monitor->supervisor > 0)
                wiring_begin(&monitor->wiring, &monitor->launch);
        monitor->ended = monitor->supervisor < 0;
        free(inherited);
        close_listeners(monitor->listeners);
}

void run(struct monitor *monitor) {
        bool idle = false;

        start(monitor);
        room_keep(ROOM);
        while (!monitor->ended) {
                if (monitor->halt_pending)
                        hand_on_halt(monitor);
                if (turn(monitor, monitor->halt_pending ? HALT_RETRY_MS : idle ? -1 : IDLE_MS) != 0)
                        idle = false;
                else if (!idle) {
                        idle = true;
                        streams_forget();
                        forget_code();
                        (void) malloc_trim(0);
                }
        }
        reap_wiring(monitor, true);
        monitor->outcome.ended = time_now(CLOCK_REALTIME);
}
