#include "trees.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "basic/idmap.h"
#include "basic/util.h"

int clone_tree(const char *path, const struct mount_spec *how, int userns_fd) {
        unsigned depth = how->recursive ? AT_RECURSIVE : 0;
        struct mount_attr attributes = {.attr_set = how->attributes, .propagation = how->propagation};
        int fd = (int) syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | depth);

        if (fd < 0)
                die_errno("cannot take %s", path);
        if ((attributes.attr_set || attributes.propagation) &&
            syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | depth, &attributes, sizeof(attributes)) < 0)
                die_errno("cannot change how %s is mounted", path);
        if (userns_fd >= 0)
                map_tree(fd, path, how->recursive, userns_fd);
        return fd;
}

void attach_tree(int tree, int target, const char *source, const char *name) {
        if (syscall(SYS_move_mount, tree, "", target, "",
                    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
                die_errno("cannot mount %s at %s", source, name);
}
