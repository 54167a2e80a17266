/* cgroup v1 tells systemd nothing of processes that were killed for want of memory; the kernel counts them.
 */
#pragma once

#include "launchfile/launchfile.h"

/* Shows the reaper the count of the unit's own group, in which all of the pod is, and notes what it says
 * before the pod begins. Where there is no such group (v2, no limits of memory in this kernel) nothing is
 * done. The current directory must be the pod's, its root must be mounted. */
void show_unit_oom_count(const struct id_range *ids);
