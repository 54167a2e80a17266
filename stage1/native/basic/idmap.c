#include "idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "util.h"

/* Those that people are likely to have and that could not be mapped for long, or still cannot. */
static const struct {
        unsigned long magic;
        const char *name;
} file_systems[] = {
        {OVERLAYFS_SUPER_MAGIC, "overlayfs"},
        {NFS_SUPER_MAGIC, "nfs"},
        {FUSE_SUPER_MAGIC, "fuse"},
        {V9FS_MAGIC, "9p"},
        {CIFS_SUPER_MAGIC, "cifs"},
        {SMB2_SUPER_MAGIC, "cifs"},
        {PROC_SUPER_MAGIC, "proc"},
        {SYSFS_MAGIC, "sysfs"},
        {TMPFS_MAGIC, "tmpfs"},
        {EXT4_SUPER_MAGIC, "ext4"},
        {XFS_SUPER_MAGIC, "xfs"},
        {BTRFS_SUPER_MAGIC, "btrfs"},
        {0x2fc12fc1, "zfs"},
};

static void write_map(pid_t pid, const char *name, const char *map) {
        AUTO_FREE char *path = xasprintf("/proc/%d/%s", (int) pid, name);
        AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write_all(fd, map, strlen(map)) < 0)
                die_errno("cannot write the pod's map of ids '%.*s'", (int) strcspn(map, "\n"), map);
}

static int open_namespace(const char *map) {
        /* Like fork(), and the child is in a new namespace, which lives on as long as our descriptor. */
        pid_t pid = (pid_t) syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);

        if (pid < 0)
                die_errno("cannot make a user namespace (see user.max_user_namespaces, or --userns=host)");
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (;;)
                        pause();
        }
        AUTO_FREE char *path = xasprintf("/proc/%d/ns/user", (int) pid);
        write_map(pid, "uid_map", map);
        write_map(pid, "gid_map", map);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                die_errno("cannot open the pod's user namespace");
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
        return fd;
}

int open_user_namespace(const struct id_range *range) {
        AUTO_FREE char *map = xasprintf("0 %u %u\n", range->base, range->count);

        return open_namespace(map);
}

/* DISK-INSIDE-COUNT as a line of the kernel's; NULL if it is no such thing, or means ids that the pod has
 * not. */
static char *map_line(char *text, const struct id_range *ids) {
        uint64_t numbers[3];

        for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
                const char *word = strsep(&text, "-");
                if (!word || !parse_number(word, UINT32_MAX - 1, &numbers[i]))
                        return NULL;
        }
        if (text || numbers[2] == 0 || (ids->count > 0 && numbers[1] + numbers[2] > ids->count))
                return NULL;
        uint64_t base = ids->count > 0 ? ids->base : 0;
        return xasprintf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", numbers[0], base + numbers[1], numbers[2]);
}

char *make_map(const char *text, const struct id_range *ids) {
        AUTO_FREE char *copy = xstrdup(text);
        char *map = xstrdup("");

        for (char *rest = copy, *part; (part = strsep(&rest, "#"));) {
                AUTO_FREE char *line = map_line(part, ids), *shorter = map;
                map = line ? xasprintf("%s%s", shorter, line) : NULL;
                if (!map)
                        return NULL;
        }
        return map;
}

int open_mapped_namespace(const char *text, const struct id_range *ids) {
        AUTO_FREE char *map = make_map(text, ids);

        if (!map)
                die("'%s' is no map of ids", text);
        return open_namespace(map);
}

static char *file_system_name(int fd) {
        struct statfs status;

        if (fstatfs(fd, &status) < 0)
                return xstrdup("unknown");
        for (size_t i = 0; i < ARRAY_LEN(file_systems); i++)
                if (file_systems[i].magic == (unsigned long) status.f_type)
                        return xstrdup(file_systems[i].name);
        return xasprintf("type 0x%lx", (unsigned long) status.f_type);
}

void map_tree(int tree, const char *path, bool recursive, int userns_fd) {
        struct mount_attr attributes = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned) userns_fd};
        unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);

        if (syscall(SYS_mount_setattr, tree, "", flags, &attributes, sizeof(attributes)) == 0)
                return;
        if (errno != EINVAL)
                die_errno("cannot map the owners of %s", path);
        AUTO_FREE char *name = file_system_name(tree);
        die("cannot map the owners of %s: its file system (%s)%s has no mapped mounts; choose another "
            "place, or "
            "--userns=host",
            path, name, recursive ? " or one mounted below it" : "");
}

/* A process that becomes another user loses its rights, unless told that it means to keep them. */
static void act_as(uint32_t id, unsigned long securebits) {
        if (id != 0 && prctl(PR_SET_SECUREBITS, securebits) < 0)
                die_errno("cannot keep the rights of root");
        (void) setfsgid(id);
        (void) setfsuid(id);
        if (id == 0 && prctl(PR_SET_SECUREBITS, securebits) < 0)
                die_errno("cannot become root again");
}

void act_as_pod_root(const struct id_range *range) {
        if (range->count > 0)
                act_as(range->base, SECBIT_NO_SETUID_FIXUP);
}

void act_as_host_root(void) {
        act_as(0, 0);
}
