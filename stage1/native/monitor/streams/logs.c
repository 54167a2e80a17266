#include "logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "basic/memory.h"
#include "basic/times.h"
#include "basic/util.h"

#define BATCH_MAX ((size_t) 32 << 10) /* more than one line with its stamp */

static char batch[BATCH_MAX];
static size_t batch_size;
static char stamp[TIME_TEXT_MAX];

static bool open_file(struct log *log) {
        struct stat status;

        log->fd = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (log->fd < 0 || fstat(log->fd, &status) < 0)
                return false;
        log->size = (uint64_t) status.st_size;
        return true;
}

bool log_open(struct log *log, const char *app, uint64_t limit) {
        *log = (struct log){.path = xasprintf("run/logs/%s.log", app), .half = limit / 2};
        return open_file(log);
}

void log_close(struct log *log) {
        close_descriptor(&log->fd);
        free(log->path);
        log->path = NULL;
}

static void rotate(struct log *log) {
        AUTO_FREE char *aside = xasprintf("%s.1", log->path);

        if (rename(log->path, aside) < 0)
                return; /* better a log that grows than none */
        close(log->fd);
        if (!open_file(log))
                die_errno("cannot open %s", log->path);
}

/* A full disk must not stop the app: what cannot be written is lost, and that is said once. */
static void write_batch(struct log *log) {
        int result;

        if (batch_size == 0)
                return;
        if (log->size + batch_size > log->half && log->size > 0)
                rotate(log);
        result = write_all(log->fd, batch, batch_size);
        if (result < 0 && !log->failed)
                warn("cannot write %s, lines are lost: %s", log->path, strerror(-result));
        log->failed = result < 0;
        log->size += batch_size;
        batch_size = 0;
}

void log_begin(void) {
        struct timespec now = time_now(CLOCK_REALTIME);

        format_time(stamp, &now, 9);
        batch_size = 0;
}

static void put(const char *data, size_t size) {
        memcpy(batch + batch_size, data, size);
        batch_size += size;
}

void log_line(struct log *log, const char *stream, const struct line *line) {
        size_t stamp_size = strlen(stamp), stream_size = strlen(stream);
        size_t size = stamp_size + 1 + stream_size + 3 + line->head_size + line->tail_size + 1;

        if (batch_size + size > sizeof(batch) || batch_size + size > log->half)
                write_batch(log);
        put(stamp, stamp_size);
        put(" ", 1);
        put(stream, stream_size);
        put(line->whole ? " F " : " P ", 3);
        if (line->head_size > 0)
                put(line->head, line->head_size);
        put(line->tail, line->tail_size);
        put("\n", 1);
}

void log_end(struct log *log) {
        write_batch(log);
}

void log_forget(void) {
        forget_pages(batch, sizeof(batch));
}
