/* What the process found has and is: the other half of subject.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "basic/files.h"
#include "basic/util.h"
#include "procfiles.h"
#include "subject.h"

#define IOPRIO_WHO_PROCESS_ 1

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

static bool is_alive(int process) {
        struct pollfd poll_fd = {.fd = process, .events = POLLIN};
        return poll(&poll_fd, 1, 0) == 0;
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
