#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "basic/files.h"
#include "basic/util.h"

#define STATUS_CANNOT_EXECUTE 126
#define STATUS_NOT_FOUND      127
#define STATUS_SIGNAL         128
#define RUNS_MAX              (256 << 10)
#define RECORD_MAX            4096

static const struct failure {
        int code;
        const char *reason;
} exec_failures[] = {
        {EXEC_STATUS_CHDIR, "no-workdir"},
        {210, "no-rootfs"},
        {EXEC_STATUS_GROUP, "no-such-group"},
        {EXEC_STATUS_USER, "no-such-user"},
        {226, "no-rootfs"},
        {229, "no-label"}, /* SELinux */
        {231, "no-label"}, /* AppArmor */
};

static const char *const reasons[] = {
        "exited",       "signal",        "core-dump",   "oom-kill",   "timeout",
        "stop-timeout", "watchdog",      "stopped",     "not-found",  "cannot-execute",
        "no-such-user", "no-such-group", "no-rootfs",   "no-workdir", "no-label",
        "dependency",   "start-limit",   "hook-failed", "failed",
};

static int signal_number(const char *name) {
        uint64_t offset;

        for (int number = 1; number < SIGRTMIN; number++) {
                const char *known = sigabbrev_np(number);
                if (known && strcmp(known, name) == 0)
                        return number;
        }
        if (strncmp(name, "RTMIN+", 6) == 0 && parse_number(name + 6, 30, &offset))
                return SIGRTMIN + (int) offset;
        return 0;
}

static bool is_crash(const char *signal_name) {
        static const char *const crashes[] = {"ILL", "ABRT", "BUS", "FPE", "SEGV", "SYS", "TRAP", "KILL"};

        for (size_t i = 0; i < ARRAY_LEN(crashes); i++)
                if (strcmp(signal_name, crashes[i]) == 0)
                        return true;
        return false;
}

static void take_exit(struct record *record, const struct ending *ending) {
        uint64_t code;

        if (strcmp(ending->code, "exited") == 0 && parse_number(ending->status, 255, &code)) {
                record->code = (int) code;
                record->status = (int) code;
        } else if (strcmp(ending->code, "killed") == 0 || strcmp(ending->code, "dumped") == 0) {
                int number = signal_number(ending->status);
                snprintf(record->signal, sizeof(record->signal), "%s", ending->status);
                record->core = strcmp(ending->code, "dumped") == 0;
                record->status = number > 0 ? STATUS_SIGNAL + number : EXIT_RUNTIME;
        }
}

static const char *exec_reason(int code) {
        for (size_t i = 0; i < ARRAY_LEN(exec_failures); i++)
                if (exec_failures[i].code == code)
                        return exec_failures[i].reason;
        return NULL;
}

bool has_exec_reason(int code) {
        return exec_reason(code) != NULL;
}

static void classify_unexecuted(struct record *record, const struct ending *ending) {
        int code = record->code;

        record->code = -1;
        record->started_at[0] = '\0';
        record->status = EXIT_RUNTIME;
        record->reason = has_exec_reason(code) ? exec_reason(code) : "failed";
        if (code == EXEC_STATUS_EXEC) {
                record->reason = ending->program_exists ? "cannot-execute" : "not-found";
                record->status = ending->program_exists ? STATUS_CANNOT_EXECUTE : STATUS_NOT_FOUND;
        }
}

/* A command before the start failed: then there is no end of a main process to tell of. Or one after it:
 * then systemd ended the app, whose own end does not fit the result. */
static bool is_hook_failure(const struct record *record, const struct ending *ending) {
        bool ended = record->signal[0] || record->code >= 0;

        if (!ending->hooks || strcmp(ending->result, "success") == 0)
                return false;
        if (!ended)
                return strcmp(ending->result, "exit-code") == 0 || strcmp(ending->result, "signal") == 0 ||
                       strcmp(ending->result, "core-dump") == 0;
        return strcmp(ending->result, "exit-code") == 0 && (record->signal[0] || record->code == 0);
}

static const char *find_reason(const struct record *record, const char *result) {
        static const char *const same[] = {"oom-kill", "timeout", "watchdog"};

        if (strcmp(result, "timeout") == 0 && record->stopping)
                return "stop-timeout";
        for (size_t i = 0; i < ARRAY_LEN(same); i++)
                if (strcmp(result, same[i]) == 0)
                        return same[i];
        if (record->core)
                return "core-dump";
        if (record->stopping && !is_crash(record->signal) && (record->signal[0] || record->code >= 0))
                return "stopped";
        /* Killed, and yet `exit-code`: that code is the readiness probe's, and systemd ended the app for it.
         */
        if (record->signal[0])
                return strcmp(result, "exit-code") == 0 ? "timeout" : "signal";
        if (strcmp(result, "start-limit-hit") == 0)
                return "start-limit";
        /* `exit-code` with code 0 is the failure of another command of the unit, such as a readiness probe.
         */
        if (strcmp(result, "success") == 0 ? record->code >= 0
                                           : record->code > 0 && strcmp(result, "exit-code") == 0)
                return "exited";
        return "failed";
}

void record_classify(struct record *record, const struct ending *ending) {
        record->code = -1;
        record->signal[0] = '\0';
        record->core = false;
        record->status = 0;
        snprintf(record->result, sizeof(record->result), "%s", ending->result);
        for (char *letter = record->result; *letter; letter++)
                if ((*letter < 'a' || *letter > 'z') && *letter != '-')
                        *letter = '?';
        take_exit(record, ending);
        if (ending->never_executed) {
                classify_unexecuted(record, ending);
                return;
        }
        if (is_hook_failure(record, ending)) {
                record->reason = "hook-failed";
                record->status = EXIT_RUNTIME;
                return;
        }
        record->reason = find_reason(record, ending->result);
        /* A failure is one even when the main process ended well. */
        if (record->status == 0 && strcmp(ending->result, "success") != 0)
                record->status =
                        strcmp(ending->result, "oom-kill") == 0 ? STATUS_SIGNAL + SIGKILL : EXIT_RUNTIME;
}

/* A path may hold any byte; a sentence is printed and lies in a line of its own. */
static char *printable(const char *text) {
        char *copy = xstrdup(text);
        for (char *letter = copy; *letter; letter++)
                if ((unsigned char) *letter < ' ' || *letter == 0x7f)
                        *letter = '?';
        return copy;
}

static const struct {
        const char *reason, *sentence;
} sentences[] = {
        {"exited", ""},
        {"oom-kill", "ran out of memory and was killed"},
        {"timeout", "took too long and was ended"},
        {"stop-timeout", "did not stop in time and was killed"},
        {"watchdog", "sent no sign of life in time and was ended"},
        {"no-such-user", "its user does not exist"},
        {"no-such-group", "its group does not exist"},
        {"no-rootfs", "its root file system could not be set up"},
        {"no-workdir", "its working directory cannot be entered"},
        {"no-label", "the host does not know its security label"},
        {"dependency", "not started, because an app it requires failed"},
        {"start-limit", "started too often"},
        {"hook-failed", "a command before or after its start failed"},
};

static char *plain_sentence(const struct record *record, const char *program) {
        AUTO_FREE char *name = printable(program);

        for (size_t i = 0; i < ARRAY_LEN(sentences); i++)
                if (strcmp(record->reason, sentences[i].reason) == 0)
                        return xstrdup(sentences[i].sentence);
        if (record->signal[0])
                return xasprintf("killed by SIG%s%s", record->signal, record->core ? " (core dumped)" : "");
        if (strcmp(record->reason, "not-found") == 0)
                return xasprintf("program %s not found", name);
        if (strcmp(record->reason, "cannot-execute") == 0)
                return xasprintf("program %s cannot be executed", name);
        if (strcmp(record->reason, "stopped") == 0)
                return xstrdup("");
        return xasprintf("failed (%s)", record->result);
}

char *record_sentence(const struct record *record, const char *program, bool gave_up) {
        char *sentence = plain_sentence(record, program);

        if (gave_up && record->runs > 1) {
                AUTO_FREE char *first = sentence;
                return xasprintf("%s%sgiven up after %lu runs", first, *first ? ", " : "", record->runs);
        }
        return sentence;
}

static char *json_or_null(const char *text) {
        return *text ? xasprintf("\"%s\"", text) : xstrdup("null");
}

static char *record_text(const struct record *record) {
        AUTO_FREE char *code = record->code < 0 ? xstrdup("null") : xasprintf("%d", record->code);
        AUTO_FREE char *signal_text = json_or_null(record->signal);
        AUTO_FREE char *started = json_or_null(record->started_at);
        AUTO_FREE char *ended = json_or_null(record->ended_at);

        return xasprintf(
                "{\"app\": \"%s\", \"final\": %s, \"reason\": \"%s\", \"code\": %s, \"signal\": %s, "
                "\"core\": %s, \"status\": %d, \"stopping\": %s, \"result\": \"%s\", \"runs\": %lu, "
                "\"started_at\": %s, \"ended_at\": %s}\n",
                record->app, record->final ? "true" : "false", record->reason, code, signal_text,
                record->core ? "true" : "false", record->status, record->stopping ? "true" : "false",
                record->result, record->runs, started, ended);
}

/* The records are our own, of one form, and none of their strings holds a quote: no JSON parser is needed.
 */
static const char *find_value(const char *text, const char *key) {
        AUTO_FREE char *quoted = xasprintf("\"%s\": ", key);
        const char *found = strstr(text, quoted);
        return found ? found + strlen(quoted) : "";
}

static void copy_string(char *to, size_t room, const char *text, const char *key) {
        const char *value = find_value(text, key);
        size_t length = *value == '"' ? strcspn(value + 1, "\"") : 0;

        snprintf(to, room, "%.*s", (int) length, *value == '"' ? value + 1 : "");
}

static bool is_true(const char *text, const char *key) {
        return strncmp(find_value(text, key), "true", 4) == 0;
}

void record_load(struct record *record, int status_fd, const char *app) {
        AUTO_FREE char *path = xasprintf("%s.json", app);
        AUTO_FREE char *text = read_file(status_fd, path, NULL, RECORD_MAX);
        char reason[32];

        *record = (struct record){.reason = "failed", .code = -1};
        snprintf(record->app, sizeof(record->app), "%s", app);
        if (!text)
                return;
        copy_string(reason, sizeof(reason), text, "reason");
        for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
                if (strcmp(reasons[i], reason) == 0)
                        record->reason = reasons[i];
        record->final = is_true(text, "final");
        record->core = is_true(text, "core");
        record->stopping = is_true(text, "stopping");
        if (*find_value(text, "code") != 'n')
                record->code = atoi(find_value(text, "code"));
        record->status = atoi(find_value(text, "status"));
        record->runs = strtoul(find_value(text, "runs"), NULL, 10);
        copy_string(record->signal, sizeof(record->signal), text, "signal");
        copy_string(record->result, sizeof(record->result), text, "result");
        copy_string(record->started_at, sizeof(record->started_at), text, "started_at");
        copy_string(record->ended_at, sizeof(record->ended_at), text, "ended_at");
}

void record_store(const struct record *record, int status_fd) {
        AUTO_FREE char *path = xasprintf("%s.json", record->app);
        AUTO_FREE char *text = record_text(record);
        int result = write_file(status_fd, path, text);

        if (result < 0)
                die("cannot write the result of app %s: %s", record->app, strerror(-result));
}

/* The file is bounded: the older half of the runs goes when it is full. */
void record_append(const struct record *record, int status_fd) {
        AUTO_FREE char *path = xasprintf("%s.runs", record->app);
        AUTO_FREE char *text = record_text(record);
        int result = append_file(status_fd, path, text, RUNS_MAX);

        if (result == -EFBIG) {
                AUTO_FREE char *all = read_file(status_fd, path, NULL, RUNS_MAX);
                char *half = all ? strchr(all + strlen(all) / 2, '\n') : NULL;
                AUTO_FREE char *rest = xasprintf("%s%s", half ? half + 1 : "", text);
                result = write_file(status_fd, path, rest);
        }
        if (result < 0)
                warn("cannot append to %s: %s", path, strerror(-result));
}
