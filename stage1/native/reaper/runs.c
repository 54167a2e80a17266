#include "runs.h"

#include <stdio.h>
#include <string.h>

#include "basic/files.h"
#include "basic/label.h"
#include "basic/times.h"
#include "basic/util.h"
#include "classify.h"
#include "deciding.h"
#include "invocation.h"
#include "outofmemory.h"
#include "probe.h"
#include "record.h"

/* When PID 1 cannot tell: a program that could be executed was, and a status without a meaning here is its
 * own. */
static bool guess_unexecuted(int code, enum program_kind kind) {
        return code == EXEC_STATUS_EXEC ? kind != PROGRAM_EXECUTABLE : has_exec_reason(code);
}

/* We have the rights and the label that the launcher had. */
static bool can_label(const char *context) {
        bool can = label_next_program(context);

        (void) label_next_program("\n");
        return can;
}

/* Statuses that systemd uses for its own failures may also be the program's: PID 1 knows whether it ran. */
static void look_closer(const struct reaper *reaper, struct ending *ending) {
        AUTO_FREE char *default_root = xasprintf("%s/pod/apps/%s/rootfs", reaper->root, reaper->app);
        uint64_t code;

        if (strcmp(ending->code, "exited") != 0 || !parse_number(ending->status, 255, &code) ||
            code < EXEC_STATUS_CHDIR || code > EXEC_STATUS_LAST || strcmp(ending->result, "success") == 0)
                return;
        enum execution execution = ask_execution(reaper->app);
        enum program_kind kind =
                strchr(reaper->program, '/')
                        ? look_at_program(reaper->app_root ? reaper->app_root : default_root,
                                          reaper->program)
                        : PROGRAM_MISSING;
        ending->never_executed = execution == NOT_EXECUTED ||
                                 (execution == MAYBE_EXECUTED && guess_unexecuted((int) code, kind));
        /* Before systemd 256 PID 1 may be wrong. A cause that can be looked up is not there for an app that
         * did run. */
        if (ending->never_executed && (code == EXEC_STATUS_USER || code == EXEC_STATUS_GROUP))
                ending->never_executed = !ask_identity(reaper->app);
        /* The launcher gives that label, which PID 1 takes for the program. */
        if (reaper->selinux && code == STATUS_NO_LABEL)
                ending->never_executed = !can_label(reaper->selinux);
        ending->program_exists = kind != PROGRAM_MISSING;
}

static void take_end_time(struct record *record) {
        struct timespec now = time_now(CLOCK_REALTIME);
        format_time(record->ended_at, &now, 6);
}

static void store(const struct reaper *reaper, const struct record *record, const char *invocation) {
        AUTO_FREE char *path = xasprintf("%s.invocation", reaper->app);
        int result = write_file(reaper->status_fd, path, invocation);

        if (result < 0)
                warn("cannot write status/%s: %s", path, strerror(-result));
        record_append(record, reaper->status_fd);
        record_store(record, reaper->status_fd);
}

static bool is_final(const struct reaper *reaper, const struct record *record) {
        const struct policy_app *app = policy_find(&reaper->policy, reaper->app);
        bool well = strcmp(record->result, "success") == 0;

        if (record->stopping || (app->restart == RESTART_NO && !well))
                return true;
        return !app->activated &&
               (app->restart == RESTART_NO || (app->restart == RESTART_ON_FAILURE && well));
}

int verb_run(struct reaper *reaper, char **words) {
        struct ending ending = {.result = environment("SERVICE_RESULT"),
                                .code = environment("EXIT_CODE"),
                                .status = environment("EXIT_STATUS"),
                                .hooks = reaper->hooks};
        struct record record;

        open_pod(reaper, words[0]);
        record_load(&record, reaper->status_fd, reaper->app);
        if (record.final && policy_find(&reaper->policy, reaper->app)->init)
                return 0; /* it was done long ago, now its unit goes with the pod */
        record.runs++;
        record.started_at[0] = '\0';
        AUTO_FREE char *invocation = take_run(reaper, &record);
        record.stopping = is_stopping(reaper, invocation);
        take_end_time(&record);
        look_closer(reaper, &ending);
        record_classify(&record, &ending);
        if (was_out_of_memory(reaper, &record))
                record.reason = "oom-kill";
        record.final = is_final(reaper, &record);
        store(reaper, &record, invocation);
        if (record.final)
                decide(reaper, &record);
        return 0;
}

/* A failure of which `run` could not tell: systemd could not even start our ExecStopPost, or never tried. */
static void record_unseen(const struct reaper *reaper, struct record *record, const char *invocation) {
        struct ending ending = {.result = environment("MONITOR_SERVICE_RESULT"),
                                .code = environment("MONITOR_EXIT_CODE"),
                                .status = environment("MONITOR_EXIT_STATUS")};
        bool tried = *invocation && *ending.result && strcmp(ending.result, "success") != 0;

        record->stopping = is_stopping(reaper, invocation);
        record->started_at[0] = '\0';
        take_end_time(record);
        look_closer(reaper, &ending);
        record_classify(record, &ending);
        record->runs += tried;
        if (!tried) {
                record->reason = "dependency";
                record->status = EXIT_RUNTIME;
        }
        record->final = true;
        store(reaper, record, invocation);
}

/* An app that ended well, but so often that systemd no longer starts it, has failed all the same. */
static void mark_limit(struct record *record) {
        snprintf(record->result, sizeof(record->result), "start-limit-hit");
        if (record->status == 0) {
                record->reason = "start-limit";
                record->status = EXIT_RUNTIME;
        }
}

int verb_final(struct reaper *reaper, char **words) {
        const char *invocation = environment("MONITOR_INVOCATION_ID");
        struct record record;

        open_pod(reaper, words[0]);
        AUTO_FREE char *path = xasprintf("%s.invocation", reaper->app);
        AUTO_FREE char *last = read_file(reaper->status_fd, path, NULL, 256);
        record_load(&record, reaper->status_fd, reaper->app);
        bool known = last && record.runs > 0 && *invocation && strcmp(last, invocation) == 0;
        const char *result = environment("MONITOR_SERVICE_RESULT");
        bool limit = strcmp(result, "start-limit-hit") == 0;
        /* A failure at a stop that was asked for, heard of when the app already runs again: systemd
         * describes the new run then. */
        if (last && is_held(reaper, last) && (!*result || strcmp(result, "success") == 0))
                return 0;
        if (known || (limit && record.runs > 0)) {
                reaper->gave_up = !record.final;
                record.final = true;
                if (limit)
                        mark_limit(&record);
                record_store(&record, reaper->status_fd);
        } else
                record_unseen(reaper, &record, invocation);
        decide(reaper, &record);
        return 0;
}

/* An init app has done its work. systemd keeps its unit, so that a later start of another app does not run
 * it again, and runs no ExecStopPost before the pod ends: this is its ExecStartPost. */
int verb_done(struct reaper *reaper, char **words) {
        struct ending ending = {.result = "success", .code = "exited", .status = "0"};
        struct record record;

        open_pod(reaper, words[0]);
        AUTO_FREE char *invocation = invocation_id(reaper);
        record_load(&record, reaper->status_fd, reaper->app);
        record.runs++;
        take_start_time(reaper, &record);
        take_end_time(&record);
        record_classify(&record, &ending);
        record.final = true;
        store(reaper, &record, invocation);
        decide(reaper, &record);
        return 0;
}
