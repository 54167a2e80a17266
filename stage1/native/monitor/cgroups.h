/* The cgroups a pod lives in: made before it starts, gone with all below them when it is over. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

void make_cgroups(const char **paths, size_t count);

/* Writes a value into a file of a cgroup, such as memory.max; what went wrong, or NULL. */
char *write_limit(const char *path, const char *value);

/* Adds the paths that stand in a file, one a line, if there is one; the new count. */
size_t more_cgroups(const char *file, const char ***paths, size_t count);

/* fork(2) of a child that may be born in that of the cgroups which is of the unified hierarchy. */
pid_t fork_into_unified(const char **paths, size_t count, bool *in_unified);

/* Puts this process, which has one thread, into the other cgroups; ends with what went wrong. */
void join_cgroups(const char **paths, size_t count, bool in_unified);

/* With cgroup v2 a group that hands controllers on has no processes of its own. systemd-nspawn goes into
 * groups below that of its unit; all others who are there go into one called `monitor`. */
void step_aside(pid_t supervisor);

/* Sends SIGKILL to every process at or below the cgroups. */
void kill_cgroups(const char **paths, size_t count);

/* Kills what is left and removes the cgroups, waiting a bounded time for the kernel to let go of the dead.
 */
void remove_cgroups(const char **paths, size_t count);

/* Lets a paused pod go on: everything beside and below the group of its PID 1. */
void thaw_pod(pid_t leader);
