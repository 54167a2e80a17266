/* systemd-nspawn as our child: started in its cgroups and mount namespace, and found again by its leader. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "launchfile.h"

/* Starts it and waits until it is executed. On failure: *error is what went wrong (to be freed), the result -1.
 * lock_fd is inherited, so that the pod counts as running while either of us lives. terminal -1: none. */
pid_t supervisor_start(const struct launch *launch, int lock_fd, int terminal, char **error);

/* The pod's PID 1 among the supervisor's children, or 0. */
pid_t supervisor_find_leader(pid_t supervisor);

/* True when PID 1 would not lose the signal: it has a handler, or waits for it with a signalfd. */
bool process_heeds(pid_t pid, int signal_number);
