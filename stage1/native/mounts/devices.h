/* Nodes of the host's devices for apps, on file systems in memory: with an owner whom the app is, which the
 * node of the host cannot have. */
#pragma once

#include "launchfile/launchfile.h"

/* Makes one node; the first of those in a directory mounts the file system there, and the others follow it.
 * `before`: the one that was made just before, or NULL. Dies naming the device. */
void make_device(const struct mount_spec *spec, const struct mount_spec *before, const struct id_range *ids);
