/* What the monitor mounts on: places in the pod's root, or elsewhere in the pod directory. */
#pragma once

#include <stdbool.h>

/* A root below which targets lie. The pod's is somebody else's to fill; all else in the pod directory is
 * ours. */
int open_root(const char *root);

void cannot_make(const char *target) __attribute__((noreturn));

/* The place at target, made if it is not there. It lies below the pod's root, or elsewhere in the pod
 * directory. An image may have put links into the root, so there a path means what it means inside. */
int open_target(const char *target, bool directory);

/* A new file system in memory, of this type, at a place of the pod's root, made if it is not there; its
 * O_PATH descriptor. Dies naming the place. */
int mount_memory(const char *target, const char *type, unsigned long flags, const char *options);
