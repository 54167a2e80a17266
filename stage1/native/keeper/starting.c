#include "starting.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "basic/util.h"
#include "enter/plan.h"
#include "sealed.h"

#define IOPRIO_WHO_PROCESS_ 1

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

/* All this stays over an execution. What the host itself may not raise stays lower. */
static void take_schedule(const struct subject *subject) {
        (void) put_text("/proc/self/oom_score_adj", subject->oom);
        if (setpriority(PRIO_PROCESS, 0, subject->nice) < 0 && errno != EACCES && errno != EPERM)
                die_errno("cannot set the nice value");
        (void) syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS_, 0, subject->io_priority);
        (void) sched_setaffinity(0, sizeof(subject->affinity), &subject->affinity);
}

/* Whatever else is open is closed on execution, or by enter. */
static void hand_on(const struct command *command, int report, int plan) {
        const int taken[] = {report, plan, command->subject->process, command->subject->root,
                             command->tools};

        for (int i = 0; i < 3; i++)
                if (dup2(command->streams[i], i) < 0)
                        die_errno("cannot set up standard stream %d", i);
        for (int fd = 3; fd < 3 + command->preserved; fd++)
                if (fcntl(fd, F_SETFD, 0) < 0)
                        die_errno("cannot hand on descriptor %d", fd);
        for (size_t i = 0; i < ARRAY_LEN(taken); i++)
                if (taken[i] >= 0 && fcntl(taken[i], F_SETFD, 0) < 0)
                        die_errno("cannot hand on descriptor %d", taken[i]);
}

/* Without any environment: what the image says is for its own programs. */
static void become_enter(const struct command *command, int program, int plan, int report)
        __attribute__((noreturn));

static void become_enter(const struct command *command, int program, int plan, int report) {
        static char *nothing[] = {NULL};
        AUTO_FREE char *report_word = xasprintf("%d", report);
        AUTO_FREE char *plan_word = xasprintf("%d", plan);
        size_t count = 0;

        while (command->argv[count])
                count++;
        char **argv = xalloc((count + 4) * sizeof(char *));
        argv[0] = (char[]){"enter"};
        argv[1] = report_word;
        argv[2] = plan_word;
        memcpy(argv + 3, command->argv, count * sizeof(char *));
        hand_on(command, report, plan);
        (void) syscall(SYS_execveat, program, "", argv, nothing, AT_EMPTY_PATH);
        die_errno("cannot run enter");
}

/* One message of enter or of the command, in whatever order; false when both have closed. */
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

static pid_t read_report(int fd, pid_t enter) {
        AUTO_FREE char *complaint = NULL;
        pid_t child = 0;
        int status = 0;

        while (read_message(fd, &child, &complaint))
                ;
        while (waitpid(enter, &status, __WALL) < 0 && errno == EINTR)
                ;
        if (child > 0 && !complaint)
                return child;
        if (child > 0)
                (void) waitpid(child, &status, __WALL);
        if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
                set_status(WEXITSTATUS(status));
        die("%s", complaint ? complaint : "the pod ended meanwhile");
}

/* Born in its cgroup, no process need be moved there, for which the kernel waits 10 ms and more. */
static pid_t fork_into(int group) {
        struct clone_args arguments = {
                .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (unsigned) group};

        return group < 0 ? -1 : (pid_t) syscall(SYS_clone3, &arguments, sizeof(arguments));
}

pid_t start_command(const struct command *command) {
        /* Both before the fork: the app's memory is not charged for them. */
        AUTO_CLOSE int program = open_sealed("enter");
        AUTO_CLOSE int plan = write_plan(command);
        AUTO_CLOSE int reader = -1;
        AUTO_CLOSE int writer = -1;
        int ends[2];
        pid_t keeper = getpid();

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                die_errno("cannot make a way to report");
        reader = ends[0];
        writer = ends[1];
        pid_t enter = fork_into(command->subject->group);
        bool in_unified = enter >= 0;
        if (enter < 0)
                enter = fork();
        if (enter < 0)
                die_errno("cannot fork");
        if (enter == 0) {
                die_through(writer);
                if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != keeper)
                        die("the keeper is gone");
                join_groups(command->subject, in_unified);
                take_schedule(command->subject);
                become_enter(command, program, plan, writer);
        }
        close(take_fd(&writer));
        return read_report(reader, enter);
}
