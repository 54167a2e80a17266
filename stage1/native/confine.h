/* From a process of the host to a command inside the app, with its rights and nothing else. */
#pragma once

#include "filters.h"
#include "rights.h"

struct command {
        const struct subject *subject;
        const struct rights *rights;
        const struct filters *filters;
        const char *directory; /* where it begins, as seen inside */
        char **argv, **environment;
        int streams[3]; /* its standard streams */
        bool terminal;  /* they are one */
        int preserved;  /* descriptors from 3 on */
        int tools;      /* the host's /usr, read-only and detached, or -1 */
};

/* Starts it as our own child; its pid here. Dies with what went wrong, and with 126 or 127 if that was the
 * program. */
pid_t start_command(const struct command *command);
