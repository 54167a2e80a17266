/* proc_pid_mountinfo(5): which mount lies where, and whom it follows. */
#pragma once

#include <stdbool.h>

/* The table of a process, by its path; freed by whoever asked. NULL and errno. */
char *mountinfo_read(const char *path);

/* The line after this one, NULL at the end. */
const char *mountinfo_next(const char *line);

/* The line of the mount that a descriptor leads to; NULL and errno when it is in no such table. */
const char *mountinfo_find(const char *table, int fd);

/* Whether a line has one of the optional fields: `shared:` or `master:`. */
bool mountinfo_has(const char *line, const char *field);

/* Where the mount is, with `\040` and its like for spaces; to be freed. */
char *mountinfo_place(const char *line);

/* Such text as the path it is, in place. */
void mountinfo_unescape(char *text);
