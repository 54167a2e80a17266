/* Files of the host that no pod can write to, for whatever follows a descriptor there. */
#pragma once

#include <stdint.h>

/* A mount of this one file or directory tree, attached nowhere, read-only and with more MOUNT_ATTR_; -1 if
 * the kernel refuses. */
int clone_read_only(const char *path, uint64_t more);

/* The program of this name beside ours, to be executed: a read-only clone, or a copy in memory that nobody
 * can change any more. Dies if neither can be had. */
int open_sealed(const char *program);
