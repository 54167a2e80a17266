/* Signals to the monitor, most of which ask for the pod's end: in order, and hard when asked again. */
#pragma once

#include "monitor.h"

void catch_signals(struct monitor *monitor);

/* Says it once more to a pod that was too young to hear it; only while halt_pending. */
void hand_on_halt(struct monitor *monitor);

/* Looks whether the process that sets up the network has ended, which with `now` it has to. */
void reap_wiring(struct monitor *monitor, bool now);
