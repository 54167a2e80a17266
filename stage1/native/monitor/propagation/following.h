/* Volumes in which what the host mounts later is seen (`follow` records).
 *
 * They are mounted before systemd-nspawn starts, and systemd-nspawn may have made everything private since
 * (257 does). So when the pod's mount namespace is there, and before its systemd is, their mounts get the
 * host's for master once more. They stay where they are, with what is mounted in them. */
#pragma once

#include <sys/types.h>

#include "launchfile/launchfile.h"

/* Leaves the caller in the mount namespace of the pod's PID 1. Dies naming the path. Linux 5.15. */
void follow_host(const struct launch *launch, pid_t leader);
