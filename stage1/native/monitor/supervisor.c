#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "basic/execute.h"
#include "basic/files.h"
#include "basic/util.h"
#include "cgroups.h"
#include "listeners.h"
#include "monitor/network/network.h"
#include "monitor/network/rules.h"
#include "mounts/credentials.h"
#include "mounts/mounts.h"
#include "oom.h"

static char **make_environment(const struct launch *launch, pid_t monitor) {
        char **environment = xalloc((launch->n_environment + 5) * sizeof(char *));
        const char *path = getenv("PATH");
        size_t count = 0;

        environment[count++] = xasprintf("PATH=%s", path ? path : PATH_DEFAULT);
        /* A socket's address is short and the pod directory's path need not be: the way through our current
         * directory always fits. */
        environment[count++] = xasprintf("NOTIFY_SOCKET=/proc/%d/cwd/run/notify", (int) monitor);
        int listeners = count_listeners(monitor);
        if (listeners > 0) {
                environment[count++] = xasprintf("LISTEN_FDS=%d", listeners);
                environment[count++] = xasprintf("LISTEN_PID=%d", (int) getpid());
        }
        for (size_t i = 0; i < launch->n_environment; i++)
                environment[count++] = xstrdup(launch->environment[i]);
        return environment;
}

/* What systemd-nspawn itself says goes to run/console.log even when an app has a terminal: only the pod's
 * console is the app's. */
static void redirect(int terminal) {
        AUTO_CLOSE int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        AUTO_CLOSE int console =
                open("run/console.log", O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);

        if (null < 0 || console < 0)
                die_errno("cannot open run/console.log");
        if (terminal >= 0 && ioctl(terminal, TIOCSCTTY, 0) < 0)
                die_errno("cannot make the terminal the supervisor's own");
        if (dup2(terminal >= 0 ? terminal : null, STDIN_FILENO) < 0 ||
            dup2(terminal >= 0 ? terminal : console, STDOUT_FILENO) < 0 || dup2(console, STDERR_FILENO) < 0)
                die_errno("cannot set up the supervisor's output");
}

static void reset_signals(void) {
        static const int ours[] = {SIGPIPE, SIGQUIT, SIGTERM}; /* as we, or who started us, left them */
        sigset_t none;

        sigemptyset(&none);
        for (size_t i = 0; i < ARRAY_LEN(ours); i++)
                (void) signal(ours[i], SIG_DFL);
        sigprocmask(SIG_SETMASK, &none, NULL);
}

static void keep_open(const int *inherited) {
        if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
                die_errno("cannot close what is not the supervisor's");
        for (; *inherited >= 0; inherited++)
                if (fcntl(*inherited, F_SETFD, 0) < 0)
                        die_errno("cannot hand on descriptor %d", *inherited);
}

static void await_monitor(int go) {
        char byte;

        if (read(go, &byte, 1) != 1)
                die("the monitor is gone");
}

/* What only a process with rights over the host can raise: systemd-nspawn would try it when its child has
 * given them up for a user namespace. */
static void raise_limits(const struct launch *launch) {
        AUTO_FREE char *error =
                launch->oom_score ? write_limit("/proc/self/oom_score_adj", launch->oom_score) : NULL;

        if (error)
                die("%s", error);
        for (size_t i = 0; i < launch->n_ulimits; i++)
                if (setrlimit((__rlimit_resource_t) launch->ulimits[i].resource, &launch->ulimits[i].value) <
                    0)
                        die_errno("cannot raise the limit %s", launch->ulimits[i].name);
}

static bool keeps_unit(const struct launch *launch) {
        for (char **word = launch->argv; *word; word++)
                if (strcmp(*word, "--keep-unit") == 0)
                        return launch->n_cgroups == 0;
        return false;
}

static void run_child(const struct launch *launch, pid_t monitor, const int *inherited, int terminal, int go)
        __attribute__((noreturn));

static void run_child(const struct launch *launch, pid_t monitor, const int *inherited, int terminal,
                      int go) {
        if (setsid() < 0)
                die_errno("cannot make a session");
        raise_limits(launch);
        umask(022);
        enter_network(launch);
        enter_mount_namespace();
        make_mounts(launch->mounts, launch->n_mounts, &launch->ids);
        if (keeps_unit(launch))
                show_unit_oom_count(&launch->ids);
        make_credentials(launch->credentials, launch->n_credentials, &launch->ids);
        /* If the monitor dies, systemd-nspawn stops the pod in order. */
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != monitor)
                die("the monitor is gone");
        await_monitor(go);
        redirect(terminal);
        keep_open(inherited);
        char **environment = make_environment(launch, monitor);
        reset_signals();
        execvpe(launch->argv[0], launch->argv, environment);
        die_errno("cannot execute %s", launch->argv[0]);
}

/* While the child makes its mounts, the packet filter takes the pod's rules. */
static char *let_go(const struct launch *launch, pid_t pid, pid_t rules, int go, int reader) {
        char *error = rules_finish(launch, rules);

        if (keeps_unit(launch))
                step_aside(pid);
        if (error) {
                (void) kill(pid, SIGKILL);
                return error;
        }
        (void) write_all(go, "", 1); /* a child that failed says so itself */
        return last_words(reader);   /* it ends when the supervisor is executed */
}

pid_t supervisor_start(const struct launch *launch, const int *inherited, int terminal, char **error) {
        AUTO_CLOSE int reader = -1;
        AUTO_CLOSE int writer = -1;
        AUTO_CLOSE int go_reader = -1;
        AUTO_CLOSE int go_writer = -1;
        pid_t monitor = getpid(), rules = rules_begin(launch), pid;
        bool in_unified;
        int ends[2], go[2];

        if (pipe2(ends, O_CLOEXEC) < 0 || pipe2(go, O_CLOEXEC) < 0)
                die_errno("cannot make a pipe");
        reader = ends[0];
        writer = ends[1];
        go_reader = go[0];
        go_writer = go[1];
        pid = fork_into_unified(launch->cgroups, launch->n_cgroups, &in_unified);
        if (pid < 0)
                die_errno("cannot fork");
        if (pid == 0) {
                die_through(writer);
                close(take_fd(&go_writer));
                join_cgroups(launch->cgroups, launch->n_cgroups, in_unified);
                run_child(launch, monitor, inherited, terminal, go_reader);
        }
        close(take_fd(&writer));
        *error = let_go(launch, pid, rules, go_writer, reader);
        if (!*error)
                return pid;
        (void) waitpid(pid, NULL, 0);
        return -1;
}

/* The first word after key in /proc/PID/status, or its last. */
static char *status_field(pid_t pid, const char *key, bool last) {
        AUTO_FREE char *path = xasprintf("/proc/%d/status", (int) pid);
        AUTO_FREE char *text = read_file(AT_FDCWD, path, NULL, 65536);
        char *line = text ? strstr(text, key) : NULL, *word;

        if (!line)
                return NULL;
        line += strlen(key);
        line[strcspn(line, "\n")] = '\0';
        word = last ? strrchr(line, '\t') : NULL;
        word = word ? word : line;
        return xstrdup(word + strspn(word, " \t"));
}

pid_t supervisor_find_leader(pid_t supervisor) {
        AUTO_FREE char *path = xasprintf("/proc/%d/task/%d/children", (int) supervisor, (int) supervisor);
        AUTO_FREE char *text = read_file(AT_FDCWD, path, NULL, 65536);
        char *rest = text, *word;

        while (rest && (word = strsep(&rest, " "))) {
                pid_t child = (pid_t) strtol(word, NULL, 10);
                AUTO_FREE char *inner = child > 0 ? status_field(child, "\nNSpid:", true) : NULL;
                /* Its own PID in the innermost namespace; a child without one of its own shows a large
                 * number. */
                if (inner && strcmp(inner, "1") == 0)
                        return child;
        }
        return 0;
}

bool process_heeds(pid_t pid, int signal_number) {
        AUTO_FREE char *blocked = status_field(pid, "\nSigBlk:", false);
        AUTO_FREE char *caught = status_field(pid, "\nSigCgt:", false);
        uint64_t mask = 0;

        if (blocked && caught)
                mask = strtoull(blocked, NULL, 16) | strtoull(caught, NULL, 16);
        return mask & (UINT64_C(1) << (signal_number - 1));
}
