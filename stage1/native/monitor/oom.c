#include "oom.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "basic/files.h"
#include "basic/util.h"
#include "mounts/mounts.h"

#define GROUPS_MAX ((size_t) 1 << 20)
#define COUNT_MAX  4096

/* Below what must not be shared with others: a slice has other units too. */
static bool is_of_one_unit(const char *path) {
        const char *name = strrchr(path, '/');
        const char *kind = name ? strrchr(name, '.') : NULL;

        return kind && (strcmp(kind, ".service") == 0 || strcmp(kind, ".scope") == 0);
}

static bool is_memory(char *controllers) {
        for (char *word; (word = strsep(&controllers, ","));)
                if (strcmp(word, "memory") == 0)
                        return true;
        return false;
}

/* The counter of the group of v1 that this process is in, NULL if that is no unit's. */
static char *own_counter(void) {
        AUTO_FREE char *text = read_file(AT_FDCWD, "/proc/self/cgroup", NULL, GROUPS_MAX);

        for (char *rest = text, *line; rest && (line = strsep(&rest, "\n"));) {
                const char *number = strsep(&line, ":");
                char *controllers = strsep(&line, ":");
                if (number && line && is_memory(controllers) && is_of_one_unit(line))
                        return xasprintf("/sys/fs/cgroup/memory%s/memory.oom_control", line);
        }
        return NULL;
}

void show_unit_oom_count(const struct id_range *ids) {
        AUTO_FREE char *counter = own_counter();
        AUTO_FREE char *text = counter ? read_file(AT_FDCWD, counter, NULL, COUNT_MAX) : NULL;
        const char *count = text ? strstr(text, "oom_kill ") : NULL;

        if (!count)
                return;
        AUTO_FREE char *before = xasprintf("%s\n", count + strlen("oom_kill "));
        before[strspn(before, "0123456789")] = '\0';
        (void) write_file(AT_FDCWD, "run/status/oom-kills", before);
        const struct mount_spec spec = {.kind = MOUNT_BIND,
                                        .source = counter,
                                        .target = "rootfs/pod/oom_control",
                                        .attributes = MOUNT_ATTR_RDONLY};
        make_mounts(&spec, 1, ids);
}
