/* Trees of mounts without a place, on their way to one. */
#pragma once

#include "launchfile/launchfile.h"

/* A detached copy of the mount at path: ours to change and to put anywhere. userns_fd: what its owners are
 * mapped with, or -1. Dies naming path. */
int clone_tree(const char *path, const struct mount_spec *how, int userns_fd);

/* Puts it at its place; both names are for messages. */
void attach_tree(int tree, int target, const char *source, const char *name);
