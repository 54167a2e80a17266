/* WATCHDOG=1 for the host's manager (WatchdogSec= of the pod's unit), as long as the pod's PID 1 answers. */
#pragma once

#include <sys/types.h>

/* Begins to ask the leader now and then, if our manager wants to hear from us ($WATCHDOG_USEC,
 * $WATCHDOG_PID). */
void watchdog_start(pid_t leader);
