#include "record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "basic/files.h"
#include "basic/room.h"
#include "basic/util.h"

#define RUNS_MAX   (256 << 10)
#define RECORD_MAX 4096

static const char *const reasons[] = {
        "exited",       "signal",        "core-dump",   "oom-kill",   "timeout",
        "stop-timeout", "watchdog",      "stopped",     "not-found",  "cannot-execute",
        "no-such-user", "no-such-group", "no-rootfs",   "no-workdir", "no-label",
        "dependency",   "start-limit",   "hook-failed", "failed",
};

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
        int result = room_write(write_file, status_fd, "", path, text);

        /* Whoever wrote it goes on: the pod may have to end because of it. */
        if (result < 0)
                warn("cannot write the result of app %s: %s", record->app, strerror(-result));
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
