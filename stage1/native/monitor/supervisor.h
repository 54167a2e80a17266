/* systemd-nspawn as our child: started in its cgroups and mount namespace, and found again by its leader. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "launchfile/launchfile.h"

/* Starts it and waits until it is executed. On failure: *error is what went wrong (to be freed), the result
 * -1. The descriptors in inherited (-1 at the end) stay open in it: the lock, so that the pod counts as
 * running while either of us lives, and the apps' FIFOs, without which nothing could open its output any
 * more once we are killed. terminal -1: none. */
pid_t supervisor_start(const struct launch *launch, const int *inherited, int terminal, char **error);

/* The pod's PID 1 among the supervisor's children, or 0. */
pid_t supervisor_find_leader(pid_t supervisor);

/* True when PID 1 would not lose the signal: it has a handler, or waits for it with a signalfd. */
bool process_heeds(pid_t pid, int signal_number);
