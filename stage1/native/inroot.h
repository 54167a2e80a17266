/* Paths inside a root that somebody else fills: what a name means there, never what it means outside. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* openat2(2) in the root: links, `..` and absolute paths stay inside, magic links are refused. */
int open_in_root(int root, const char *path, int flags);

/* A file's text as seen from inside, at most max bytes; NULL and errno otherwise. Only regular files. */
char *read_in_root(int root, const char *path, size_t max);

/* How a mount point is made: `owner` is the host's number of the one who owns what is made; `cross` allows
 * to make it below another mount, whose source that would change. Returns its O_PATH descriptor, or -1. */
struct mount_point {
        bool directory, cross;
        uid_t owner;
        gid_t group;
};
int make_in_root(int root, const char *path, const struct mount_point *how);
