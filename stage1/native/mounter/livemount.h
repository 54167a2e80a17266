/* A tree of the host at a place of a running app. It is cloned and gets all it is to be (read-only, owners)
 * before anybody can see it, then it is attached below the app's root in the mount namespace of the pod's
 * PID 1: from there it reaches the running app, and every later start of it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct request {
        const char *directory, *app, *source, *target;
        uint64_t id;
        const char *machine, *note;
        bool read_only, recursive, propagate, app_runs;
};

/* The current directory is the pod's. Prints the mount's number; returns the program's status. */
int add_mount(const struct request *request);

/* Prints `unmounted`, `busy` (whoever uses it keeps it until then) or `gone`. */
int remove_mount(const struct request *request);
