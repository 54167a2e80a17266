/* The user's side of a pod: standard streams and terminal, until the user or the pod goes. */
#pragma once

#include "monitor.h"

/* With a terminal of the user's that can be given back another process is waited for than the one that
 * works. Not in a unit: its main process is the one that was started. */
void split(struct monitor *monitor);

void open_displays(struct monitor *monitor);

/* Opens the apps' streams, and joins them to the user's. */
void open_streams(struct monitor *monitor);

bool has_terminal(const struct monitor *monitor);

void stop_printing(struct monitor *monitor);
