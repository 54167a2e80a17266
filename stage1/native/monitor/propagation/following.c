#include "following.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "basic/files.h"
#include "basic/inroot.h"
#include "basic/util.h"
#include "mountinfo.h"
#include "mounts/trees.h"

#ifndef MOVE_MOUNT_SET_GROUP
#define MOVE_MOUNT_SET_GROUP 0x00000100 /* linux/mount.h, since 5.15 */
#endif

/* The host's tree once more, attached nowhere: what it lends is that it follows. -1 where the host's mount
 * is private, so that there is nothing to follow. */
static int clone_follower(const struct mount_spec *spec, const char *mountinfo) {
        const struct mount_spec how = {.recursive = spec->recursive, .propagation = MS_SLAVE};
        AUTO_CLOSE int source = open(spec->source, O_PATH | O_CLOEXEC);
        const char *line = source < 0 ? NULL : mountinfo_find(mountinfo, source);

        if (source < 0)
                die_errno("cannot take %s", spec->source);
        if (!line || !(mountinfo_has(line, "shared:") || mountinfo_has(line, "master:")))
                return -1;
        return clone_tree(spec->source, &how, -1);
}

/* False and errno where the one in the pod is no copy of the other, or that one follows nobody. */
static bool take_master(int mount, int follower) {
        struct mount_attr alone = {.propagation = MS_PRIVATE};

        return syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH, &alone, sizeof(alone)) == 0 &&
               syscall(SYS_move_mount, follower, "", mount, "",
                       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH | MOVE_MOUNT_SET_GROUP) == 0;
}

/* Copies of what is mounted in the tree follow as well; what else the pod has there is its own. */
static void follow_below(int mount, int follower, const char *mountinfo) {
        const char *own = mountinfo_find(mountinfo, mount);
        AUTO_FREE char *top = own ? mountinfo_place(own) : NULL;

        for (const char *line = top ? mountinfo : NULL; line; line = mountinfo_next(line)) {
                AUTO_FREE char *place = mountinfo_place(line);
                if (!place || strncmp(place, top, strlen(top)) != 0 || place[strlen(top)] != '/')
                        continue;
                char *rest = place + strlen(top) + 1;
                mountinfo_unescape(rest);
                AUTO_CLOSE int one = open_in_root(mount, rest, O_PATH | O_NOFOLLOW);
                AUTO_CLOSE int other = open_in_root(follower, rest, O_PATH | O_NOFOLLOW);
                if (one >= 0 && other >= 0 && is_same_file(one, other))
                        (void) take_master(one, other);
        }
}

static void follow(const struct mount_spec *spec, int root, int follower, const char *mountinfo) {
        if (follower < 0)
                return;
        AUTO_CLOSE int inside = open_in_root(root, spec->root + strlen("rootfs"), O_PATH | O_DIRECTORY);
        AUTO_CLOSE int mount = inside < 0 ? -1 : open_in_root(inside, spec->target, O_PATH);

        if (mount < 0)
                die_errno("cannot find the mount at %s in the pod", spec->target);
        if (!take_master(mount, follower))
                die_errno("the mount at %s cannot follow %s of the host", spec->target, spec->source);
        if (spec->recursive)
                follow_below(mount, follower, mountinfo);
}

void follow_host(const struct launch *launch, pid_t leader) {
        AUTO_FREE char *place = xasprintf("/proc/%d/root", (int) leader);
        AUTO_FREE char *table = xasprintf("/proc/%d/mountinfo", (int) leader);
        AUTO_FREE int *followers = xalloc((launch->n_follows + 1) * sizeof(int));
        AUTO_CLOSE int process = (int) syscall(SYS_pidfd_open, leader, 0);
        AUTO_CLOSE int root = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
        AUTO_FREE char *mountinfo = mountinfo_read(table);
        AUTO_FREE char *ours = mountinfo_read("/proc/self/mountinfo");

        if (process < 0 || root < 0 || !mountinfo || !ours)
                die_errno("cannot see the mounts of the host and of the pod's PID 1");
        for (size_t i = 0; i < launch->n_follows; i++)
                followers[i] = clone_follower(&launch->follows[i], ours);
        if (setns(process, CLONE_NEWNS) < 0)
                die_errno("cannot join the pod's mount namespace");
        for (size_t i = 0; i < launch->n_follows; i++)
                follow(&launch->follows[i], root, followers[i], mountinfo);
}
