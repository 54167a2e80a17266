/* The end of a pod: what is still to be read, the verdict, and what is taken away. */
#pragma once

#include "monitor.h"

/* Returns the monitor's exit status. Not at all when the pod is started again. */
int finish(struct monitor *monitor);
