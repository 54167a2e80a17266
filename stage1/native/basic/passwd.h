/* passwd(5) and group(5): text to judge, nothing to run. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define PASSWD_MAX    ((size_t) 4 << 20) /* larger files are not read */
#define PASSWD_FIELDS 8

/* The colon-separated fields of the next line, in place; false at the end, or where there is no text.
 * Missing ones are empty. */
bool next_entry(char **rest, char *fields[static PASSWD_FIELDS]);
