/* From a process of the host to a command inside the app, with its rights and nothing else. */
#pragma once

#include "filters.h"
#include "plan.h"

/* Gives up everything step by step, in the host's pid namespace, where the pod does not see it, and when
 * nothing is left bears the command into the pod: a child of our own parent, whose pid is reported. Dies
 * with what went wrong, and with 126 or 127 if that was the program. */
void join_and_bear(const struct plan *plan, const struct filters *filters, char **argv, int report)
        __attribute__((noreturn));
