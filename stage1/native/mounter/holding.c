#include "holding.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "basic/idmap.h"
#include "basic/inroot.h"
#include "basic/util.h"
#include "launchfile/launchfile.h"
#include "mounts/mounts.h"

static int open_below(int root, const char *path, const char *below, int flags) {
        AUTO_FREE char *whole = xasprintf("%s/%s", path, below);
        return open_in_root(root, whole, flags);
}

/* Where a unit would bind it; a place that is not there was never mounted. */
static void bind_volume(int root, int app_root, const char *volume, const char *target) {
        AUTO_CLOSE int source = open_below(root, "pod/volumes", volume, O_PATH);
        AUTO_CLOSE int place = open_in_root(app_root, target, O_PATH);
        unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE;

        if (source < 0 || place < 0)
                return;
        AUTO_CLOSE int tree = (int) syscall(SYS_open_tree, source, "", flags);
        if (tree < 0 || syscall(SYS_move_mount, tree, "", place, "",
                                MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
                die_errno("cannot mount volume %s at %s", volume, target);
}

int hold(const char *app, char **volumes) {
        struct launch launch;
        char byte;

        read_launch(&launch);
        enter_mount_namespace();
        make_mounts(launch.mounts, launch.n_mounts, &launch.ids);
        AUTO_CLOSE int root = open("rootfs", O_PATH | O_DIRECTORY | O_CLOEXEC);
        AUTO_FREE char *place = xasprintf("%s/rootfs", app);
        AUTO_CLOSE int app_root = root < 0 ? -1 : open_below(root, "pod/apps", place, O_PATH | O_DIRECTORY);
        if (app_root < 0)
                die_errno("the pod has no root of app %s", app);
        for (; volumes[0] && volumes[1]; volumes += 2)
                bind_volume(root, app_root, volumes[0], volumes[1]);
        if (fchdir(app_root) < 0)
                die_errno("cannot enter the root of app %s", app);
        if (launch.ids.count > 0 && setns(open_user_namespace(&launch.ids), CLONE_NEWUSER) < 0)
                die_errno("cannot take on the pod's ids");
        if (write_all(STDOUT_FILENO, "ready\n", 6) < 0)
                return EXIT_RUNTIME;
        while (read(STDIN_FILENO, &byte, 1) > 0)
                ; /* until whoever started us lets go */
        return 0;
}
