/* Nodes of the host's devices for apps, on a file system in memory: with an owner whom the app is, which the
 * node of the host cannot have. */
#pragma once

#include "launchfile.h"

/* Makes one node; the first call mounts the file system that all lie on. Dies naming the device. */
void make_device(const struct mount_spec *spec, const struct id_range *ids, bool first);
