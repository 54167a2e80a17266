#include "result.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "basic/files.h"
#include "basic/json.h"
#include "basic/room.h"
#include "basic/times.h"
#include "basic/util.h"

#define RECORD_MAX  65536
#define EXIT_REBOOT 133 /* as systemd-nspawn ends: RestartForceExitStatus= of units */

void record_stopping(const char *who) {
        AUTO_FREE char *text = xasprintf("%s\n", who);
        int result = room_write(create_file, AT_FDCWD, ROOM, "run/status/stopping", text);

        if (result < 0 && result != -EEXIST)
                warn("cannot write run/status/stopping: %s", strerror(-result));
}

/* `STATUS APP SENTENCE`, made by the reaper of the app that decided. */
static bool read_verdict(struct outcome *outcome) {
        AUTO_FREE char *text = read_file(AT_FDCWD, "run/status/verdict", NULL, RECORD_MAX);
        char *rest = text, *status, *app;
        uint64_t number;

        if (!text)
                return false;
        text[strcspn(text, "\n")] = '\0';
        status = strsep(&rest, " ");
        app = strsep(&rest, " ");
        if (!app || !parse_number(status, 255, &number)) {
                warn("run/status/verdict is no verdict: '%s'", text);
                return false;
        }
        outcome->status = (int) number;
        outcome->reason = "decided";
        outcome->by = xstrdup(app);
        if (rest && *rest)
                outcome->message = xasprintf("app %s: %s", app, rest);
        return true;
}

/* systemd-nspawn may say this last whatever ended it, where /run is no tmpfs. */
static const char console_noise[] = "Attempted to remove disk file system";

/* Cuts the last line with something to say off the text. */
static char *last_line(char *text) {
        for (char *end = text + strlen(text); end > text; *end = '\0') {
                while (end > text && strchr("\r\n", end[-1]))
                        *--end = '\0';
                while (end > text && end[-1] != '\n')
                        end--;
                if (*end && strncmp(end, console_noise, strlen(console_noise)) != 0)
                        return end;
        }
        return NULL;
}

static char *last_console_line(void) {
        AUTO_CLOSE int fd = open("run/console.log", O_RDONLY | O_CLOEXEC);
        char text[2048], *line;
        struct stat status;
        ssize_t size;

        if (fd < 0 || fstat(fd, &status) < 0)
                return NULL;
        off_t room = (off_t) sizeof(text) - 1;
        size = pread(fd, text, sizeof(text) - 1, status.st_size > room ? status.st_size - room : 0);
        text[size > 0 ? size : 0] = '\0';
        line = last_line(text);
        return line ? xstrdup(line) : NULL;
}

static char *describe_failure(const struct outcome *outcome, const char *label) {
        bool killed = WIFSIGNALED(outcome->supervisor) && WTERMSIG(outcome->supervisor) == SIGKILL;
        /* Who is killed has not said why. */
        AUTO_FREE char *line = killed ? NULL : last_console_line();
        AUTO_FREE char *how =
                WIFSIGNALED(outcome->supervisor)
                        ? xasprintf("killed by SIG%s", sigabbrev_np(WTERMSIG(outcome->supervisor)))
                        : xasprintf("exit %d", WEXITSTATUS(outcome->supervisor));

        return xasprintf("%s: systemd-nspawn failed (%s)%s%s", label, how, line ? ": " : "",
                         line ? line : "");
}

static void set_outcome(struct outcome *outcome, int status, const char *reason) {
        outcome->status = status;
        outcome->reason = reason;
}

/* Who marked the pod as being stopped says so (pod-reboot.service). */
static bool is_reboot(void) {
        AUTO_FREE char *who = read_file(AT_FDCWD, "run/status/stopping", NULL, RECORD_MAX);
        return who && strcmp(who, "reboot\n") == 0;
}

/* The records are the truth: systemd-nspawn turns some exit statuses into others. */
void outcome_decide(struct outcome *outcome, const char *label) {
        if (outcome->start_error) {
                set_outcome(outcome, EXIT_RUNTIME, "supervisor-failed");
                outcome->message = xasprintf("%s: %s", label, outcome->start_error);
        } else if (read_verdict(outcome))
                return;
        else if (outcome->killed)
                set_outcome(outcome, 128 + SIGKILL, "killed");
        else if (is_reboot())
                set_outcome(outcome, EXIT_REBOOT, "reboot");
        else if (access("run/status/stopping", F_OK) == 0)
                set_outcome(outcome, 0, "stopped");
        else if (outcome->supervisor != 0) {
                set_outcome(outcome, EXIT_RUNTIME, "supervisor-failed");
                outcome->message = describe_failure(outcome, label);
        } else
                set_outcome(outcome, 0, "ended");
}

static char *json_time(const struct timespec *when) {
        char text[TIME_TEXT_MAX];

        if (when->tv_sec == 0)
                return xstrdup("null");
        format_time(text, when, 6);
        return xasprintf("\"%s\"", text);
}

static char *json_string(const char *text) {
        AUTO_FREE char *quoted = text ? json_quote(text) : NULL;
        return text ? xasprintf("\"%s\"", quoted) : xstrdup("null");
}

void outcome_write(const struct outcome *outcome) {
        bool ran = !outcome->start_error;
        AUTO_FREE char *by = json_string(outcome->by);
        AUTO_FREE char *message = json_string(outcome->message);
        AUTO_FREE char *code = ran && WIFEXITED(outcome->supervisor)
                                       ? xasprintf("%d", WEXITSTATUS(outcome->supervisor))
                                       : xstrdup("null");
        AUTO_FREE char *signal_text = json_string(ran && WIFSIGNALED(outcome->supervisor)
                                                          ? sigabbrev_np(WTERMSIG(outcome->supervisor))
                                                          : NULL);
        AUTO_FREE char *started = json_time(&outcome->started);
        AUTO_FREE char *ready = json_time(&outcome->ready);
        AUTO_FREE char *ended = json_time(&outcome->ended);
        AUTO_FREE char *text = xasprintf(
                "{\"status\": %d, \"reason\": \"%s\", \"by\": %s, \"supervisor\": %s, "
                "\"signal\": %s, \"started_at\": %s, \"ready_at\": %s, \"ended_at\": %s, "
                "\"message\": %s}\n",
                outcome->status, outcome->reason, by, code, signal_text, started, ready, ended, message);
        int result = room_write(write_file, AT_FDCWD, ROOM, "run/result.json", text);

        if (result < 0)
                warn("cannot write run/result.json: %s", strerror(-result));
        room_drop(ROOM);
}
