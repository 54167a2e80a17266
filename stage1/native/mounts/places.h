/* Where a mount goes in a root that an image has filled: what a path means inside, never what it means
 * outside. */
#pragma once

#include <stdbool.h>

/* openat2(2) in the root; links, also magic ones, are refused: the path is a real one. -1 and errno. */
int open_place(int root, const char *real, int flags);

/* The path without its links, which stay inside the root and may lead to what is not there yet; to be freed.
 * NULL and errno when they lead nowhere (ELOOP) or are too long. */
char *real_place(int root, const char *path);

/* What is made where there is nothing: a directory or an empty file; only on the mount of the root itself
 * where making it below another one would change what that one's source is (EXDEV). */
enum make {
        MAKE_FILE = 0,
        MAKE_DIRECTORY = 1,
        MAKE_ON_ONE_MOUNT = 2,
};

/* Makes what is missing at path, and directories on the way there. Its O_PATH descriptor, or -1 and errno.
 */
int make_in_root(int root, const char *path, enum make what);
