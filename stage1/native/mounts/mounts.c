#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "basic/idmap.h"
#include "basic/util.h"
#include "devices.h"
#include "places.h"
#include "targets.h"

#define STAGE          "run/stage" /* where parts of overlays get short names, in our namespace only */
#define MOUNT_DATA_MAX 4096        /* the kernel takes one page of mount options */
#define PART_MAX       32

/* Parts of overlays, each bound to a short name; a layer that several apps have is there once. */
struct stage {
        int fd, here;  /* the stage and the pod directory */
        int userns_fd; /* what mapped mounts are made with, -1 in a pod with the host's ids */
        const struct id_range *ids;
        const char **parts;
        size_t n_parts;
};

/* A detached copy of the mount at path: ours to change and to put anywhere. */
static int clone_tree(const char *path, const struct mount_spec *how, int userns_fd) {
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

static void attach_tree(int tree, int target, const char *source, const char *name) {
        if (syscall(SYS_move_mount, tree, "", target, "",
                    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
                die_errno("cannot mount %s at %s", source, name);
}

static bool is_directory(int fd, const char *name) {
        struct stat status;

        if (fstat(fd, &status) < 0)
                die_errno("cannot look at %s", name);
        return S_ISDIR(status.st_mode);
}

static int take_source(const struct stage *stage, const struct mount_spec *spec) {
        if (!spec->map)
                return clone_tree(spec->source, spec, spec->mapped ? stage->userns_fd : -1);
        act_as_host_root();
        AUTO_CLOSE int userns = open_mapped_namespace(spec->map, stage->ids);
        act_as_pod_root(stage->ids);
        return clone_tree(spec->source, spec, userns);
}

static void make_bind(const struct stage *stage, const struct mount_spec *spec) {
        AUTO_CLOSE int tree = take_source(stage, spec);
        AUTO_CLOSE int target = open_target(spec->target, is_directory(tree, spec->source));
        attach_tree(tree, target, spec->source, spec->target);
}

/* The host's number of a user or group of the pod. */
static char *host_id(const struct stage *stage, const char *text) {
        uint64_t id = 0;

        if (!parse_number(text, UINT32_MAX, &id) || (stage->ids->count > 0 && id >= stage->ids->count))
                die("the pod has no user or group %s", text);
        return xasprintf("%llu", (unsigned long long) (stage->ids->base + id));
}

/* A file system in memory, still without a place. */
static int new_tmpfs(const struct stage *stage, const struct mount_spec *spec) {
        AUTO_CLOSE int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
        AUTO_FREE char *options = xstrdup(spec->options);
        char *rest = options, *option;

        while (context >= 0 && (option = strsep(&rest, ","))) {
                char *value = strchr(option, '=');
                if (!value)
                        continue; /* an attribute of the mount, see below */
                *value++ = '\0';
                AUTO_FREE char *said =
                        strcmp(option + 1, "id") == 0 ? host_id(stage, value) : xstrdup(value);
                if (fsconfig(context, FSCONFIG_SET_STRING, option, said, 0) < 0)
                        die_errno("a tmpfs for %s cannot have %s=%s", spec->target, option, value);
        }
        if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                die_errno("cannot make a tmpfs for %s", spec->target);
        int fd = fsmount(context, FSMOUNT_CLOEXEC, (unsigned) spec->attributes);
        if (fd < 0)
                die_errno("cannot make a tmpfs for %s", spec->target);
        return fd;
}

static void make_at(const struct stage *stage, const struct mount_spec *spec, int root, const char *real) {
        bool memory = spec->kind == MOUNT_TMPFS;
        AUTO_CLOSE int tree = memory ? new_tmpfs(stage, spec) : take_source(stage, spec);
        AUTO_CLOSE int target =
                make_in_root(root, real, is_directory(tree, spec->target) ? MAKE_DIRECTORY : MAKE_FILE);

        if (target < 0)
                cannot_make(spec->target);
        attach_tree(tree, target, memory ? "tmpfs" : spec->source, spec->target);
}

static int rank(char c) {
        return c == '\0' ? 0 : c == '/' ? 1 : 2 + (unsigned char) c;
}

/* As strcmp(3), but what lies below a directory comes right after it. */
static int compare_places(const char *one, const char *other) {
        while (*one && *one == *other)
                one++, other++;
        return rank(*one) - rank(*other);
}

/* The mount whose real place comes first; links are looked at anew, since what was mounted may have brought
 * others. */
static size_t first_place(const struct mount_spec *specs, const bool *made, size_t count, int root,
                          char **first) {
        size_t found = count;

        for (size_t i = 0; i < count; i++) {
                AUTO_FREE char *real = made[i] ? NULL : real_place(root, specs[i].target);
                if (made[i])
                        continue;
                if (!real)
                        cannot_make(specs[i].target);
                if (*first && compare_places(real, *first) >= 0)
                        continue;
                char *other = *first;
                *first = real;
                real = other;
                found = i;
        }
        return found;
}

/* The mounts of an app, outer ones before those that lie in them, whatever their targets look like. */
static void make_inside(const struct stage *stage, const struct mount_spec *specs, size_t count) {
        AUTO_CLOSE int root = open_root(specs[0].root);
        AUTO_FREE bool *made = xalloc(count * sizeof(bool));
        AUTO_FREE char *last = NULL;

        for (size_t n = 0; n < count; n++) {
                AUTO_FREE char *real = NULL;
                size_t next = first_place(specs, made, count, root, &real);
                if (strcmp(real, "/") == 0)
                        die("the mount at %s would cover the whole root of the app", specs[next].target);
                if (last && strcmp(real, last) == 0)
                        die("two mounts at %s, one of them by another name: %s", real, specs[next].target);
                make_at(stage, &specs[next], root, real);
                made[next] = true;
                char *before = last;
                last = real;
                real = before;
        }
}

static size_t count_same_root(const struct mount_spec *specs, size_t count) {
        size_t same = 1;

        while (same < count && specs[same].root && strcmp(specs[same].root, specs[0].root) == 0)
                same++;
        return same;
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
        AUTO_CLOSE int tree = clone_tree(path, &(struct mount_spec){.recursive = false}, stage->userns_fd);
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
        if (spec->source) {
                size_t data = stage_part(stage, spec->source);
                sprintf(end, ",upperdir=%zx/upper,workdir=%zx/work,index=off", data, data);
        }
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
                          spec->source ? spec->source : "no", n_lowers);
        if (fchdir(stage->here) < 0)
                die_errno("cannot return to the pod directory");
}

void enter_mount_namespace(void) {
        if (unshare(CLONE_NEWNS) < 0)
                die_errno("cannot make a mount namespace");
        if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
                die_errno("cannot turn off mount propagation to the host");
}

static void make_read_only(const char *target) {
        struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
        AUTO_CLOSE int root = open_root(target);

        if (syscall(SYS_mount_setattr, root, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
                die_errno("cannot make %s read-only", target);
}

static bool is_device(const struct mount_spec *spec) {
        return spec->kind == MOUNT_DEVICE;
}

static bool has_overlay(const struct mount_spec *specs, size_t count) {
        for (size_t i = 0; i < count; i++)
                if (specs[i].kind == MOUNT_OVERLAY)
                        return true;
        return false;
}

void make_mounts(const struct mount_spec *specs, size_t count, const struct id_range *ids) {
        struct stage stage = {.fd = -1, .here = -1, .userns_fd = -1, .ids = ids};

        if (ids->count > 0)
                stage.userns_fd = open_user_namespace(ids);
        if (has_overlay(specs, count))
                open_stage(&stage);
        act_as_pod_root(ids);
        for (size_t i = 0, done; i < count; i += done) {
                done = specs[i].root ? count_same_root(&specs[i], count - i) : 1;
                if (specs[i].root)
                        make_inside(&stage, &specs[i], done);
                else if (specs[i].kind == MOUNT_OVERLAY)
                        make_overlay(&stage, &specs[i]);
                else if (specs[i].kind == MOUNT_READ_ONLY)
                        make_read_only(specs[i].target);
                else if (is_device(&specs[i]))
                        make_device(&specs[i], i > 0 && is_device(&specs[i - 1]) ? &specs[i - 1] : NULL,
                                    ids);
                else
                        make_bind(&stage, &specs[i]);
        }
        act_as_host_root();
        close_stage(&stage);
}
