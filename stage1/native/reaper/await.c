#include "await.h"

#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "basic/files.h"
#include "basic/util.h"
#include "probe.h"
#include "record.h"

#define PAUSE_MIN_MS 10
#define PAUSE_MAX_MS 200
#define EXECUTOR     "/usr/lib/systemd/systemd-executor"

/* The status directory tells when a record takes its place in it. */
static int watch_records(int status_fd) {
        AUTO_FREE char *path = xasprintf("/proc/self/fd/%d", status_fd);
        int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

        if (fd < 0 || inotify_add_watch(fd, path, IN_MOVED_TO | IN_CLOSE_WRITE) < 0)
                die_errno("cannot watch the results of apps");
        return fd;
}

static void wait_for_record(int watch) {
        struct pollfd changes = {.fd = watch, .events = POLLIN};
        char forget[4096];

        (void) poll(&changes, 1, -1);
        while (read(watch, forget, sizeof(forget)) > 0)
                ; /* which one it was the records say */
}

bool await_finished(int status_fd, const char *app) {
        AUTO_CLOSE int watch = watch_records(status_fd);
        struct record record;

        for (;;) {
                record_load(&record, status_fd, app);
                if (record.final)
                        return record.status == 0 && !record.stopping;
                wait_for_record(watch);
        }
}

static bool is_same_path(const char *one, const char *other) {
        struct stat first, second;

        return stat(one, &first) == 0 && stat(other, &second) == 0 && same_file(&first, &second);
}

/* Until it executes the app's program, the process of a unit is systemd itself or its executor. */
static bool runs_own_program(pid_t pid) {
        AUTO_FREE char *path = xasprintf("/proc/%d/exe", (int) pid);
        struct stat status;

        return pid > 0 && stat(path, &status) == 0 && !is_same_path(path, "/proc/1/exe") &&
               !is_same_path(path, EXECUTOR);
}

bool await_started(int status_fd, const char *app) {
        struct record record;

        for (int pause = PAUSE_MIN_MS;; pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS) {
                record_load(&record, status_fd, app);
                if (record.runs > 0 && record.started_at[0])
                        return true;
                if (record.final)
                        return false;
                if (runs_own_program(ask_main_process(app)))
                        return true;
                (void) poll(NULL, 0, pause);
        }
}
