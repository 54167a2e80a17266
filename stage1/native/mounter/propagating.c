#include "propagating.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "basic/util.h"

#define OUTSIDE "/run/systemd/nspawn/propagate"

/* Where older releases of systemd-nspawn and newer ones let them arrive. */
static const char *const arrivals[] = {"/run/host/incoming", "/run/systemd/nspawn/incoming"};

static void make_place(const char *path, bool directory) {
        if ((directory ? mkdir(path, 0700) : mknod(path, S_IFREG | 0600, 0)) < 0 && errno != EEXIST)
                die_errno("cannot make %s", path);
}

static void remove_place(const char *path) {
        (void) umount2(path, MNT_DETACH);
        if (rmdir(path) < 0)
                (void) unlink(path);
}

/* Read-only takes two steps this way: they are taken where nobody sees it, and a mount can be moved away
 * only from below one that is not shared. */
static char *finish_aside(const struct graft *graft, bool directory) {
        char *aside = xstrdup("/run/pod-mount.XXXXXX");
        unsigned long depth = graft->recursive ? MS_REC : 0;
        unsigned long fixed =
                MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV | (graft->read_only ? MS_RDONLY : 0);

        if (!mkdtemp(aside) || mount(aside, aside, NULL, MS_BIND, NULL) < 0 ||
            mount(NULL, aside, NULL, MS_PRIVATE, NULL) < 0)
                die_errno("cannot make a place aside at %s", aside);
        AUTO_FREE char *tree = xasprintf("%s/tree", aside);
        make_place(tree, directory);
        if (mount(graft->source, tree, NULL, MS_BIND | depth, NULL) < 0 ||
            mount(NULL, tree, NULL, MS_PRIVATE | depth, NULL) < 0 ||
            mount(NULL, tree, NULL, fixed, NULL) < 0) {
                int error = errno;
                remove_place(tree);
                remove_place(aside);
                errno = error;
                die_errno("cannot take %s", graft->source);
        }
        return aside;
}

char *propagate(const struct graft *graft, const char *machine, bool directory) {
        if (graft->recursive)
                die("mounts below %s cannot be made read-only all at once on this kernel; leave them out",
                    graft->source);
        AUTO_FREE char *aside = finish_aside(graft, directory);
        AUTO_FREE char *tree = xasprintf("%s/tree", aside);
        AUTO_FREE char *place = xasprintf("%s/%s/%s", OUTSIDE, machine, strrchr(aside, '.') + 1);
        bool moved;

        make_place(place, directory);
        moved = mount(tree, place, NULL, MS_MOVE, NULL) == 0;
        int error = errno;
        remove_place(tree);
        remove_place(aside);
        errno = error;
        if (!moved) {
                remove_place(place);
                die_errno("cannot mount at %s", place);
        }
        return xstrdup(strrchr(place, '/') + 1);
}

/* A mount is another file system's, or at least another number than its parent's. */
static bool has_arrived(const char *path) {
        struct statx here, above;
        AUTO_FREE char *parent = xasprintf("%s/..", path);
        int base = statx(AT_FDCWD, path, 0, STATX_MNT_ID, &here);

        if (base < 0)
                return false;
        *strrchr(parent, '/') = '\0';
        *strrchr(parent, '/') = '\0';
        return statx(AT_FDCWD, parent, 0, STATX_MNT_ID, &above) == 0 && here.stx_mnt_id != above.stx_mnt_id;
}

void move_arrived(const char *name, int target, int self, const char *target_name) {
        AUTO_FREE char *place = xasprintf("%d", target);

        for (size_t i = 0; i < ARRAY_LEN(arrivals); i++) {
                AUTO_FREE char *arrived = xasprintf("%s/%s", arrivals[i], name);
                if (!has_arrived(arrived))
                        continue;
                if (fchdir(self) < 0)
                        die_errno("cannot go to the descriptors");
                if (mount(arrived, place, NULL, MS_MOVE, NULL) < 0 &&
                    mount(arrived, place, NULL, MS_BIND, NULL) < 0)
                        die_errno("cannot mount at %s", target_name);
                return;
        }
        die("the mount does not arrive in the pod: the host's /run is no shared mount, or the pod is no "
            "machine");
}

void clear_way(const char *machine, const char *name) {
        AUTO_FREE char *place = xasprintf("%s/%s/%s", OUTSIDE, machine, name);

        remove_place(place);
}
