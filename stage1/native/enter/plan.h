/* What enter is told to do: all of it, decided and opened by the keeper before anything is joined.
 *
 * The plan is a file of records of two words, a name and a value, each with a NUL behind it and one more
 * behind both. Numbers are decimal; descriptors are open in enter under theirs. Each of the numbers and the
 * directory must be there. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

/* Over the socket for reports comes a sentence on what went wrong, or this and the command's pid as the host
 * numbers it. No sentence begins so. */
#define BORN '\1'

struct numbers {
        uint64_t *all;
        size_t count;
};

struct plan {
        uint64_t process, namespaces; /* its pidfd, and which of its namespaces are joined: CLONE_NEW… */
        uint64_t root, tools;         /* its root directory; the host's /usr, detached, or NO_TOOLS */
        uint64_t preserved;           /* descriptors from 3 on that the command gets */
        uint64_t terminal;            /* its standard streams are one */
        uint64_t umask, no_new_privs; /* as numbers, as all below */
        uint64_t base_filters,
                last_filter; /* those put on while still privileged, and the end of the rest */
        uint64_t permitted, inheritable, bounding, ambient;
        struct numbers uids, gids; /* real, effective, saved, as its user namespace numbers them */
        struct numbers groups;
        struct numbers limits; /* soft and hard of each, as setrlimit(2) numbers them */
        const char *filters;   /* the file they are kept in; NULL: there are none */
        const char *label;     /* of a security module; NULL: as we have */
        const char *directory; /* where it begins, as seen inside */
        char **environment;    /* NULL at the end */
        size_t n_environment;
};

#define NO_TOOLS UINT32_MAX

/* Takes text apart in place; it stays for the plan's life. Returns NULL, or what is wrong. */
char *plan_parse(struct plan *plan, char *text, size_t size);
