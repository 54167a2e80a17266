#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "basic/util.h"
#include "streams.h"

#define PIECE_MAX ((size_t) 16 << 10)

static void input_ended(struct input *input);

static void update(struct input *input) {
        bool waiting = input->end > input->start;

        input->sink.events = waiting || input->others ? POLLOUT : 0;
        input->user.events = waiting || input->ended ? 0 : POLLIN;
        if (input->ended && !waiting)
                input_ended(input);
}

static ssize_t push(struct input *input, const char *data, size_t size) {
        ssize_t written = write(input->sink.fd, data, size);
        if (written >= 0)
                return written;
        if (errno == EAGAIN || errno == EINTR)
                return 0;
        input->ended = true; /* nobody can ever take it */
        return (ssize_t) size;
}

static void user_ready(struct source *source, short events) {
        struct input *input = source->owner;
        char data[PIECE_MAX + DETACH_KEYS_MAX];
        ssize_t got = read(source->fd, data, PIECE_MAX);
        bool leaves = false;

        (void) events;
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (got <= 0)
                input->ended = true;
        else {
                size_t size =
                        input->detach ? find_keys(&input->keys, data, (size_t) got, &leaves) : (size_t) got;
                size_t done = size > 0 ? (size_t) push(input, data, size) : 0;
                if (done < size) {
                        input->pending = xrealloc(input->pending, size - done);
                        memcpy(input->pending, data + done, size - done);
                        input->start = 0;
                        input->end = size - done;
                }
        }
        update(input);
        if (leaves)
                input->detach(input->owner);
}

static void sink_ready(struct source *source, short events) {
        struct input *input = source->owner;

        (void) events;
        if (input->end > input->start)
                input->start +=
                        (size_t) push(input, input->pending + input->start, input->end - input->start);
        else if (input->others) {
                input->others = false;
                input->resume(input);
        }
        update(input);
}

void input_forget_user(struct input *input) {
        input->user.fd = -1;
        input->user.events = 0;
}

size_t input_offer(struct input *input, const char *data, size_t size) {
        size_t done = input->end > input->start ? 0 : (size_t) push(input, data, size);

        if (done < size)
                input->others = true;
        update(input);
        return done;
}

void input_end(struct input *input) {
        if (!input->app)
                return;
        input->ended = true;
        update(input);
}

bool input_is_closed(const struct input *input) {
        return input->ended && input->app;
}

static void start_copying(struct input *input, int sink, int user) {
        input->user = (struct source){.fd = user, .ready = user_ready, .owner = input};
        input->sink = (struct source){.fd = sink, .ready = sink_ready, .owner = input};
        input->watch = (struct source){.fd = -1};
        add_source(&input->user);
        add_source(&input->sink);
        update(input);
}

void input_to_fifo(struct input *input, const struct app_spec *app, int user) {
        int fifo = open_fifo(app, "in");

        if (fifo < 0)
                die_errno("cannot make the input of app %s", app->name);
        *input = (struct input){.app = app};
        start_copying(input, fifo, user);
}

void input_to_terminal(struct input *input, int master, int user) {
        *input = (struct input){};
        start_copying(input, master, user);
}

void input_stop(struct input *input) {
        input->user.events = input->sink.events = input->watch.events = 0;
}

/* Opening a FIFO that has no writer blocks, and who opens it later (the next run of the app, its
 * ExecStopPost) must find the end of the input as well: so an empty file takes the FIFO's place before its
 * last writer goes. */
static void leave_empty_file(const struct app_spec *app, const char *path) {
        AUTO_FREE char *beside = xasprintf("%s~", path);
        AUTO_CLOSE int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

        if (fd < 0 || fchown(fd, app->uid, app->gid) < 0 || rename(beside, path) < 0)
                warn("cannot end the input of app %s: %s", app->name, strerror(errno));
}

/* The end may be shown once there is a reader and it has taken everything: a reader that only passes by
 * (systemd opens the standard input for each command of a unit) must not be the one that gets it. */
static void check_reader(struct source *source, short events) {
        struct input *input = source->owner;
        AUTO_FREE char *path = xasprintf("run/streams/%s.in", input->app->name);
        struct pollfd writer = {.fd = input->sink.fd, .events = POLLOUT};
        char forget[4096];
        int unread = 0;

        (void) events;
        while (read(source->fd, forget, sizeof(forget)) > 0)
                ; /* that something happened is all that matters */
        if (poll(&writer, 1, 0) > 0 && (writer.revents & POLLERR))
                return; /* no reader yet */
        if (ioctl(input->sink.fd, FIONREAD, &unread) < 0 || unread > 0)
                return;
        leave_empty_file(input->app, path);
        close(take_fd(&input->sink.fd));
        close(take_fd(&source->fd));
        source->events = 0;
}

static void input_ended(struct input *input) {
        int both = input->sink.fd;

        if (!input->app || input->watch.fd >= 0 || both < 0)
                return;
        AUTO_FREE char *path = xasprintf("run/streams/%s.in", input->app->name);
        free(input->pending);
        input->pending = NULL;
        input->watch = (struct source){.ready = check_reader, .owner = input, .events = POLLIN};
        input->watch.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        input->sink.fd = open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
        if (input->watch.fd < 0 || input->sink.fd < 0 ||
            inotify_add_watch(input->watch.fd, path, IN_OPEN | IN_ACCESS) < 0)
                die_errno("cannot watch %s", path);
        close(both);
        add_source(&input->watch);
        check_reader(&input->watch, 0);
}
