/* Signals to the monitor, most of which ask for the pod's end: in order, and hard when asked again. */
#pragma once

#include "monitor.h"

void catch_signals(struct monitor *monitor);

/* Says it once more to a pod that was too young to hear it; only while halt_pending. */
void hand_on_halt(struct monitor *monitor);
