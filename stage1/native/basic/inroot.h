/* Paths inside a root that somebody else fills: what a name means there, never what it means outside. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* openat2(2) with these RESOLVE_ flags, again for as long as renames elsewhere make the kernel unsure of
 * `..`. */
int open_resolved(int at, const char *path, int flags, uint64_t resolve);

/* openat2(2) in the root: links, `..` and absolute paths stay inside, magic links are refused. */
int open_in_root(int root, const char *path, int flags);

/* A file's text as seen from inside, at most max bytes; NULL and errno otherwise. Only regular files. */
char *read_in_root(int root, const char *path, size_t max);
