/* Paths inside a root that somebody else fills: what a name means there, never what it means outside. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* openat2(2) in the root: links, `..` and absolute paths stay inside, magic links are refused. */
int open_in_root(int root, const char *path, int flags);

/* A file's text as seen from inside, at most max bytes; NULL and errno otherwise. Only regular files. */
char *read_in_root(int root, const char *path, size_t max);

/* Makes what is missing at path, the last part a directory or a file; only on the mount of the root itself,
 * since below another one it would change what that one's source is. Its O_PATH descriptor, or -1. */
int make_in_root(int root, const char *path, bool directory);
