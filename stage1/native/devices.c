#include "devices.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "util.h"

/* The parts of a target: rootfs/pod/nodes and the node's name. Nothing of an image's lies there, so no
 * link can lead elsewhere. */
static int open_parent(const char *target, bool first) {
        AUTO_FREE char *copy = xstrdup(target);
        const char *place = dirname(copy);

        if (first && mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755") < 0)
                die_errno("cannot mount a tmpfs at %s", place);
        int fd = open(place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                die_errno("cannot open %s", place);
        return fd;
}

void make_device(const struct mount_spec *spec, const struct id_range *ids, bool first) {
        const char *name = strrchr(spec->target, '/') + 1;
        uint32_t base = ids->count > 0 ? ids->base : 0;
        struct stat status;

        if (stat(spec->source, &status) < 0)
                die_errno("cannot look at the device %s", spec->source);
        if (!S_ISCHR(status.st_mode) && !S_ISBLK(status.st_mode))
                die("%s is no device", spec->source);
        AUTO_CLOSE int parent = open_parent(spec->target, first);
        if (mknodat(parent, name, (status.st_mode & S_IFMT) | spec->mode, status.st_rdev) < 0 ||
            fchmodat(parent, name, spec->mode, 0) < 0 ||
            fchownat(parent, name, base + spec->uid, base + spec->gid, AT_SYMLINK_NOFOLLOW) < 0)
                die_errno("cannot make a node for the device %s", spec->source);
}
