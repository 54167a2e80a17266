/* What the kernel tells of processes and of where their cgroups lie. */
#pragma once

#include <sys/types.h>

#define CGROUPS "/sys/fs/cgroup"

/* A file of /proc/PID; NULL and errno if it cannot be read. */
char *read_proc(pid_t pid, const char *name);

/* Dies then. */
char *need_proc(pid_t pid, const char *name);

/* A directory of /proc/PID, O_PATH, or -1. */
int open_proc(pid_t pid, const char *name);

/* Where the unified hierarchy is mounted. */
const char *unified_place(void);
