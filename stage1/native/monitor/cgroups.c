#include "cgroups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "basic/files.h"
#include "basic/times.h"
#include "basic/util.h"

#define REMOVE_PATIENCE_MS 5000
#define PROCS_MAX          ((size_t) 1 << 20)

void make_cgroups(const char **paths, size_t count) {
        for (size_t i = 0; i < count; i++) {
                int result = make_dirs(paths[i], 0755);
                errno = -result;
                if (result < 0)
                        die_errno("cannot make the cgroup %s", paths[i]);
        }
}

size_t more_cgroups(const char *file, const char ***paths, size_t count) {
        char *text = read_file(AT_FDCWD, file, NULL, PROCS_MAX); /* the paths point into it */

        for (char *rest = text, *line; rest && (line = strsep(&rest, "\n"));)
                if (line[0] == '/') {
                        *paths = xrealloc(*paths, (count + 1) * sizeof(char *));
                        (*paths)[count++] = line;
                }
        return count;
}

char *write_limit(const char *path, const char *value) {
        AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
        int result = fd < 0 ? -errno : write_all(fd, value, strlen(value));

        if (result < 0)
                return xasprintf("cannot write '%s' to %s: %s", value, path, strerror(-result));
        return NULL;
}

/* Writes a process, or 0 for this one, into the list of a cgroup; what went wrong, or NULL. */
static char *join_cgroup(const char *path, const char *list, pid_t pid) {
        AUTO_FREE char *file = xasprintf("%s/%s", path, list);
        AUTO_FREE char *text = xasprintf("%d", (int) pid);
        AUTO_CLOSE int fd = open(file, O_WRONLY | O_CLOEXEC);
        int result = fd < 0 ? -errno : write_all(fd, text, strlen(text));

        return result < 0 ? xasprintf("cannot enter the cgroup %s: %s", path, strerror(-result)) : NULL;
}

/* The lists of threads are those of v1. */
static bool is_unified(const char *path) {
        AUTO_FREE char *tasks = xasprintf("%s/tasks", path);

        return access(tasks, F_OK) < 0;
}

void join_cgroups(const char **paths, size_t count, bool in_unified) {
        for (size_t i = 0; i < count; i++) {
                bool unified = is_unified(paths[i]);
                if (unified && in_unified)
                        continue;
                AUTO_FREE char *error = join_cgroup(paths[i], unified ? "cgroup.procs" : "tasks", 0);
                if (error)
                        die("%s", error);
        }
}

static int open_unified(const char **paths, size_t count) {
        for (size_t i = 0; i < count; i++)
                if (is_unified(paths[i]))
                        return open(paths[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return -1;
}

/* To move a process the kernel stops all forks, which takes 10 ms (a grace period of RCU). A process that is
 * born in its group need not be moved (v2), and a thread that moves itself stops nobody (v1). */
pid_t fork_into_unified(const char **paths, size_t count, bool *in_unified) {
        AUTO_CLOSE int group = open_unified(paths, count);
        struct clone_args arguments = {
                .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (unsigned) group};
        pid_t pid = group < 0 ? -1 : (pid_t) syscall(SYS_clone3, &arguments, sizeof(arguments));

        *in_unified = pid >= 0;
        return pid < 0 ? fork() : pid; /* no v2, or a filter around us that knows no clone3(2) */
}

/* NULL with v1, also where v2 is mounted beside it: then nothing is handed on. */
static char *own_group(void) {
        AUTO_FREE char *text = read_file(AT_FDCWD, "/proc/self/cgroup", NULL, PROCS_MAX);

        if (!text || strncmp(text, "0::/", 4) != 0)
                return NULL;
        text[strcspn(text, "\n")] = '\0';
        return xasprintf("/sys/fs/cgroup%s", text + 3);
}

void step_aside(pid_t supervisor) {
        AUTO_FREE char *group = own_group();

        if (!group)
                return;
        AUTO_FREE char *aside = xasprintf("%s/monitor", group);
        AUTO_FREE char *procs = xasprintf("%s/cgroup.procs", group);
        AUTO_FREE char *text = read_file(AT_FDCWD, procs, NULL, PROCS_MAX);
        if (mkdir(aside, 0755) < 0 && errno != EEXIST) {
                warn("cannot make the cgroup %s, limits of apps do not hold: %s", aside, strerror(errno));
                return;
        }
        for (char *rest = text, *line; rest && (line = strsep(&rest, "\n"));) {
                pid_t pid = (pid_t) strtol(line, NULL, 10);
                AUTO_FREE char *error =
                        pid > 0 && pid != supervisor ? join_cgroup(aside, "cgroup.procs", pid) : NULL;
                if (error && process_start_time(pid) != 0) /* and not one that has just ended */
                        warn("%s: limits of apps do not hold", error);
        }
}

static void kill_listed(int dir_fd) {
        AUTO_FREE char *text = read_file(dir_fd, "cgroup.procs", NULL, PROCS_MAX);

        for (char *rest = text, *line; rest && (line = strsep(&rest, "\n"));) {
                pid_t pid = (pid_t) strtol(line, NULL, 10);
                /* 0 is a process of another pid namespace, and would mean our own group to kill(2). */
                if (pid > 1 && pid != getpid())
                        (void) kill(pid, SIGKILL);
        }
}

/* Walks a cgroup and all below it, the deepest first. */
static int walk_cgroup(int parent_fd, const char *name, bool remove) {
        int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        DIR *directory = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *entry;

        if (!directory)
                return errno == ENOENT ? 0 : -errno;
        while ((entry = readdir(directory)))
                if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
                        (void) walk_cgroup(fd, entry->d_name, remove);
        kill_listed(fd);
        (void) closedir(directory);
        if (remove && unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                return -errno;
        return 0;
}

void kill_cgroups(const char **paths, size_t count) {
        for (size_t i = 0; i < count; i++) {
                AUTO_FREE char *all = xasprintf("%s/cgroup.kill", paths[i]);
                AUTO_CLOSE int fd = open(all, O_WRONLY | O_CLOEXEC);
                if (fd < 0 || write_all(fd, "1", 1) < 0)
                        (void) walk_cgroup(AT_FDCWD, paths[i], false);
        }
}

/* Lets a group and all below it go on: what stands still hears no signal but SIGKILL. */
static void thaw(int parent_fd, const char *name) {
        int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        DIR *directory = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *entry;

        if (!directory)
                return;
        AUTO_CLOSE int freeze = openat(fd, "cgroup.freeze", O_WRONLY | O_CLOEXEC);
        if (freeze >= 0)
                (void) write_all(freeze, "0", 1);
        while ((entry = readdir(directory)))
                if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
                        thaw(fd, entry->d_name);
        (void) closedir(directory);
}

/* The pod's tree in the unified hierarchy is the group around that of its PID 1. */
void thaw_pod(pid_t leader) {
        AUTO_FREE char *own = xasprintf("/proc/%d/cgroup", (int) leader);
        AUTO_FREE char *text = read_file(AT_FDCWD, own, NULL, PROCS_MAX);
        const char *mount = access("/sys/fs/cgroup/unified/cgroup.procs", F_OK) == 0
                                    ? "/sys/fs/cgroup/unified"
                                    : "/sys/fs/cgroup";

        for (char *rest = text, *line; rest && (line = strsep(&rest, "\n"));) {
                char *end = strncmp(line, "0::/", 4) == 0 ? strrchr(line, '/') : NULL;
                if (!end || end == line + 3) /* never the root group */
                        continue;
                *end = '\0';
                AUTO_FREE char *path = xasprintf("%s%s", mount, line + 3);
                thaw(AT_FDCWD, path);
        }
}

/* Waits until the cgroup says that its last process left (v2), or a short while (v1 tells nobody). */
static void await_change(const char *path, int patience_ms) {
        AUTO_CLOSE int watch = inotify_init1(IN_CLOEXEC);
        AUTO_FREE char *events = xasprintf("%s/cgroup.events", path);
        struct pollfd poll_fd = {.fd = watch, .events = POLLIN};

        if (watch < 0 || inotify_add_watch(watch, events, IN_MODIFY) < 0)
                poll_fd.fd = -1;
        (void) poll(&poll_fd, 1, patience_ms);
}

void remove_cgroups(const char **paths, size_t count) {
        for (size_t i = count; i-- > 0;) {
                int pause = 1, waited = 0, result;

                while ((result = walk_cgroup(AT_FDCWD, paths[i], true)) == -EBUSY &&
                       waited < REMOVE_PATIENCE_MS) {
                        await_change(paths[i], pause);
                        waited += pause;
                        pause = pause < 100 ? pause * 2 : pause;
                }
                if (result < 0)
                        warn("the cgroup %s is still there: %s", paths[i], strerror(-result));
        }
}
