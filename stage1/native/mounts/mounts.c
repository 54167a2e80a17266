#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "basic/idmap.h"
#include "basic/util.h"
#include "devices.h"
#include "overlays.h"
#include "places.h"
#include "targets.h"
#include "trees.h"

/* Whose the files of what is mounted are. */
struct owners {
        const struct id_range *ids;
        int userns_fd; /* what mapped mounts are made with, -1 in a pod with the host's ids */
};

static bool is_directory(int fd, const char *name) {
        struct stat status;

        if (fstat(fd, &status) < 0)
                die_errno("cannot look at %s", name);
        return S_ISDIR(status.st_mode);
}

static int take_source(const struct owners *owners, const struct mount_spec *spec) {
        if (!spec->map)
                return clone_tree(spec->source, spec, spec->mapped ? owners->userns_fd : -1);
        act_as_host_root();
        AUTO_CLOSE int userns = open_mapped_namespace(spec->map, owners->ids);
        act_as_pod_root(owners->ids);
        return clone_tree(spec->source, spec, userns);
}

static void make_bind(const struct owners *owners, const struct mount_spec *spec) {
        AUTO_CLOSE int tree = take_source(owners, spec);
        AUTO_CLOSE int target = open_target(spec->target, is_directory(tree, spec->source));
        attach_tree(tree, target, spec->source, spec->target);
}

/* The host's number of a user or group of the pod. */
static char *host_id(const struct owners *owners, const char *text) {
        uint64_t id = 0;

        if (!parse_number(text, UINT32_MAX, &id) || (owners->ids->count > 0 && id >= owners->ids->count))
                die("the pod has no user or group %s", text);
        return xasprintf("%llu", (unsigned long long) (owners->ids->base + id));
}

/* A file system in memory, still without a place. */
static int new_tmpfs(const struct owners *owners, const struct mount_spec *spec) {
        AUTO_CLOSE int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
        AUTO_FREE char *options = xstrdup(spec->options);
        char *rest = options, *option;

        while (context >= 0 && (option = strsep(&rest, ","))) {
                char *value = strchr(option, '=');
                if (!value)
                        continue; /* an attribute of the mount, see below */
                *value++ = '\0';
                AUTO_FREE char *said =
                        strcmp(option + 1, "id") == 0 ? host_id(owners, value) : xstrdup(value);
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

static void make_at(const struct owners *owners, const struct mount_spec *spec, int root, const char *real) {
        bool memory = spec->kind == MOUNT_TMPFS;
        AUTO_CLOSE int tree = memory ? new_tmpfs(owners, spec) : take_source(owners, spec);
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
static void make_inside(const struct owners *owners, const struct mount_spec *specs, size_t count) {
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
                make_at(owners, &specs[next], root, real);
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
        AUTO_CLOSE int userns = ids->count > 0 ? open_user_namespace(ids) : -1;
        const struct owners owners = {.ids = ids, .userns_fd = userns};
        bool staged = has_overlay(specs, count);
        struct stage stage;

        if (staged)
                open_stage(&stage, userns);
        act_as_pod_root(ids);
        for (size_t i = 0, done; i < count; i += done) {
                done = specs[i].root ? count_same_root(&specs[i], count - i) : 1;
                if (specs[i].root)
                        make_inside(&owners, &specs[i], done);
                else if (specs[i].kind == MOUNT_OVERLAY)
                        make_overlay(&stage, &specs[i]);
                else if (specs[i].kind == MOUNT_READ_ONLY)
                        make_read_only(specs[i].target);
                else if (is_device(&specs[i]))
                        make_device(&specs[i], i > 0 && is_device(&specs[i - 1]) ? &specs[i - 1] : NULL,
                                    ids);
                else
                        make_bind(&owners, &specs[i]);
        }
        act_as_host_root();
        if (staged)
                close_stage(&stage);
}
