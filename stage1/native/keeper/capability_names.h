/* Capabilities by their names. */
#pragma once

/* The number of a name with or without CAP_, in any case; -1 if there is none. */
int capability_number(const char *name);
