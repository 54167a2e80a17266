#include "front.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "basic/util.h"

void announce(int front, const char *record) {
        AUTO_FREE char *line = xasprintf("%s\n", record);

        (void) write_all(front, line, strlen(line));
        close(front);
}

/* The keeper's end, or its word that the command stays without us. */
static void wait_for_keeper(pid_t keeper, int word) __attribute__((noreturn));

static void wait_for_keeper(pid_t keeper, int word) {
        char text[512];
        int status;
        ssize_t got;

        while ((got = read(word, text, sizeof(text))) < 0 && errno == EINTR)
                ;
        if (got > 0) {
                (void) write_all(STDOUT_FILENO, text, (size_t) got);
                _exit(0);
        }
        while (waitpid(keeper, &status, 0) < 0 && errno == EINTR)
                ;
        _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

bool is_ignored(int signal_number) {
        struct sigaction action;

        return sigaction(signal_number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static pid_t keeper_pid;

/* What a terminal or the kernel sends goes to all of the group, and so to the child as well. */
static void pass_on(int signal_number, siginfo_t *info, void *context) {
        int error = errno;

        (void) context;
        if (info->si_code <= 0)
                (void) kill(keeper_pid, signal_number);
        errno = error;
}

int split_front(void) {
        static const int passed[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1,
                                     SIGUSR2, SIGALRM, SIGCONT, SIGWINCH};
        sigset_t set;
        int ends[2];

        (void) signal(SIGCHLD, SIG_DFL); /* ignored, it would eat the child's status */
        if (pipe2(ends, O_CLOEXEC) < 0)
                die_errno("cannot make a pipe");
        keeper_pid = fork();
        if (keeper_pid < 0)
                die_errno("cannot fork");
        if (keeper_pid == 0) {
                close(ends[0]);
                return ends[1];
        }
        close(ends[1]);
        sigemptyset(&set);
        for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
                struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO};
                if (!is_ignored(passed[i]))
                        (void) sigaction(passed[i], &action, NULL);
                sigaddset(&set, passed[i]);
        }
        /* who executed us may have kept some of them for us */
        (void) sigprocmask(SIG_UNBLOCK, &set, NULL);
        wait_for_keeper(keeper_pid, ends[0]);
}
