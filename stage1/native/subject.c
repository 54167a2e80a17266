#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "inroot.h"
#include "util.h"

#define PROC_MAX            ((size_t) 1 << 20)
#define CGROUPS             "/sys/fs/cgroup"
#define IOPRIO_WHO_PROCESS_ 1

static char *read_proc(pid_t pid, const char *name) {
        AUTO_FREE char *path = xasprintf("/proc/%d/%s", (int) pid, name);
        return read_file(AT_FDCWD, path, NULL, PROC_MAX);
}

static char *need_proc(pid_t pid, const char *name) {
        char *text = read_proc(pid, name);
        if (!text)
                die_errno("cannot read %s of process %d", name, (int) pid);
        return text;
}

static int open_proc(pid_t pid, const char *name) {
        AUTO_FREE char *path = xasprintf("/proc/%d/%s", (int) pid, name);
        return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool is_alive(int process) {
        struct pollfd poll_fd = {.fd = process, .events = POLLIN};
        return poll(&poll_fd, 1, 0) == 0;
}

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

static const char *unified_place(void) {
        return access(CGROUPS "/cgroup.controllers", F_OK) == 0 ? CGROUPS : CGROUPS "/unified";
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

static bool same_file(const struct stat *one, const struct stat *other) {
        return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

/* True of a program of the pod's own root: a child of systemd's that is not yet the app, and whose rights
 * are not yet the app's, or a helper of its unit. */
static bool is_pods_own(const struct subject *subject, pid_t pid) {
        static const char *const programs[] = {"usr/lib/systemd/systemd", "usr/lib/systemd/systemd-executor",
                                               "pod/bin/reaper"};
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
        AUTO_FREE char *text = read_file(AT_FDCWD, path, NULL, PROC_MAX);
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

static const char *field(const char *status, const char *key) {
        AUTO_FREE char *wanted = xasprintf("\n%s:\t", key);
        const char *found = strstr(status, wanted);

        if (!found)
                die("the kernel does not tell %s", key);
        return found + strlen(wanted);
}

static uint64_t number_field(const char *status, const char *key, int base) {
        return strtoull(field(status, key), NULL, base);
}

static void read_ids(const char *text, uint32_t ids[static 3]) {
        if (sscanf(text, "%" SCNu32 " %" SCNu32 " %" SCNu32, &ids[0], &ids[1], &ids[2]) != 3)
                die("the kernel tells ids that are none");
}

static void read_groups(struct subject *subject, const char *text) {
        char *end;

        subject->groups = xalloc((strcspn(text, "\n") + 1) * sizeof(gid_t));
        while (*text != '\n' && *text != '\0') {
                unsigned long group = strtoul(text, &end, 10);
                if (end == text)
                        break;
                subject->groups[subject->n_groups++] = (gid_t) group;
                text = end + strspn(end, " ");
        }
}

static void read_status(struct subject *subject) {
        AUTO_FREE char *status = need_proc(subject->pid, "status");
        AUTO_FREE char *leader = need_proc(subject->leader, "status");

        read_ids(field(status, "Uid"), subject->uids);
        read_ids(field(status, "Gid"), subject->gids);
        read_groups(subject, field(status, "Groups"));
        subject->inheritable = number_field(status, "CapInh", 16);
        subject->permitted = number_field(status, "CapPrm", 16);
        subject->bounding = number_field(status, "CapBnd", 16);
        subject->ambient = number_field(status, "CapAmb", 16);
        subject->no_new_privs = number_field(status, "NoNewPrivs", 10) != 0;
        subject->n_filters = (unsigned) number_field(status, "Seccomp_filters", 10);
        subject->umask = (mode_t) number_field(status, "Umask", 8);
        subject->leader_bounding = number_field(leader, "CapBnd", 16);
        subject->n_leader_filters = (unsigned) number_field(leader, "Seccomp_filters", 10);
}

static rlim_t limit_of(const char *word) {
        return *word == 'u' ? RLIM_INFINITY : strtoull(word, NULL, 10);
}

/* From its file: to ask with prlimit(2) takes a right that root in a container may lack. */
static void read_limits(struct subject *subject) {
        static const char *const names[RLIM_NLIMITS] = {[RLIMIT_CPU] = "cpu time",
                                                        [RLIMIT_FSIZE] = "file size",
                                                        [RLIMIT_DATA] = "data size",
                                                        [RLIMIT_STACK] = "stack size",
                                                        [RLIMIT_CORE] = "core file size",
                                                        [RLIMIT_RSS] = "resident set",
                                                        [RLIMIT_NPROC] = "processes",
                                                        [RLIMIT_NOFILE] = "open files",
                                                        [RLIMIT_MEMLOCK] = "locked memory",
                                                        [RLIMIT_AS] = "address space",
                                                        [RLIMIT_LOCKS] = "file locks",
                                                        [RLIMIT_SIGPENDING] = "pending signals",
                                                        [RLIMIT_MSGQUEUE] = "msgqueue size",
                                                        [RLIMIT_NICE] = "nice priority",
                                                        [RLIMIT_RTPRIO] = "realtime priority",
                                                        [RLIMIT_RTTIME] = "realtime timeout"};
        AUTO_FREE char *text = need_proc(subject->pid, "limits");

        for (size_t i = 0; i < RLIM_NLIMITS; i++) {
                AUTO_FREE char *key = xasprintf("\nMax %s ", names[i]);
                const char *line = strstr(text, key);
                char soft[32], hard[32];
                if (!line || sscanf(line + strlen(key), " %31s %31s", soft, hard) != 2)
                        die("the kernel does not tell the limit of %s", names[i]);
                subject->limits[i] = (struct rlimit){limit_of(soft), limit_of(hard)};
        }
}

static void read_namespaces(struct subject *subject) {
        static const struct {
                const char *name;
                int flag;
        } kinds[] = {{"user", CLONE_NEWUSER}, {"mnt", CLONE_NEWNS},       {"pid", CLONE_NEWPID},
                     {"ipc", CLONE_NEWIPC},   {"uts", CLONE_NEWUTS},      {"net", CLONE_NEWNET},
                     {"time", CLONE_NEWTIME}, {"cgroup", CLONE_NEWCGROUP}};

        for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
                AUTO_FREE char *ours = xasprintf("/proc/self/ns/%s", kinds[i].name);
                AUTO_FREE char *its = xasprintf("/proc/%d/ns/%s", (int) subject->pid, kinds[i].name);
                struct stat here, there;
                if (stat(ours, &here) < 0)
                        continue; /* a kernel without namespaces of this kind */
                if (stat(its, &there) < 0)
                        die_errno("cannot look at the %s namespace", kinds[i].name);
                if (!same_file(&here, &there))
                        subject->namespaces |= kinds[i].flag;
        }
}

static void refuse_paused(const struct subject *subject, const char *file, const char *mark) {
        AUTO_FREE char *text = read_file(AT_FDCWD, file, NULL, 4096);

        if (text && strstr(text, mark))
                die("%s%s is paused", subject->app ? "app " : "the pod", subject->app ? subject->app : "");
}

/* The directory of a line "ID:controllers:path". */
static char *group_directory(char *line) {
        char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;

        if (!path)
                die("the kernel tells cgroups in a form we do not know");
        *path++ = '\0';
        controllers++;
        if (*controllers == '\0')
                return xasprintf("%s%s", unified_place(), path);
        return xasprintf("%s/%s%s", CGROUPS,
                         strncmp(controllers, "name=", 5) ? controllers : controllers + 5, path);
}

/* Those of its cgroups that we are not in: with many hierarchies we share most. */
static void read_groups_of_control(struct subject *subject) {
        AUTO_FREE char *own = need_proc(getpid(), "cgroup");
        AUTO_FREE char *text = need_proc(subject->pid, "cgroup");
        size_t count = 0;

        subject->procs = xalloc((strlen(text) / 4 + 2) * sizeof(char *));
        for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
                AUTO_FREE char *whole = xasprintf("%s\n", line);
                bool unified = strncmp(line, "0::", 3) == 0, freezer = strstr(line, ":freezer:") != NULL;
                if (*line == '\0' || strstr(own, whole))
                        continue;
                AUTO_FREE char *directory = group_directory(line);
                AUTO_FREE char *state =
                        xasprintf("%s/%s", directory, unified ? "cgroup.events" : "freezer.state");
                if (unified || freezer)
                        refuse_paused(subject, state, unified ? "frozen 1" : "FR");
                char *procs = xasprintf("%s/cgroup.procs", directory);
                if (!unified)
                        subject->procs[count++] = procs;
                else {
                        subject->unified_procs = procs;
                        subject->group = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                }
        }
}

static void read_schedule(struct subject *subject) {
        errno = 0;
        subject->nice = getpriority(PRIO_PROCESS, (id_t) subject->pid);
        subject->io_priority = (int) syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS_, subject->pid);
        if (errno != 0 || sched_getaffinity(subject->pid, sizeof(subject->affinity), &subject->affinity) < 0)
                die_errno("cannot ask how process %d is scheduled", (int) subject->pid);
}

void read_subject(struct subject *subject) {
        read_status(subject);
        read_limits(subject);
        read_schedule(subject);
        read_namespaces(subject);
        read_groups_of_control(subject);
        subject->oom = need_proc(subject->pid, "oom_score_adj");
        subject->label = read_proc(subject->pid, "attr/current"); /* no LSM, no label */
        subject->uid_map = need_proc(subject->pid, "uid_map");
        subject->gid_map = need_proc(subject->pid, "gid_map");
        if (subject->root < 0)
                die("cannot open the root of process %d", (int) subject->pid);
        if (!is_alive(subject->process) || !is_alive(subject->leader_fd))
                die("%s%s has just ended", subject->app ? "app " : "the pod",
                    subject->app ? subject->app : "");
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
