#include "livemount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "basic/files.h"
#include "basic/idmap.h"
#include "basic/inroot.h"
#include "basic/util.h"
#include "grafting.h"
#include "mounts/places.h"
#include "propagating.h"
#include "subject/subject.h"

/* What is found out from the host before anything is joined. */
struct places {
        struct subject pod, app;
        struct stat source;
        struct id_range ids;
};

static void find_places(struct places *places, const struct request *request) {
        find_subject(&places->pod, NULL, true);
        read_subject(&places->pod);
        if (request->app_runs)
                find_subject(&places->app, request->app, true);
        if (places->pod.namespaces & CLONE_NEWUSER)
                places->ids = (struct id_range){.base = id_outside(places->pod.uid_map, 0), .count = 1};
        if (request->source && stat(request->source, &places->source) < 0)
                die_errno("cannot look at %s", request->source);
}

static int open_users(const struct places *places) {
        AUTO_FREE char *path = xasprintf("/proc/%d/ns/user", (int) places->pod.pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                die_errno("cannot open the pod's user namespace");
        return fd;
}

/* The root of the app as the pod's PID 1 has it: we are in its mount namespace. */
static int open_app_root(const struct places *places, const char *app) {
        AUTO_FREE char *path = xasprintf("pod/apps/%s/rootfs", app);
        int fd = open_in_root(places->pod.root, path, O_PATH | O_DIRECTORY);

        if (fd < 0)
                die_errno("the pod has no root of app %s", app);
        return fd;
}

/* Whether what is there already on the way to target is the same in the app as where we mount: if the app
 * has a mount of its own there (a volume, a tmpfs), ours would be hidden below it. */
static bool leads_to_the_same(int root, int app_root, const char *target) {
        AUTO_FREE char *path = xstrdup(target);

        for (;;) {
                AUTO_CLOSE int here = open_in_root(root, path, O_PATH);
                AUTO_CLOSE int there = open_in_root(app_root, path, O_PATH);
                if (here >= 0 || there >= 0)
                        return here >= 0 && there >= 0 && is_same_file(here, there);
                char *slash = strrchr(path, '/');
                if (!slash || errno != ENOENT)
                        return false;
                slash[slash == path] = '\0';
        }
}

static uint64_t mount_id(int fd) {
        struct statx found;

        if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &found) < 0 || !(found.stx_mask & STATX_MNT_ID))
                die_errno("cannot ask for the number of a mount");
        return found.stx_mnt_id;
}

/* Where it will be, links resolved, as the mount table will have it: written before it is there, so that
 * nobody has to guess what became of a call that was killed. `pod` is the pod directory; it is out of reach
 * by name now. */
static void note_place(const struct request *request, int pod, int self, int target) {
        AUTO_FREE char *number = xasprintf("%d", target);
        char path[PATH_MAX];
        ssize_t size = readlinkat(self, number, path, sizeof(path) - 1);

        if (!request->note)
                return;
        path[size > 0 ? size : 0] = '\0';
        if (size <= 0 || write_file(pod, request->note, path) < 0)
                die("cannot write %s", request->note);
}

static int make_target(const struct places *places, const struct request *request, int root) {
        bool directory = S_ISDIR(places->source.st_mode);
        struct stat status;
        AUTO_CLOSE int target = -1;

        if (request->app_runs && !leads_to_the_same(root, places->app.root, request->target))
                die("%s is below a mount of app %s's own, which would hide it", request->target,
                    request->app);
        act_as_pod_root(&places->ids);
        target = make_in_root(root, request->target,
                              MAKE_ON_ONE_MOUNT | (directory ? MAKE_DIRECTORY : MAKE_FILE));
        int error = errno;
        act_as_host_root();
        errno = error;
        if (target < 0 && error == EXDEV)
                die("%s lies in another mount of app %s and is not there: make it there first",
                    request->target, request->app);
        if (target < 0)
                die_errno("cannot make the mount point %s in app %s", request->target, request->app);
        if (fstat(target, &status) < 0)
                die_errno("cannot look at %s", request->target);
        if (is_same_file(target, root))
                die("%s is the root of app %s", request->target, request->app);
        if (directory != S_ISDIR(status.st_mode) || (!directory && !S_ISREG(status.st_mode)))
                die("%s is %s in app %s, and %s is %s", request->target,
                    S_ISDIR(status.st_mode) ? "a directory" : "no directory", request->app, request->source,
                    directory ? "one" : "none");
        return take_fd(&target);
}

/* From the host's /proc, opened before: there is no umount(2) by descriptor, and in the pod /proc is the
 * pod's. */
static int try_detach(int place, int self, int flags) {
        AUTO_FREE char *name = xasprintf("%d", place);

        if (fchdir(self) < 0)
                die_errno("cannot go to the descriptors");
        return umount2(name, flags);
}

static void detach_lazily(int place, int self) {
        if (try_detach(place, self, MNT_DETACH) < 0)
                die_errno("cannot unmount");
}

static int open_here(void) {
        int fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                die_errno("cannot open the pod directory");
        return fd;
}

static int open_self(void) {
        int fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                die_errno("cannot open /proc/self/fd");
        return fd;
}

static void join(const struct places *places) {
        if (setns(places->pod.process, CLONE_NEWNS) < 0)
                die_errno("cannot join the pod's mount namespace");
}

/* The mount's number, once it is proved that the app sees it; otherwise it goes again. */
static void tell(const struct request *request, const struct places *places, int root, int self) {
        AUTO_CLOSE int mounted = open_in_root(root, request->target, O_PATH);
        AUTO_CLOSE int seen =
                request->app_runs ? open_in_root(places->app.root, request->target, O_PATH) : dup(mounted);

        if (mounted < 0)
                die_errno("cannot find the mount at %s again", request->target);
        if (seen < 0 || !is_same_file(mounted, seen)) {
                detach_lazily(mounted, self);
                die("the mount at %s does not reach app %s", request->target, request->app);
        }
        printf("%llu\n", (unsigned long long) mount_id(mounted));
}

/* In a child, so that what is left on the host is cleared away whatever happened in the pod. */
static int add_by_propagation(const struct request *request, const struct graft *graft,
                              const struct places *places) {
        int status = 0;

        if (graft->users >= 0)
                die("a pod with a user namespace needs open_tree(2), which this kernel or its filter "
                    "refuses");
        AUTO_FREE char *name = propagate(graft, request->machine, S_ISDIR(places->source.st_mode));
        pid_t child = fork();
        if (child == 0) {
                AUTO_CLOSE int self = open_self();
                AUTO_CLOSE int here = open_here();
                join(places);
                AUTO_CLOSE int root = open_app_root(places, request->app);
                AUTO_CLOSE int target = make_target(places, request, root);
                note_place(request, here, self, target);
                move_arrived(name, target, self, request->target);
                tell(request, places, root, self);
                exit(0);
        }
        if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status))
                status = EXIT_RUNTIME << 8;
        clear_way(request->machine, name);
        return WEXITSTATUS(status);
}

int add_mount(const struct request *request) {
        struct places places = {};
        AUTO_CLOSE int self = open_self();
        AUTO_CLOSE int here = open_here();

        find_places(&places, request);
        AUTO_CLOSE int users = places.ids.count > 0 ? open_users(&places) : -1;
        const struct graft graft = {.source = request->source,
                                    .read_only = request->read_only,
                                    .recursive = request->recursive,
                                    .users = users};
        AUTO_CLOSE int tree = request->propagate ? -1 : take_graft(&graft);
        if (tree < 0)
                return add_by_propagation(request, &graft, &places);
        join(&places);
        AUTO_CLOSE int root = open_app_root(&places, request->app);
        AUTO_CLOSE int target = make_target(&places, request, root);
        note_place(request, here, self, target);
        attach_graft(tree, target, request->target);
        tell(request, &places, root, self);
        return 0;
}

/* The directory that a descriptor's file lies in, and its name there: a descriptor of a mount itself would
 * keep it busy. */
static int open_parent(const struct places *places, int self, int fd, char name[static PATH_MAX]) {
        AUTO_FREE char *number = xasprintf("%d", fd);
        ssize_t size = readlinkat(self, number, name, PATH_MAX - 1);
        char *slash;

        if (size <= 0)
                die_errno("cannot ask for the path of the mount");
        name[size] = '\0';
        slash = strrchr(name, '/');
        if (!slash)
                die("the mount has no path");
        *slash = '\0';
        int parent = open_in_root(places->pod.root, name[0] ? name : "/", O_PATH | O_DIRECTORY);
        memmove(name, slash + 1, strlen(slash + 1) + 1);
        return parent;
}

static const char *unmount(int parent, const char *name, uint64_t id) {
        struct statx found;

        if (fchdir(parent) < 0 || statx(parent, name, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &found) < 0 ||
            found.stx_mnt_id != id)
                return "gone";
        if (umount2(name, UMOUNT_NOFOLLOW) == 0)
                return "unmounted";
        if (errno != EBUSY || umount2(name, UMOUNT_NOFOLLOW | MNT_DETACH) < 0)
                die_errno("cannot unmount %s", name);
        return "busy";
}

int remove_mount(const struct request *request) {
        struct places places = {};
        char name[PATH_MAX];
        AUTO_CLOSE int self = open_self();

        find_places(&places, request);
        join(&places);
        AUTO_CLOSE int root = open_app_root(&places, request->app);
        AUTO_CLOSE int target = open_in_root(root, request->target, O_PATH);
        if (target < 0 || mount_id(target) != request->id) {
                printf("gone\n");
                return 0;
        }
        AUTO_CLOSE int parent = open_parent(&places, self, target, name);
        close(take_fd(&target));
        printf("%s\n", parent < 0 ? "gone" : unmount(parent, name, request->id));
        return 0;
}
