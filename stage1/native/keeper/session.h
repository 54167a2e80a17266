/* A command inside an app seen from the host: its streams or terminal, signals, and its end. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "flow.h"
#include "keeper_options.h"

struct session {
        const struct keeper_options *options;
        int child_streams[3]; /* the command's side */
        int master, slave;    /* of its terminal, or -1 */
        int front;            /* to the process the user waits for, or -1 */
        pid_t child;
        int child_fd;
        uint64_t child_start;
        struct flow flows[3]; /* as the streams are numbered; with a terminal the first two */
        struct detach_keys keys;
        const char *app, *record; /* record: its directory below run/sessions once it is detached */
};

/* Everything that is opened before anything is joined; `root` is the app's. */
void open_session(struct session *session, int root, uid_t owner);

/* Carries streams and signals until the command's end; its exit status, 128 + N for a signal. */
int run_session(struct session *session);
