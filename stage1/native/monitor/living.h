/* The pod's life: its start, and the event loop until its end. */
#pragma once

#include "monitor.h"

/* From the start of the supervisor until it is gone, or could not be started. */
void run(struct monitor *monitor);

/* One turn of the event loop. Returns how many sources were served. */
int turn(struct monitor *monitor, int timeout_ms);
