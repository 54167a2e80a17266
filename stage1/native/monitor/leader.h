/* The pod's PID 1 as the host sees it. */
#pragma once

#include "monitor.h"

/* Remembers it, in run/leader too, the first time it is seen. */
void set_leader(struct monitor *monitor, pid_t leader);

void look_for_leader(struct monitor *monitor);

/* No process that has its number since counts for it. */
bool leader_lives(const struct monitor *monitor);
