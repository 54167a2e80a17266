/* The older way into a pod, for kernels without open_tree(2): mounts on the host propagate into a directory
 * that systemd-nspawn made for that. */
#pragma once

#include "grafting.h"

/* Puts the tree, finished, where it propagates from; its name there. Needs the host's /run to be a shared
 * mount. */
char *propagate(const struct graft *graft, const char *machine, bool directory);

/* In the pod's mount namespace: from where it arrived to its place. `self` is /proc/self/fd of the host. */
void move_arrived(const char *name, int target, int self, const char *target_name);

/* Back in the host's mount namespace: takes away what is left of the way. */
void clear_way(const char *machine, const char *name);
