/* The pod's mounts, made in a mount namespace of their own: the host's table never sees them. */
#pragma once

#include "launchfile/launchfile.h"

/* Leaves the host's mount namespace; what the host mounts later still comes in, nothing goes out. */
void enter_mount_namespace(void);

/* Carries out the records in their order; dies naming the path. The current directory must be the pod's. In
 * a pod with a range of ids of its own, all parts of overlays are mapped, and binds that say so. The process
 * has no parent-death signal afterwards: the kernel takes it from whoever changes its ids. */
void make_mounts(const struct mount_spec *specs, size_t count, const struct id_range *ids);
