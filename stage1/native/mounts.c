#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "idmap.h"
#include "util.h"

#define STAGE          "run/stage" /* where parts of overlays get short names, in our namespace only */
#define MOUNT_DATA_MAX 4096        /* the kernel takes one page of mount options */
#define PART_MAX       32

/* Parts of overlays, each bound to a short name; a layer that several apps have is there once. */
struct stage {
        int fd, here;  /* the stage and the pod directory */
        int userns_fd; /* what mapped mounts are made with, -1 in a pod with the host's ids */
        const char **parts;
        size_t n_parts;
};

static int open_beneath(int root_fd, const char *path, int flags) {
        struct open_how how = {.flags = (unsigned) (flags | O_CLOEXEC),
                               .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
        return (int) syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
}

/* Makes what is missing at path, as the kernel sees it from inside root. The last part is a directory or a
 * file. */
static int make_target(int root_fd, const char *path, bool directory) {
        AUTO_FREE char *copy = xstrdup(path);
        AUTO_CLOSE int parent = open_beneath(root_fd, ".", O_PATH | O_DIRECTORY);

        for (char *part = copy; part && *part;) {
                char *slash = strchr(part, '/');
                bool last = !slash || slash[strspn(slash, "/")] == '\0';
                if (slash)
                        *slash = '\0';
                int made = last && !directory ? mknodat(parent, part, S_IFREG | 0644, 0)
                                              : mkdirat(parent, part, 0755);
                if (*part && made < 0 && errno != EEXIST)
                        return -1;
                if (last)
                        break;
                close(parent);
                parent = open_beneath(root_fd, copy, O_PATH | O_DIRECTORY);
                if (parent < 0)
                        return -1;
                *slash = '/';
                part = slash + strspn(slash, "/");
        }
        return open_beneath(root_fd, path, O_PATH);
}

/* A target lies below the pod's root, or elsewhere in the pod directory. An image may have put links into
 * the root, so there a path means what it means inside. */
static int open_target(const char *target, bool directory) {
        bool inside = strncmp(target, "rootfs/", 7) == 0;
        AUTO_CLOSE int root = open(inside             ? "rootfs"
                                   : target[0] == '/' ? "/"
                                                      : ".",
                                   O_PATH | O_DIRECTORY | O_CLOEXEC);
        int fd = root < 0 ? -1 : make_target(root, inside ? target + 7 : target, directory);

        if (fd < 0)
                die_errno("cannot make the mount point %s", target);
        return fd;
}

/* A detached copy of the mount at path: ours to change and to put anywhere. */
static int clone_tree(const char *path, bool recursive, bool read_only, int userns_fd) {
        unsigned depth = recursive ? AT_RECURSIVE : 0;
        struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
        int fd = (int) syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | depth);

        if (fd < 0)
                die_errno("cannot take %s", path);
        if (read_only &&
            syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | depth, &attributes, sizeof(attributes)) < 0)
                die_errno("cannot make %s read-only", path);
        if (userns_fd >= 0)
                map_tree(fd, path, recursive, userns_fd);
        return fd;
}

static void attach_tree(int tree, int target, const char *source, const char *name) {
        if (syscall(SYS_move_mount, tree, "", target, "",
                    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
                die_errno("cannot mount %s at %s", source, name);
}

static void make_bind(const struct stage *stage, const struct mount_spec *spec) {
        AUTO_CLOSE int tree = clone_tree(spec->source, spec->recursive, spec->read_only,
                                         spec->mapped ? stage->userns_fd : -1);
        struct stat status;

        if (fstat(tree, &status) < 0)
                die_errno("cannot look at %s", spec->source);
        AUTO_CLOSE int target = open_target(spec->target, S_ISDIR(status.st_mode));
        attach_tree(tree, target, spec->source, spec->target);
}

static void open_stage(struct stage *stage) {
        stage->here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (stage->here < 0 || (mkdir(STAGE, 0700) < 0 && errno != EEXIST))
                die_errno("cannot make %s", STAGE);
        if (mount("tmpfs", STAGE, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
                die_errno("cannot mount a tmpfs at %s", STAGE);
        stage->fd = open(STAGE, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (stage->fd < 0)
                die_errno("cannot open %s", STAGE);
}

/* The overlays keep what they are made of: nothing needs the names any more. */
static void close_stage(struct stage *stage) {
        if (stage->fd >= 0 && umount2(STAGE, MNT_DETACH) < 0)
                die_errno("cannot take %s away", STAGE);
        close(stage->fd);
        close(stage->here);
        close(stage->userns_fd);
        free(stage->parts);
}

/* The number of a part, which is its name in hexadecimal. */
static size_t stage_part(struct stage *stage, const char *path) {
        char name[PART_MAX];

        for (size_t i = 0; i < stage->n_parts; i++)
                if (strcmp(stage->parts[i], path) == 0)
                        return i;
        AUTO_CLOSE int tree = clone_tree(path, false, false, stage->userns_fd);
        snprintf(name, sizeof(name), "%zx", stage->n_parts);
        if (mkdirat(stage->fd, name, 0700) < 0)
                die_errno("cannot make %s/%s", STAGE, name);
        AUTO_CLOSE int place = openat(stage->fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (place < 0)
                die_errno("cannot open %s/%s", STAGE, name);
        attach_tree(tree, place, path, STAGE);
        stage->parts = xrealloc(stage->parts, (stage->n_parts + 1) * sizeof(*stage->parts));
        stage->parts[stage->n_parts] = path;
        return stage->n_parts++;
}

static char *overlay_options(struct stage *stage, const struct mount_spec *spec, size_t *n_lowers) {
        char *options;

        for (*n_lowers = 0; spec->lowers[*n_lowers];)
                ++*n_lowers;
        options = xalloc((*n_lowers + 2) * PART_MAX + 64);
        char *end = options + sprintf(options, "lowerdir=");
        for (size_t i = 0; i < *n_lowers; i++)
                end += sprintf(end, "%s%zx", i > 0 ? ":" : "", stage_part(stage, spec->lowers[i]));
        size_t data = stage_part(stage, spec->source);
        sprintf(end, ",upperdir=%zx/upper,workdir=%zx/work", data, data);
        return options;
}

/* An overlay's options hold paths between ',' and ':' and have room for one page. So each part is bound to a
 * short name first: any bytes in a path will do, and hundreds of layers fit. */
static void make_overlay(struct stage *stage, const struct mount_spec *spec) {
        AUTO_CLOSE int target = open_target(spec->target, true);
        size_t n_lowers;
        char place[64];

        AUTO_FREE char *options = overlay_options(stage, spec, &n_lowers);
        if (strlen(options) >= MOUNT_DATA_MAX)
                die("%s has too many layers (%zu)", spec->target, n_lowers);
        snprintf(place, sizeof(place), "/proc/self/fd/%d", target);
        if (fchdir(stage->fd) < 0 || mount("overlay", place, "overlay", 0, options) < 0)
                die_errno("cannot mount the overlay at %s (upper %s/upper, %zu layers)", spec->target,
                          spec->source, n_lowers);
        if (fchdir(stage->here) < 0)
                die_errno("cannot return to the pod directory");
}

void enter_mount_namespace(void) {
        if (unshare(CLONE_NEWNS) < 0)
                die_errno("cannot make a mount namespace");
        if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
                die_errno("cannot turn off mount propagation to the host");
}

static bool has_overlay(const struct mount_spec *specs, size_t count) {
        for (size_t i = 0; i < count; i++)
                if (specs[i].kind == MOUNT_OVERLAY)
                        return true;
        return false;
}

void make_mounts(const struct mount_spec *specs, size_t count, const struct id_range *ids) {
        struct stage stage = {.fd = -1, .here = -1, .userns_fd = -1};

        if (ids->count > 0)
                stage.userns_fd = open_user_namespace(ids);
        if (has_overlay(specs, count))
                open_stage(&stage);
        act_as_pod_root(ids);
        for (size_t i = 0; i < count; i++)
                switch (specs[i].kind) {
                case MOUNT_OVERLAY:
                        make_overlay(&stage, &specs[i]);
                        break;
                case MOUNT_BIND:
                        make_bind(&stage, &specs[i]);
                        break;
                }
        act_as_host_root();
        close_stage(&stage);
}
