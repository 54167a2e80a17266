#include "joining.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "basic/files.h"
#include "basic/idmap.h"
#include "basic/inroot.h"
#include "basic/util.h"
#include "grafting.h"
#include "launchfile/launchfile.h"
#include "mounts/credentials.h"
#include "mounts/mounts.h"
#include "mounts/places.h"
#include "subject/subject.h"

#define RECORDS_MAX ((size_t) 4 << 20)

/* What an app has of its own in the pod's root: its root, what its unit binds once more, nodes of devices,
 * and secrets. */
static const char *const places[] = {"pod/apps/%s/rootfs", "pod/mounts/%s", "pod/nodes/%s",
                                     "pod/credentials/%s"};

#define ASIDE 1

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static char *place_of(size_t which, const char *app) {
        return xasprintf(places[which], app);
}
#pragma GCC diagnostic pop

static void read_records(struct launch *launch) {
        size_t size;
        char *text = read_file(AT_FDCWD, "/proc/self/fd/0", &size, RECORDS_MAX);
        char *error = text ? launch_parse(launch, text, size) : NULL;

        if (!text)
                die_errno("cannot read what is to be mounted");
        if (error)
                die("%s", error);
}

static struct id_range ids_of(const struct subject *pod) {
        if (!(pod->namespaces & CLONE_NEWUSER))
                return (struct id_range){};
        return (struct id_range){.base = id_outside(pod->uid_map, 0), .count = 1};
}

static int open_users(const struct subject *pod) {
        AUTO_FREE char *path = xasprintf("/proc/%d/ns/user", (int) pod->pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                die_errno("cannot open the pod's user namespace");
        return fd;
}

/* All mounts of the app as one tree; -1 if it has none at this place. */
static int take_tree(const char *place, int users) {
        unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
        AUTO_FREE char *path = xasprintf("rootfs/%s", place);
        int tree;

        if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                return -1;
        tree = (int) syscall(SYS_open_tree, AT_FDCWD, path, flags);
        if (tree < 0)
                die_errno("cannot take %s", path);
        return users < 0 ? tree : lock_tree(tree, users, place);
}

/* The pod's root is not here: what the mounts' targets lie in is made of nothing. Places that are no app's
 * root get a mount of their own, so that they can be taken with what is in them. */
static void make_ground(const char *app) {
        AUTO_FREE char *aside = xasprintf("rootfs/pod/mounts/%s", app);

        if (mount("tmpfs", "rootfs", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755") < 0)
                die_errno("cannot mount a tmpfs at rootfs");
        if (make_dirs(aside, 0755) < 0 ||
            mount("tmpfs", aside, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,nr_inodes=4096") < 0)
                die_errno("cannot mount a tmpfs at %s", aside);
}

static bool has_entries(const struct launch *launch) {
        for (size_t i = 0; i < launch->n_mounts; i++)
                if (launch->mounts[i].root && strcmp(launch->mounts[i].root, "rootfs") == 0)
                        return true;
        return false;
}

static uint64_t mount_number(int fd) {
        struct statx found;

        if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &found) < 0 || !(found.stx_mask & STATX_MNT_ID))
                die_errno("cannot ask for the number of a mount");
        return found.stx_mnt_id;
}

static void attach(const struct subject *pod, const struct id_range *ids, const char *place, int tree) {
        act_as_pod_root(ids);
        AUTO_CLOSE int target = make_in_root(pod->root, place, MAKE_DIRECTORY | MAKE_ON_ONE_MOUNT);
        int error = errno;

        act_as_host_root();
        errno = error;
        if (target < 0)
                die_errno("cannot make the mount point %s in the pod", place);
        if (mount_number(target) != mount_number(pod->root))
                die("there is a mount at %s of the pod already", place);
        attach_graft(tree, target, place);
}

static void join(const struct subject *pod) {
        if (setns(pod->process, CLONE_NEWNS) < 0)
                die_errno("cannot join the pod's mount namespace");
}

int install_app(const char *app) {
        int trees[] = {-1, -1, -1, -1};
        _Static_assert(ARRAY_LEN(trees) == ARRAY_LEN(places), "a tree for each place");
        struct subject pod;
        struct launch launch;

        read_records(&launch);
        find_subject(&pod, NULL, true);
        read_subject(&pod);
        const struct id_range ids = ids_of(&pod);
        AUTO_CLOSE int users = ids.count > 0 ? open_users(&pod) : -1;
        enter_mount_namespace();
        make_ground(app);
        make_mounts(launch.mounts, launch.n_mounts, &launch.ids);
        make_credentials(launch.credentials, launch.n_credentials, &launch.ids);
        for (size_t i = 0; i < ARRAY_LEN(places); i++) {
                AUTO_FREE char *place = place_of(i, app);
                trees[i] = i != ASIDE || has_entries(&launch) ? take_tree(place, users) : -1;
        }
        join(&pod);
        for (size_t i = ARRAY_LEN(places); i-- > 0;) { /* the root last: with it the app is all there */
                AUTO_FREE char *place = place_of(i, app);
                if (trees[i] >= 0)
                        attach(&pod, &ids, place, trees[i]);
        }
        return 0;
}

/* An app's mounts that were there when the pod started are locked: they came from a mount namespace of a
 * greater user namespace, and umount(2) refuses them one by one, whoever asks. But when the directory or
 * file goes that a mount lies on, the mount goes with it, in every namespace and with all below it (rmdir(2)
 * by somebody in whose own mount namespace it is none: so we do not join the pod's). */
static void remove_entry(int parent, const char *name) {
        if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno == ENOTDIR)
                (void) unlinkat(parent, name, 0);
}

static void remove_entries(int parent, const char *name) {
        AUTO_CLOSE int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        DIR *directory = fd < 0 ? NULL : fdopendir(fd);

        if (!directory)
                return;
        for (const struct dirent *entry; (entry = readdir(directory));)
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        remove_entry(dirfd(directory), entry->d_name);
        (void) take_fd(&fd);
        closedir(directory);
}

/* What bears the app's name below one of the pod's directories: a mount, or a directory of mounts. */
static void remove_below(const struct subject *pod, const char *place, const char *app) {
        AUTO_CLOSE int parent = open_in_root(pod->root, place, O_PATH | O_DIRECTORY);

        if (parent < 0)
                return;
        remove_entry(parent, app);
        if (faccessat(parent, app, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                return;
        remove_entries(parent, app);
        remove_entry(parent, app);
        if (faccessat(parent, app, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                die("cannot remove %s/%s of the pod", place, app);
}

static bool is_among(const char *word, char **words) {
        for (; *words; words++)
                if (strcmp(*words, word) == 0)
                        return true;
        return false;
}

int uninstall_app(const char *app, char **kept) {
        static const char *const parts[] = {"apps", "mounts", "nodes", "credentials"};
        struct subject pod;

        find_subject(&pod, NULL, true);
        read_subject(&pod);
        const struct id_range ids = ids_of(&pod);
        act_as_pod_root(&ids);
        for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
                AUTO_FREE char *place = xasprintf("pod/%s", parts[i]);
                if (!is_among(parts[i], kept))
                        remove_below(&pod, place, app);
        }
        act_as_host_root();
        return 0;
}
