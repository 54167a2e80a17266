/* How the pod ended: what the records say, and what we say of it. */
#pragma once

#include <stdbool.h>
#include <time.h>

/* Space that is kept for what is written at the end, see basic/room.h. */
#define ROOM "run/status/"

struct outcome {
        /* What the monitor saw. */
        bool killed;                           /* a second signal asked for a hard end */
        char *start_error;                     /* why the supervisor could not be started, or NULL */
        int supervisor;                        /* its wait status */
        struct timespec started, ready, ended; /* ready 0: never */
        /* What follows from it and the records. */
        int status;
        const char *reason;
        char *by;      /* the app that decided, or NULL */
        char *message; /* one line for the user, or NULL */
};

void outcome_decide(struct outcome *outcome, const char *label);
void outcome_write(const struct outcome *outcome);

/* Says who asked for the end, unless someone asked before. */
void record_stopping(const char *who);
