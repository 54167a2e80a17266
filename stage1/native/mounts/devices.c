#include "devices.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "basic/util.h"
#include "targets.h"

static size_t length_of_place(const char *target) {
        return (size_t) (strrchr(target, '/') - target);
}

static bool is_beside(const struct mount_spec *one, const struct mount_spec *other) {
        size_t length = length_of_place(one->target);
        return length == length_of_place(other->target) && strncmp(one->target, other->target, length) == 0;
}

static int open_parent(const struct mount_spec *spec, const struct mount_spec *before) {
        AUTO_FREE char *place = xasprintf("%.*s", (int) length_of_place(spec->target), spec->target);

        if (before && is_beside(spec, before))
                return open_target(place, true);
        return mount_memory(place, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755");
}

void make_device(const struct mount_spec *spec, const struct mount_spec *before,
                 const struct id_range *ids) {
        const char *name = strrchr(spec->target, '/') + 1;
        uint32_t base = ids->count > 0 ? ids->base : 0;
        struct stat status;

        if (stat(spec->source, &status) < 0)
                die_errno("cannot look at the device %s", spec->source);
        if (!S_ISCHR(status.st_mode) && !S_ISBLK(status.st_mode))
                die("%s is no device", spec->source);
        AUTO_CLOSE int parent = open_parent(spec, before);
        if (mknodat(parent, name, (status.st_mode & S_IFMT) | spec->mode, status.st_rdev) < 0 ||
            fchmodat(parent, name, spec->mode, 0) < 0 ||
            fchownat(parent, name, base + spec->uid, base + spec->gid, AT_SYMLINK_NOFOLLOW) < 0)
                die_errno("cannot make a node for the device %s", spec->source);
}
