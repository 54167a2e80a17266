/* System call filters read from a process that only waits: the app itself is never traced. */
#pragma once

#include "enter/filters.h"

/* Oldest first, by stopping the process for a moment. */
void filters_take(struct filters *filters, pid_t pid);

/* The file appears whole. */
void filters_write(const struct filters *filters, const char *path);
