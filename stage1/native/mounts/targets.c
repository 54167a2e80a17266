#include "targets.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "basic/util.h"
#include "places.h"

int open_root(const char *root) {
        bool inside = strncmp(root, "rootfs/", 7) == 0;
        AUTO_CLOSE int top = open(inside ? "rootfs" : root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        int fd = top < 0 || !inside ? take_fd(&top) : open_place(top, root + 7, O_PATH | O_DIRECTORY);

        if (fd < 0)
                die_errno("cannot enter the root %s", root);
        return fd;
}

void cannot_make(const char *target) {
        die_errno("cannot make the mount point %s", target);
}

int open_target(const char *target, bool directory) {
        bool inside = strncmp(target, "rootfs/", 7) == 0;
        const char *path = inside ? target + 7 : target;
        AUTO_CLOSE int root = open_root(inside ? "rootfs" : target[0] == '/' ? "/" : ".");
        AUTO_FREE char *real = real_place(root, path);
        int fd = real ? make_in_root(root, real, directory ? MAKE_DIRECTORY : MAKE_FILE) : -1;

        if (fd < 0)
                cannot_make(target);
        return fd;
}

int mount_memory(const char *target, const char *type, unsigned long flags, const char *options) {
        AUTO_CLOSE int place = open_target(target, true);
        AUTO_FREE char *path = xasprintf("/proc/self/fd/%d", place);

        if (mount(type, path, type, flags, options) < 0)
                die_errno("cannot mount a %s at %s", type, target);
        return open_target(target, true);
}
