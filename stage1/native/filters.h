/* System call filters of an app: read once from a process that only waits, kept in a file, put on whoever
 * enters. The app itself is never traced. */
#pragma once

#include <linux/filter.h>
#include <sys/types.h>

struct filters {
        unsigned n_base, count; /* the pod's PID 1 has the first n_base too */
        struct sock_fprog *programs;
        unsigned *flags;
};

/* Reads the filters of a process, oldest first, by stopping it for a moment. */
void filters_take(struct filters *filters, pid_t pid);

/* The file appears whole. */
void filters_write(const struct filters *filters, const char *path);
void filters_read(struct filters *filters, const char *path);

/* Puts filters first…last-1 on this process. */
void filters_install(const struct filters *filters, unsigned first, unsigned last);
