/* The process that sets up a pod's network, and the mounts that follow the host's, while its PID 1 waits:
 * see begin.c, its other end. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "launchfile/launchfile.h"

struct wiring {
        int listener; /* where PID 1 will call, until the process is there; -1 with nothing to set up */
        pid_t pid;    /* 0: it is not there */
        int said;     /* what it dies of can be read here */
};

/* Before systemd-nspawn is started. */
void wiring_open(struct wiring *wiring, const struct launch *launch);

/* When it is, and the monitor has left its control group: another process to be moved there would cost
 * another grace period of the kernel. */
void wiring_begin(struct wiring *wiring, const struct launch *launch);

/* Looks whether it has ended, which with `now` it has to. Returns what went wrong, to be freed, or NULL. */
char *wiring_end(struct wiring *wiring, bool now);
