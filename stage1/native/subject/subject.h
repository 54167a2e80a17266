/* The process that an entered one is made like: found, pinned, and read from the host, before anything is
 * joined. */
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#define NO_ID ((uint32_t) -1)

struct subject {
        const char *app; /* NULL: the pod's own PID 1 */
        pid_t leader, pid;
        int leader_fd, process; /* pidfds */
        int root;               /* its root directory, O_PATH */
        uid_t uids[3];          /* real, effective, saved; here and below as the host numbers them */
        gid_t gids[3], *groups;
        size_t n_groups;
        uint64_t inheritable, permitted, bounding, ambient, leader_bounding;
        bool no_new_privs;
        unsigned n_filters, n_leader_filters;
        mode_t umask;
        struct rlimit limits[RLIM_NLIMITS];
        int nice, io_priority;
        cpu_set_t affinity;
        char *oom, *label;
        int namespaces; /* CLONE_NEW… of those that are not ours */
        char *uid_map, *gid_map;
        char **procs;        /* cgroup.procs of its cgroups that we are not in; NULL at the end */
        char *unified_procs; /* that of the unified hierarchy, if we are not in it, */
        int group;           /* and its directory; -1 */
};

/* The current directory is the pod's. Dies with a sentence if the app does not run. `genuine`: it must have
 * been executed, in the app's own root; a process that only waits for its filters to be read is not. */
void find_subject(struct subject *subject, const char *app, bool genuine);

/* Everything but filters; at its end the process is still the same one. */
void read_subject(struct subject *subject);

/* An id between the host's numbers and those of the subject's user namespace; NO_ID if it has none. */
uint32_t id_inside(const char *map, uint32_t id);
uint32_t id_outside(const char *map, uint32_t id);
