#include "display.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "basic/times.h"
#include "basic/util.h"
#include "journal.h"

#define PATIENCE_MS 5000
#define POLLED_MAX  512 /* what a pipe or terminal surely takes when poll(2) says it takes something */

static void display_ready(struct source *source, short events);

/* O_NONBLOCK belongs to the open file, which the user's shell shares: so we open our own, where that is
 * possible. A plain file never blocks, and a second opening would have an offset of its own. */
static void choose_way(struct display *display, int fd) {
        AUTO_FREE char *path = xasprintf("/proc/self/fd/%d", fd);
        struct stat status;
        int own;

        display->source.fd = fd;
        display->way = WRITE_POLLED;
        if (fstat(fd, &status) < 0)
                display->dead = true;
        else if (S_ISSOCK(status.st_mode))
                display->way = WRITE_SOCKET;
        else if (!S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode))
                display->way = WRITE_AT_ONCE;
        else if ((own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) >= 0) {
                display->source.fd = own;
                display->way = WRITE_NONBLOCKING;
        }
}

void display_open(struct display *display, int fd) {
        *display = (struct display){.source = {.ready = display_ready, .owner = display}};
        choose_way(display, fd);
        display->terminal = !display->dead && isatty(fd);
        display->journal = !display->dead && is_journal(fd);
        display->progress = time_now(CLOCK_MONOTONIC);
        add_source(&display->source);
}

static void forget_pending(struct display *display) {
        free(display->pending);
        display->pending = NULL;
        display->start = display->end = display->room = 0;
        display->source.events = display->dropping ? POLLOUT : 0;
}

void display_close(struct display *display) {
        display->dead = true;
        display->dropping = false;
        forget_pending(display);
}

void display_release(struct display *display) {
        display_close(display);
        if (display->way == WRITE_NONBLOCKING)
                close(take_fd(&display->source.fd));
}

bool display_is_blocked(const struct display *display) {
        return display->end > display->start;
}

static ssize_t write_some(const struct display *display, const char *data, size_t size) {
        struct pollfd poll_fd = {.fd = display->source.fd, .events = POLLOUT};

        switch (display->way) {
        case WRITE_SOCKET:
                return send(display->source.fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        case WRITE_POLLED:
                if (poll(&poll_fd, 1, 0) == 0) {
                        errno = EAGAIN;
                        return -1;
                }
                return write(display->source.fd, data, size < POLLED_MAX ? size : POLLED_MAX);
        case WRITE_AT_ONCE:
        case WRITE_NONBLOCKING:
                break;
        }
        return write(display->source.fd, data, size);
}

/* Writes what goes without waiting; returns how much that was. Any real error ends the printing, never the
 * logging. */
static size_t write_now(struct display *display, const char *data, size_t size) {
        size_t done = 0;

        while (done < size) {
                ssize_t written = write_some(display, data + done, size - done);
                if (written < 0 && errno == EINTR)
                        continue;
                if (written < 0 && errno == EAGAIN)
                        break;
                if (written < 0) {
                        display_close(display);
                        return size;
                }
                done += (size_t) written;
        }
        if (done > 0) {
                display->progress = time_now(CLOCK_MONOTONIC);
                display->mid_line = data[done - 1] != '\n';
        }
        return done;
}

static void keep(struct display *display, const char *data, size_t size) {
        if (display->dead || size == 0)
                return;
        if (display->end == display->start)
                display->progress = time_now(CLOCK_MONOTONIC); /* patience counts from here */
        if (display->room - display->end < size) {
                display->room = (display->end + size) * 2;
                display->pending = xrealloc(display->pending, display->room);
        }
        memcpy(display->pending + display->end, data, size);
        display->end += size;
        display->source.events = POLLOUT;
}

void display_flush(struct display *display) {
        if (display->dropping || display->end == display->start)
                return;
        display->start +=
                write_now(display, display->pending + display->start, display->end - display->start);
        if (display->dead || display->start == display->end)
                forget_pending(display);
}

static uint64_t count_lines(const char *data, size_t size) {
        uint64_t lines = 0;

        for (const char *end = data + size; data < end && (data = memchr(data, '\n', (size_t) (end - data)));
             data++)
                lines++;
        return lines;
}

void display_bytes(struct display *display, const char *data, size_t size) {
        size_t written = 0;

        if (display->dead)
                return;
        if (display->dropping) {
                display->dropped_lines += count_lines(data, size);
                return;
        }
        if (display->end == display->start)
                written = write_now(display, data, size);
        if (!display->dead)
                keep(display, data + written, size - written);
}

void display_line(struct display *display, const void *owner, const char *prefix, const struct line *line) {
        const char *newline = display->raw ? "\r\n" : "\n";

        if (display->dead)
                return;
        if (display->dropping) {
                display->dropped_lines += line->whole;
                return;
        }
        if (display->unfinished != owner) {
                if (display->unfinished)
                        keep(display, newline, strlen(newline));
                keep(display, prefix, strlen(prefix));
        }
        keep(display, line->head, line->head_size);
        keep(display, line->tail, line->tail_size);
        if (line->whole)
                keep(display, newline, strlen(newline));
        display->unfinished = line->whole ? NULL : owner;
}

static void stop_dropping(struct display *display) {
        AUTO_FREE char *note =
                xasprintf("%spod: %llu lines not shown; see pod logs%s\n", display->mid_line ? "\r\n" : "",
                          (unsigned long long) display->dropped_lines, display->raw ? "\r" : "");
        display->dropping = false;
        display->source.events = 0;
        display->dropped_lines = 0;
        display->unfinished = NULL;
        display_bytes(display, note, strlen(note));
}

static void display_ready(struct source *source, short events) {
        struct display *display = source->owner;

        (void) events; /* an error shows when we write */
        if (display->dropping)
                stop_dropping(display);
        else
                display_flush(display);
}

int display_check(struct display *display) {
        struct timespec now;
        int64_t waited;

        if (!display->terminal || display->dropping || !display_is_blocked(display))
                return -1;
        now = time_now(CLOCK_MONOTONIC);
        waited = (now.tv_sec - display->progress.tv_sec) * 1000 +
                 (now.tv_nsec - display->progress.tv_nsec) / 1000000;
        if (waited < PATIENCE_MS)
                return (int) (PATIENCE_MS - waited);
        display->dropped_lines =
                count_lines(display->pending + display->start, display->end - display->start);
        display->dropping = true;
        forget_pending(display);
        return -1;
}
