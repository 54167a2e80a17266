/* Listening sockets that a socket unit of the host passes to the pod (sd_listen_fds(3)): from the unit that
 * we are the main process of, through systemd-nspawn, to the pod's PID 1. */
#pragma once

#include <sys/types.h>

#define FIRST_LISTENER 3 /* SD_LISTEN_FDS_START */

/* How many were passed to this process; for a child of its, ask by the parent's id. */
int count_listeners(pid_t owner);

/* The parent's own copies: whoever accepts has others. */
void close_listeners(int count);
