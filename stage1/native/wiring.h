/* The process that sets up a pod's network while its PID 1 waits: see begin.c, its other end. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "launchfile.h"

struct wiring {
        pid_t pid; /* 0: there is none */
        int said;  /* what it dies of can be read here */
};

/* Before systemd-nspawn is started. Where the pod makes no network of its own, nothing begins. */
void wiring_begin(struct wiring *wiring, const struct launch *launch);

/* Looks whether it has ended, which with `now` it has to. Returns what went wrong, to be freed, or NULL. */
char *wiring_end(struct wiring *wiring, bool now);
