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

/* The file begins so; then come n_base and count, and for each its length, its flags and its program. */
#define FILTERS_MAGIC      "podflt1"
#define FILTERS_MAGIC_SIZE ((size_t) 8)
#define FILTERS_MAX        256

void filters_make_room(struct filters *filters);
void filters_read(struct filters *filters, const char *path);

/* Puts filters first…last-1 on this process. */
void filters_install(const struct filters *filters, unsigned first, unsigned last);
