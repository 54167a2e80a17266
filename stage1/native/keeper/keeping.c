#include "keeping.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "basic/files.h"
#include "basic/json.h"
#include "basic/times.h"
#include "basic/util.h"
#include "session.h"

#define SESSIONS "run/sessions"

int open_app_stream(const char *app, const char *stream) {
        AUTO_FREE char *path = xasprintf("run/streams/%s.%s", app ? app : "", stream);
        int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return open("/dev/null", O_WRONLY | O_CLOEXEC);
        (void) fcntl(fd, F_SETFL, 0); /* non-blocking only to open; it has a reader */
        return fd;
}

static char *command_json(char **argv) {
        char *list = xstrdup("");

        for (; *argv; argv++) {
                AUTO_FREE char *word = json_quote(*argv);
                AUTO_FREE char *before = list;
                list = xasprintf("%s%s\"%s\"", before, *before ? ", " : "", word);
        }
        return list;
}

const char *keep_session(const struct session *session) {
        char started[TIME_TEXT_MAX];
        struct timespec now = time_now(CLOCK_REALTIME);
        AUTO_FREE char *command = command_json(session->options->argv);
        uint64_t number;

        format_time(started, &now, 6);
        if (mkdir(SESSIONS, 0700) < 0 && errno != EEXIST)
                die_errno("cannot make " SESSIONS);
        if (getrandom(&number, sizeof(number), 0) != (ssize_t) sizeof(number))
                die_errno("cannot choose a name");
        char *name = xasprintf("%012llx", (unsigned long long) (number & 0xffffffffffff));
        AUTO_FREE char *directory = xasprintf(SESSIONS "/%s", name);
        AUTO_FREE char *path = xasprintf("%s/session.json", directory);
        AUTO_FREE char *text = xasprintf(
                "{\"id\": \"%s\", \"app\": %s%s%s, \"command\": [%s], \"terminal\": %s, \"pid\": %d, "
                "\"keeper\": %d, \"keeper_start\": %llu, \"detached_at\": \"%s\"}\n",
                name, session->app ? "\"" : "", session->app ? session->app : "null",
                session->app ? "\"" : "", command, session->options->terminal ? "true" : "false",
                (int) session->child, (int) getpid(), (unsigned long long) process_start_time(getpid()),
                started);
        if (mkdir(directory, 0700) < 0 || write_file(AT_FDCWD, path, text) < 0)
                die_errno("cannot make %s", directory);
        return name;
}

void keep_result(const char *record, int status) {
        char ended[TIME_TEXT_MAX];
        struct timespec now = time_now(CLOCK_REALTIME);
        AUTO_FREE char *path = xasprintf(SESSIONS "/%s/result.json", record);

        format_time(ended, &now, 6);
        AUTO_FREE char *text = xasprintf("{\"status\": %d, \"ended_at\": \"%s\"}\n", status, ended);
        (void) write_file(AT_FDCWD, path, text); /* the pod may have been removed */
}

int read_size(const char *record, struct winsize *size) {
        AUTO_FREE char *path = xasprintf(SESSIONS "/%s/size", record);
        AUTO_FREE char *text = read_file(AT_FDCWD, path, NULL, 32);

        *size = (struct winsize){};
        return text && sscanf(text, "%hux%hu", &size->ws_col, &size->ws_row) == 2;
}
