#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "basic/memory.h"
#include "basic/util.h"

#define CHUNK_MAX     ((size_t) 32 << 10)
#define PREFIXED_MAX  ((size_t) 16 << 10) /* prefixes make a chunk of short lines many times as large */
#define LINE_MAX_SIZE ((size_t) 16 << 10) /* CRI's bound for one piece of a line */
#define FIFO_SIZE     (1 << 20)

static char chunk[CHUNK_MAX];
static const struct tap *listener;

void streams_tap(const struct tap *tap) {
        listener = tap;
}

static char *fifo_path(const struct app_spec *spec, const char *kind) {
        return xasprintf("run/streams/%s.%s", spec->name, kind);
}

int open_fifo(const struct app_spec *spec, const char *kind) {
        AUTO_FREE char *path = fifo_path(spec, kind);
        AUTO_CLOSE int fd = -1;

        if ((unlink(path) < 0 && errno != ENOENT) || mkfifo(path, 0600) < 0)
                return -1;
        /* Both ends are ours for the app's whole life: it never blocks in open, gets no EPIPE, and what it
         * wrote last is still there when it is gone. */
        fd = open(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fchown(fd, spec->uid, spec->gid) < 0)
                return -1;
        (void) fcntl(fd, F_SETPIPE_SZ, FIFO_SIZE); /* only for speed */
        return take_fd(&fd);
}

static void emit(struct stream *stream, const char *text, size_t size, bool whole) {
        struct line line = {.head = stream->partial,
                            .head_size = stream->partial_size,
                            .tail = text,
                            .tail_size = size,
                            .whole = whole};

        if (stream->terminal && whole) {
                if (line.tail_size > 0 && line.tail[line.tail_size - 1] == '\r')
                        line.tail_size--;
                else if (line.tail_size == 0 && line.head_size > 0 && line.head[line.head_size - 1] == '\r')
                        line.head_size--;
        }
        log_line(stream->log, stream->kind, &line);
        if (stream->journal)
                journal_line(stream->journal, &line);
        if (stream->display && stream->prefix)
                display_line(stream->display, stream, stream->prefix, &line);
        stream->partial_size = 0;
}

static void keep_partial(struct stream *stream, const char *text, size_t size) {
        if (size > 0) {
                stream->partial = xrealloc(stream->partial, stream->partial_size + size);
                memcpy(stream->partial + stream->partial_size, text, size);
                stream->partial_size += size;
        }
        if (stream->partial_size == 0) {
                free(stream->partial);
                stream->partial = NULL;
        }
}

static void split_lines(struct stream *stream, const char *text, size_t size) {
        const char *end = text + size;

        while (text < end) {
                const char *newline = memchr(text, '\n', (size_t) (end - text));
                size_t length = (size_t) ((newline ? newline : end) - text);

                while (stream->partial_size + length > LINE_MAX_SIZE) {
                        size_t piece = LINE_MAX_SIZE - stream->partial_size;
                        emit(stream, text, piece, false);
                        text += piece;
                        length -= piece;
                }
                if (!newline)
                        break;
                emit(stream, text, length, true);
                text = newline + 1;
        }
        keep_partial(stream, text, (size_t) (end - text));
}

static void take_output(struct stream *stream, const char *text, size_t size) {
        if (listener)
                listener->output(stream, text, size);
        if (stream->log) {
                log_begin();
                split_lines(stream, text, size);
                log_end(stream->log);
                journal_send();
        }
        /* Last, so that what was seen is in the log, whenever this process is killed. */
        if (stream->display && stream->prefix)
                display_flush(stream->display);
        else if (stream->display)
                display_bytes(stream->display, text, size);
}

static void stream_ready(struct source *source, short events) {
        struct stream *stream = source->owner;
        size_t size = stream->display && stream->prefix ? PREFIXED_MAX : CHUNK_MAX;
        ssize_t got;

        (void) events;
        if (stream->remaining < size)
                size = stream->remaining;
        got = read(source->fd, chunk, size);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (got <= 0) {
                /* A terminal whose other side is closed says EIO until it is opened again; nobody will. */
                stream->remaining = 0;
                source->events = 0;
                return;
        }
        if (stream->remaining != SIZE_MAX)
                stream->remaining -= (size_t) got;
        take_output(stream, chunk, (size_t) got);
}

static char *make_prefix(const char *name, int width, const struct display *display, unsigned index) {
        static const unsigned char colours[] = {36, 33, 32, 35, 34, 31};

        if (!display || width == 0)
                return NULL;
        if (!display->terminal)
                return xasprintf("%-*s | ", width, name);
        return xasprintf("\x1b[%um%-*s |\x1b[0m ", colours[index % ARRAY_LEN(colours)], width, name);
}

static void stream_open(struct stream *stream, int fd, const struct app_look *look, struct display *display,
                        enum output_kind output, struct app *app) {
        bool raw = output == OUTPUT_STREAM;
        const char *kind = stream == &app->out ? "stdout" : "stderr";
        struct journal_stream *journal = raw ? NULL : journal_of(app->spec->name, kind);

        if (journal && display && display->journal)
                display = NULL; /* it would be there twice */

        *stream = (struct stream){
                .source = {.fd = fd, .ready = stream_ready, .owner = stream},
                .kind = kind,
                .log = raw ? NULL : &app->log,
                .journal = journal,
                .display = display,
                .prefix = make_prefix(app->spec->name, raw ? 0 : look->width, display, look->index),
                .remaining = SIZE_MAX,
        };
        add_source(&stream->source);
}

bool app_open(struct app *app, const struct app_spec *spec, uint64_t log_limit,
              const struct app_look *look) {
        AUTO_CLOSE int out = open_fifo(spec, "out");
        AUTO_CLOSE int err = open_fifo(spec, "err");

        if (out < 0 || err < 0 || !log_open(&app->log, spec->name, log_limit))
                return false;
        app->spec = spec;
        stream_open(&app->out, take_fd(&out), look, look->out, spec->out_kind, app);
        stream_open(&app->err, take_fd(&err), look, look->err, spec->err_kind, app);
        return true;
}

void app_use_terminal(struct app *app, int master) {
        close(app->out.source.fd);
        free(app->out.prefix);
        app->out.prefix = NULL;
        app->out.source.fd = master;
        app->out.terminal = true;
        app->out.journal = NULL; /* a screen, with all that is typed, and no lines */
}

static void stream_update(struct stream *stream) {
        bool blocked = stream->display && display_is_blocked(stream->display);
        stream->source.events = stream->remaining == 0 || blocked ? 0 : POLLIN;
}

void app_update(struct app *app) {
        stream_update(&app->out);
        stream_update(&app->err);
}

static size_t bytes_waiting(const struct stream *stream) {
        int available = 0;
        return ioctl(stream->source.fd, FIONREAD, &available) < 0 || available < 0 ? 0 : (size_t) available;
}

static void stream_begin_drain(struct stream *stream) {
        /* Only what is there now: a writer that outlived the supervisor must not keep us for ever. A
         * terminal may hold more than it counts, but it has an end: no one can open its other side any more.
         */
        if (stream->remaining != 0)
                stream->remaining = stream->terminal ? SIZE_MAX - 1 : bytes_waiting(stream);
}

void app_begin_drain(struct app *app) {
        stream_begin_drain(&app->out);
        stream_begin_drain(&app->err);
}

static bool stream_is_drained(const struct stream *stream) {
        return stream->remaining == 0 || (!stream->terminal && bytes_waiting(stream) == 0);
}

bool app_is_drained(const struct app *app) {
        return stream_is_drained(&app->out) && stream_is_drained(&app->err);
}

bool app_is_empty(const struct app *app) {
        return bytes_waiting(&app->out) == 0 && bytes_waiting(&app->err) == 0;
}

static void stream_finish(struct stream *stream) {
        if (stream->partial_size == 0)
                return;
        log_begin();
        emit(stream, "", 0, true);
        log_end(stream->log);
        keep_partial(stream, "", 0);
}

void app_finish(struct app *app) {
        stream_finish(&app->out);
        stream_finish(&app->err);
}

static void stream_close(struct stream *stream, const struct app_spec *spec, const char *fifo) {
        AUTO_FREE char *path = fifo_path(spec, fifo);

        remove_source(&stream->source);
        close(take_fd(&stream->source.fd));
        free(stream->prefix);
        (void) unlink(path);
}

/* Nobody writes any more, but somebody may still read what we want to. */
static void stream_empty(struct stream *stream) {
        stream_begin_drain(stream);
        while (!stream_is_drained(stream))
                stream_ready(&stream->source, POLLIN);
}

void app_close(struct app *app) {
        stream_empty(&app->out);
        stream_empty(&app->err);
        app_finish(app);
        if (listener)
                listener->gone(app);
        stream_close(&app->out, app->spec, "out");
        stream_close(&app->err, app->spec, "err");
        log_close(&app->log);
}

void streams_forget(void) {
        forget_pages(chunk, sizeof(chunk));
        log_forget();
        journal_forget();
}
