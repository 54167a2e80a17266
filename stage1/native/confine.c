#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "capabilities.h"
#include "execute.h"
#include "tools.h"
#include "util.h"

#define IOPRIO_WHO_PROCESS_ 1
#define BORN                '\1' /* begins the message with the child's pid; no sentence does */

static pid_t clone_process(unsigned long long flags, int signal_number, int group) {
        struct clone_args arguments = {.flags = flags | (group >= 0 ? CLONE_INTO_CGROUP : 0ULL),
                                       .exit_signal = (unsigned) signal_number,
                                       .cgroup = group >= 0 ? (unsigned) group : 0};
        return (pid_t) syscall(SYS_clone3, &arguments, sizeof(arguments));
}

/* To a file of /proc or of a cgroup. */
static bool put_text(const char *path, const char *text) {
        AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
        return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text);
}

static void join_groups(const struct subject *subject, bool in_unified) {
        for (char **procs = subject->procs; *procs; procs++)
                if (!put_text(*procs, "0"))
                        die_errno("cannot enter the cgroup of %s", *procs);
        if (!in_unified && subject->unified_procs && !put_text(subject->unified_procs, "0"))
                die_errno("cannot enter the cgroup of %s", subject->unified_procs);
}

/* AppArmor wants a verb before the profile, SELinux takes the context as it is; unconfined is neither. */
static void take_label(const struct subject *subject) {
        AUTO_FREE char *own = read_file(AT_FDCWD, "/proc/self/attr/current", NULL, 4096);
        AUTO_FREE char *label = subject->label ? xstrdup(subject->label) : NULL;

        if (!label || !own || strcmp(own, label) == 0)
                return;
        label[strcspn(label, "\n")] = '\0';
        bool selinux = strchr(label, ':') != NULL && strstr(label, " (") == NULL;
        label[selinux ? strlen(label) : strcspn(label, " ")] = '\0';
        AUTO_FREE char *text = xasprintf("%s%s", selinux ? "" : "exec ", label);
        if (!put_text("/proc/self/attr/exec", text))
                die_errno("cannot take on the security label %s", label);
}

/* While we still are root of the host. What the host itself may not raise stays lower: never more than the
 * app's. */
static void take_limits(const struct subject *subject) {
        (void) put_text("/proc/self/oom_score_adj", subject->oom);
        if (setpriority(PRIO_PROCESS, 0, subject->nice) < 0 && errno != EACCES && errno != EPERM)
                die_errno("cannot set the nice value");
        (void) syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS_, 0, subject->io_priority);
        (void) sched_setaffinity(0, sizeof(subject->affinity), &subject->affinity);
        for (int i = 0; i < RLIM_NLIMITS; i++) {
                struct rlimit wanted = subject->limits[i], own;
                if (getrlimit((unsigned) i, &own) < 0)
                        continue;
                if (setrlimit((unsigned) i, &wanted) == 0)
                        continue;
                if (errno != EPERM)
                        die_errno("cannot set limit %d", i);
                wanted.rlim_max = wanted.rlim_max < own.rlim_max ? wanted.rlim_max : own.rlim_max;
                wanted.rlim_cur = wanted.rlim_cur < wanted.rlim_max ? wanted.rlim_cur : wanted.rlim_max;
                if (setrlimit((unsigned) i, &wanted) < 0)
                        die_errno("cannot set limit %d", i);
        }
}

/* Nothing stays open but the standard streams, what is to be preserved, and after those the way to report.
 */
static void arrange_descriptors(const struct command *command, int report) {
        int last = 3 + command->preserved;

        for (int i = 0; i < 3; i++)
                if (dup2(command->streams[i], i) < 0)
                        die_errno("cannot set up standard stream %d", i);
        for (int fd = 3; fd < last; fd++)
                if (fcntl(fd, F_SETFD, 0) < 0)
                        die_errno("cannot hand on descriptor %d", fd);
        if (report != last && dup3(report, last, O_CLOEXEC) < 0)
                die_errno("cannot keep the way to report");
        die_through(last);
        if (close_range((unsigned) last + 1, ~0U, 0) < 0)
                die_errno("cannot close what is the host's");
}

static void take_identity(const struct rights *rights) {
        const uid_t *uid = rights->uids;
        const gid_t *gid = rights->gids;

        limit_bounding_set(rights->bounding);
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
                die_errno("cannot keep capabilities");
        if (setgroups(rights->n_groups, rights->groups) < 0 || setresgid(gid[0], gid[1], gid[2]) < 0 ||
            setresuid(uid[0], uid[1], uid[2]) < 0)
                die_errno("cannot become user %u of group %u", uid[1], gid[1]);
        if (rights->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                die_errno("cannot give up new privileges");
}

/* To put filters on itself without no_new_privs a process needs CAP_SYS_ADMIN. It lasts until the program is
 * executed, as in systemd itself: what is not in the bounding set no program gets. */
static uint64_t until_execution(const struct command *command, unsigned last_filter) {
        bool needed = !command->rights->no_new_privs && last_filter > command->filters->n_base;
        return needed ? CAPABILITY(CAP_SYS_ADMIN) : 0;
}

static void take_capabilities(const struct command *command, unsigned last_filter) {
        const struct rights *rights = command->rights;

        set_capabilities(rights->permitted | until_execution(command, last_filter), rights->inheritable);
        set_ambient(rights->ambient);
        (void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static void reset_signals(void) {
        struct sigaction usual = {.sa_handler = SIG_DFL};
        sigset_t none;

        for (int i = 1; i < NSIG; i++)
                (void) sigaction(i, &usual, NULL);
        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Born in the pod, visible there, and no more than the app. */
static void run_inside(const struct command *command, unsigned last_filter) __attribute__((noreturn));

static void run_inside(const struct command *command, unsigned last_filter) {
        if (setsid() < 0 || (command->terminal && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0))
                die_errno("cannot make a session");
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
                die_errno("cannot tie the command's life to ours");
        reset_signals();
        set_status(STATUS_CANNOT_EXECUTE);
        if (chdir(command->directory) < 0)
                die_errno("cannot enter %s", command->directory);
        set_status(EXIT_RUNTIME);
        filters_install(command->filters, command->filters->n_base, last_filter);
        execute(command->argv[0], command->argv, command->environment);
}

static void enter_root(const struct command *command) {
        if (command->tools >= 0)
                make_tool_root(command->tools, command->subject->root);
        else if (fchdir(command->subject->root) < 0 || chroot(".") < 0 || chdir("/") < 0)
                die_errno("cannot enter the root");
}

/* Stays in the host's pid namespace, where the pod does not see it, until nothing is left to give up. */
static void join_and_bear(const struct command *command, pid_t helper, bool in_unified, int report)
        __attribute__((noreturn));

static void join_and_bear(const struct command *command, pid_t helper, bool in_unified, int report) {
        const struct subject *subject = command->subject;
        unsigned last_filter =
                command->rights->app_filters ? command->filters->count : command->filters->n_base;

        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
            getppid() != helper)
                die("the helper is gone");
        join_groups(subject, in_unified);
        take_limits(subject);
        take_label(subject);
        if (setns(subject->process, subject->namespaces) < 0)
                die_errno("cannot join the namespaces");
        enter_root(command);
        arrange_descriptors(command, report);
        filters_install(command->filters, 0, command->filters->n_base);
        umask(subject->umask);
        take_identity(command->rights);
        take_capabilities(command, last_filter);
        report = 3 + command->preserved;
        pid_t child = clone_process(CLONE_PARENT, 0, -1);
        if (child < 0)
                die_errno("cannot start a process in the pod");
        if (child == 0)
                run_inside(command, last_filter);
        char message[1 + sizeof(child)] = {BORN};
        memcpy(message + 1, &child, sizeof(child));
        (void) write_all(report, message, sizeof(message));
        _exit(0);
}

/* One message of the forerunner or of the child, in whatever order they come; false when both have closed.
 */
static bool read_message(int fd, pid_t *child, char **complaint) {
        char text[2048];
        ssize_t got = recv(fd, text, sizeof(text) - 1, 0);

        if (got < 0 && errno == EINTR)
                return true;
        if (got <= 0)
                return false;
        text[got] = '\0';
        if (text[0] == BORN && (size_t) got == 1 + sizeof(*child))
                memcpy(child, text + 1, sizeof(*child));
        else if (!*complaint)
                *complaint = xstrdup(text);
        return true;
}

static pid_t read_report(int fd, pid_t forerunner) {
        AUTO_FREE char *complaint = NULL;
        pid_t child = 0;
        int status = 0;

        while (read_message(fd, &child, &complaint))
                ;
        while (waitpid(forerunner, &status, __WALL) < 0 && errno == EINTR)
                ;
        if (child > 0 && !complaint)
                return child;
        if (child > 0)
                (void) waitpid(child, &status, __WALL);
        if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
                set_status(WEXITSTATUS(status));
        die("%s", complaint ? complaint : "the pod ended meanwhile");
}

pid_t start_command(const struct command *command) {
        AUTO_CLOSE int reader = -1;
        AUTO_CLOSE int writer = -1;
        int ends[2];
        pid_t helper = getpid();

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                die_errno("cannot make a way to report");
        reader = ends[0];
        writer = ends[1];
        /* Born in its cgroup, no process need be moved there, for which the kernel waits 10 ms and more. */
        pid_t forerunner =
                command->subject->group < 0 ? -1 : clone_process(0, SIGCHLD, command->subject->group);
        bool in_unified = forerunner >= 0;
        if (forerunner < 0)
                forerunner = fork();
        if (forerunner < 0)
                die_errno("cannot fork");
        if (forerunner == 0) {
                die_through(writer);
                join_and_bear(command, helper, in_unified, writer);
        }
        close(take_fd(&writer));
        return read_report(reader, forerunner);
}
