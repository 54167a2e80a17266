/* The plan that enter follows, written down from what was read of the app and decided. */
#pragma once

#include "enter/filters.h"
#include "rights.h"

struct command {
        const struct subject *subject;
        const struct rights *rights;
        const struct filters *filters;
        const char *filter_file; /* NULL: none was read */
        const char *directory;   /* where it begins, as seen inside */
        char **argv, **environment;
        int streams[3]; /* its standard streams */
        bool terminal;  /* they are one */
        int preserved;  /* descriptors from 3 on */
        int tools;      /* the host's /usr, read-only and detached, or -1 */
};

/* In a file without a name. */
int write_plan(const struct command *command);
