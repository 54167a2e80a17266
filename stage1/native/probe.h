/* Questions about the world inside the pod. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Asks the pod's PID 1 whether the app's program was executed in its latest run. */
bool program_was_executed(const char *app);

/* Is there anything at this path, as the app sees it? */
bool program_exists(const char *app_root, const char *program);

/* Waits until something listens on the port; false when it took longer than that. */
bool wait_for_port(uint16_t port, unsigned seconds);
