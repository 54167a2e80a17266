#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#include "basic/files.h"
#include "basic/inroot.h"
#include "basic/times.h"
#include "basic/util.h"
#include "procfiles.h"

#define PROCS_MAX ((size_t) 1 << 20)

/* The pod's PID 1 as run/leader names it, if it is still that process. */
static void pin_leader(struct subject *subject) {
        AUTO_FREE char *text = read_file(AT_FDCWD, "run/leader", NULL, 64);
        char *rest = text;
        char *pid_word = text ? strsep(&rest, " ") : NULL;
        uint64_t pid = 0, start = 0;

        if (!rest)
                die("the pod is not running");
        rest[strcspn(rest, "\n")] = '\0';
        if (!parse_number(pid_word, INT32_MAX, &pid) || !parse_number(rest, UINT64_MAX, &start))
                die("run/leader is damaged");
        subject->leader = (pid_t) pid;
        subject->leader_fd = pidfd_open(subject->leader, 0);
        if (subject->leader_fd < 0 || process_start_time(subject->leader) != start)
                die("the pod is not running");
}

/* The path of a cgroup line that begins so: "ID:controllers:path". */
static char *group_path(const char *text, const char *controllers) {
        for (const char *line = text; line && *line;
             line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
                const char *colon = strchr(line, ':');
                size_t length = strlen(controllers);
                if (colon && strncmp(colon + 1, controllers, length) == 0 && colon[1 + length] == ':')
                        return strndup(colon + length + 2, strcspn(colon + length + 2, "\n"));
        }
        return NULL;
}

/* Where the pod's systemd keeps its services: the hierarchy it manages, beside its own cgroup. */
static char *service_group(pid_t leader, const char *app) {
        AUTO_FREE char *text = need_proc(leader, "cgroup");
        bool is_named = strstr(text, ":name=systemd:") != NULL;
        AUTO_FREE char *own = group_path(text, is_named ? "name=systemd" : "");
        char *slash = own ? strrchr(own, '/') : NULL;

        if (!slash)
                die("the pod's PID 1 is in no cgroup");
        *slash = '\0';
        return xasprintf("%s%s/system.slice/app-%s.service", is_named ? CGROUPS "/systemd" : unified_place(),
                         own, app);
}

static pid_t parent_of(pid_t pid) {
        AUTO_FREE char *text = read_proc(pid, "stat");
        char *after = text ? strrchr(text, ')') : NULL;
        int parent = 0;

        return after && sscanf(after, ") %*c %d", &parent) == 1 ? (pid_t) parent : 0;
}

/* True of a program of the pod's own root: a child of systemd's that is not yet the app, and whose rights
 * are not yet the app's, or a helper of its unit. */
static bool is_pods_own(const struct subject *subject, pid_t pid) {
        static const char *const programs[] = {"usr/lib/systemd/systemd", "usr/lib/systemd/systemd-executor",
                                               "pod/bin/reaper", "pod/bin/launcher"};
        AUTO_CLOSE int root = open_proc(subject->leader, "root");
        AUTO_FREE char *link = xasprintf("/proc/%d/exe", (int) pid);
        struct stat runs, own;

        if (root < 0 || stat(link, &runs) < 0)
                return true;
        for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
                AUTO_CLOSE int fd = open_in_root(root, programs[i], O_PATH);
                if (fd >= 0 && fstat(fd, &own) == 0 && same_file(&runs, &own))
                        return true;
        }
        return false;
}

static bool is_in_apps_root(const struct subject *subject, int root) {
        AUTO_CLOSE int top = open_proc(subject->leader, "root");
        AUTO_FREE char *path = xasprintf("pod/apps/%s/rootfs", subject->app);
        AUTO_CLOSE int place = top < 0 ? -1 : open_in_root(top, path, O_PATH | O_DIRECTORY);
        struct stat is, should_be;

        return place >= 0 && fstat(root, &is) == 0 && fstat(place, &should_be) == 0 &&
               same_file(&is, &should_be);
}

/* Of an app's processes the main one is PID 1's oldest child. */
static pid_t oldest_child(const struct subject *subject, const char *group) {
        AUTO_FREE char *path = xasprintf("%s/cgroup.procs", group);
        AUTO_FREE char *text = read_file(AT_FDCWD, path, NULL, PROCS_MAX);
        uint64_t best = UINT64_MAX;
        pid_t found = 0;

        for (char *rest = text, *line; rest && (line = strsep(&rest, "\n"));) {
                pid_t pid = (pid_t) strtol(line, NULL, 10);
                uint64_t start = pid > 0 && parent_of(pid) == subject->leader ? process_start_time(pid) : 0;
                if (start != 0 && start < best) {
                        best = start;
                        found = pid;
                }
        }
        return found;
}

void find_subject(struct subject *subject, const char *app, bool genuine) {
        *subject = (struct subject){.app = app, .root = -1, .process = -1, .group = -1};
        pin_leader(subject);
        if (!app) {
                subject->pid = subject->leader;
                subject->process = subject->leader_fd;
                subject->root = open_proc(subject->pid, "root");
                return;
        }
        AUTO_FREE char *group = service_group(subject->leader, app);
        subject->pid = oldest_child(subject, group);
        if (subject->pid <= 0)
                die("app %s is not running", app);
        subject->process = pidfd_open(subject->pid, 0);
        /* Looked at again now that the number cannot become another process's. */
        if (subject->process < 0 || parent_of(subject->pid) != subject->leader)
                die("app %s is not running", app);
        subject->root = open_proc(subject->pid, "root");
        if (genuine && (subject->root < 0 || !is_in_apps_root(subject, subject->root) ||
                        is_pods_own(subject, subject->pid)))
                die("app %s is just being started or stopped", app);
}

static uint32_t translate(const char *map, uint32_t id, bool outwards) {
        uint32_t inside, outside, count;

        for (const char *line = map; line && *line;
             line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
                if (sscanf(line, "%" SCNu32 " %" SCNu32 " %" SCNu32, &inside, &outside, &count) != 3)
                        break;
                uint32_t from = outwards ? inside : outside, to = outwards ? outside : inside;
                if (id >= from && id - from < count)
                        return to + (id - from);
        }
        return NO_ID;
}

uint32_t id_inside(const char *map, uint32_t id) {
        return translate(map, id, false);
}

uint32_t id_outside(const char *map, uint32_t id) {
        return translate(map, id, true);
}
