#include "classify.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "basic/execute.h"
#include "basic/label.h"
#include "basic/util.h"

#define STATUS_SIGNAL 128

static const struct failure {
        int code;
        const char *reason;
} exec_failures[] = {
        {EXEC_STATUS_CHDIR, "no-workdir"},
        {210, "no-rootfs"},
        {EXEC_STATUS_GROUP, "no-such-group"},
        {EXEC_STATUS_USER, "no-such-user"},
        {226, "no-rootfs"},
        {STATUS_NO_LABEL, "no-label"},
        {231, "no-label"}, /* AppArmor */
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
