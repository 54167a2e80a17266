#include "attach.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "basic/events.h"
#include "basic/util.h"
#include "monitor/streams/input.h"

#define ATTACHED_MAX 32
#define INPUT_MAX    ((size_t) 16 << 10)
#define ROOM                                                                                                \
        (1 << 20) /* what a client may be behind; the kernel doubles it, so that a word about that fits */

struct client {
        struct source source;
        struct app *app; /* NULL: a free place */
        char *input;     /* a packet on its way to the app */
        size_t start, end;
        uint64_t dropped; /* bytes it did not take; nothing more is sent until it is told */
        bool late[2];     /* output, errors: the rest of a line is left out as well */
        bool flush;       /* it wants to know when all has been sent */
};

static struct client clients[ATTACHED_MAX];

static void let_go(struct client *client) {
        remove_source(&client->source);
        close(take_fd(&client->source.fd));
        free(client->input);
        *client = (struct client){.source = {.fd = -1}};
}

/* False if it took nothing; a client that is gone is let go. */
static bool send_packet(struct client *client, char kind, const char *data, size_t size) {
        struct iovec parts[] = {{&kind, 1}, {(void *) (uintptr_t) data, size}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

        if (sendmsg(client->source.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
                return true;
        if (errno == EAGAIN || errno == ENOBUFS)
                client->source.events |= POLLOUT;
        else
                let_go(client);
        return false;
}

/* What is on its way to a client, as the kernel counts it. */
static bool is_behind(const struct client *client) {
        int queued = 0;

        return ioctl(client->source.fd, SIOCOUTQ, &queued) == 0 && queued > ROOM;
}

static void send_output(struct client *client, int which, const char *data, size_t size) {
        const char *newline = client->late[which] ? memchr(data, '\n', size) : NULL;

        if (client->dropped > 0 || (client->late[which] && !newline)) {
                client->dropped += size;
                client->source.events |= POLLOUT;
                return;
        }
        if (newline) {
                size -= (size_t) (newline + 1 - data);
                data = newline + 1;
                client->late[which] = false;
        }
        if (size > 0 && (is_behind(client) || !send_packet(client, "oe"[which], data, size)) &&
            client->app) {
                client->dropped = size;
                client->source.events |= POLLOUT;
                client->late[0] = client->late[1] = !client->app->out.terminal;
        }
}

static void take_output(const struct stream *stream, const char *data, size_t size) {
        for (size_t i = 0; i < ATTACHED_MAX; i++) {
                const struct app *app = clients[i].app;
                if (app && (stream == &app->out || stream == &app->err))
                        send_output(&clients[i], stream == &app->err, data, size);
        }
}

/* It takes something again: how much it missed comes first. */
static void catch_up(struct client *client) {
        AUTO_FREE char *count = xasprintf("%llu", (unsigned long long) client->dropped);

        if (client->dropped > 0 && !send_packet(client, 'd', count, strlen(count)))
                return;
        client->dropped = 0;
        client->source.events = POLLIN;
}

static void feed(struct client *client) {
        struct input *input = client->app->input;

        if (client->end == 0)
                return;
        client->start += input_offer(input, client->input + client->start, client->end - client->start);
        if (client->start < client->end)
                return;
        client->start = client->end = 0;
        (void) send_packet(client, 'a', NULL, 0);
}

static void feed_all(const struct input *input) {
        for (size_t i = 0; i < ATTACHED_MAX; i++)
                if (clients[i].app && clients[i].app->input == input)
                        feed(&clients[i]);
}

static void take_input(struct client *client, const char *data, size_t size) {
        if (client->end > 0) { /* it was told to wait */
                let_go(client);
                return;
        }
        if (!client->app->input || input_is_closed(client->app->input)) {
                (void) send_packet(client, 'c', NULL, 0);
                return;
        }
        if (!client->input)
                client->input = xalloc(INPUT_MAX);
        memcpy(client->input, data, size);
        client->end = size;
        feed(client);
}

static void set_size(const struct app *app, const char *text) {
        struct winsize size = {};

        if (app->out.terminal && sscanf(text, "%hux%hu", &size.ws_col, &size.ws_row) == 2)
                (void) ioctl(app->out.source.fd, TIOCSWINSZ, &size);
}

static void client_ready(struct source *source, short events) {
        struct client *client = source->owner;
        char packet[INPUT_MAX + 2];
        ssize_t size;

        if (events & POLLOUT)
                catch_up(client);
        if (!client->app || !(events & (POLLIN | POLLHUP | POLLERR)))
                return;
        size = recv(source->fd, packet, sizeof(packet) - 1, MSG_DONTWAIT | MSG_TRUNC);
        if (size < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (size <= 0 || size > (ssize_t) INPUT_MAX + 1) {
                let_go(client);
                return;
        }
        packet[size] = '\0';
        if (packet[0] == 'i' && size > 1)
                take_input(client, packet + 1, (size_t) size - 1);
        else if (packet[0] == 's')
                set_size(client->app, packet + 1);
        else if (packet[0] == 'f')
                client->flush = true;
        else if (packet[0] == 'e' && client->end == 0 && client->app->input)
                input_end(client->app->input);
        else
                let_go(client);
}

static struct client *free_place(void) {
        for (size_t i = 0; i < ATTACHED_MAX; i++)
                if (!clients[i].app)
                        return &clients[i];
        return NULL;
}

/* The beginning of a line whose end has not come is in no log yet: a prompt, as a rule. */
static void send_beginning(struct client *client, const struct stream *stream) {
        if (stream->partial_size > 0)
                send_output(client, stream == &client->app->err, stream->partial, stream->partial_size);
}

static void forget_app(const struct app *app) {
        for (size_t i = 0; i < ATTACHED_MAX; i++)
                if (clients[i].app == app)
                        let_go(&clients[i]);
}

static const struct tap clients_tap = {.output = take_output, .gone = forget_app};

char *attach_client(struct apps *apps, struct control_request *request) {
        struct app *app = apps_find(apps, request->words[0]);
        struct client *client = free_place();
        int kind = 0, room = ROOM;
        socklen_t size = sizeof(kind);
        struct stat log = {};

        if (!app)
                return xasprintf("the pod has no app %s", request->words[0]);
        if (!client)
                return xasprintf("%d commands are attached to apps of this pod already", ATTACHED_MAX);
        if (getsockopt(request->fds[0], SOL_SOCKET, SO_TYPE, &kind, &size) < 0 || kind != SOCK_SEQPACKET)
                return xstrdup("no socket came along");
        (void) setsockopt(request->fds[0], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
        (void) fstat(app->log.fd, &log);
        *client = (struct client){.app = app};
        streams_tap(&clients_tap);
        client->source = (struct source){
                .fd = take_fd(&request->fds[0]), .events = POLLIN, .ready = client_ready, .owner = client};
        add_source(&client->source);
        if (app->input)
                app->input->resume = feed_all;
        request->answer = xasprintf("%llu %llu %s %s", (unsigned long long) app->log.size,
                                    (unsigned long long) log.st_ino,
                                    app->input && !input_is_closed(app->input) ? "input" : "none",
                                    app->out.terminal ? "tty" : "stream");
        send_beginning(client, &app->out);
        if (client->app)
                send_beginning(client, &app->err);
        return NULL;
}

void attached_update(void) {
        for (size_t i = 0; i < ATTACHED_MAX; i++) {
                struct client *client = &clients[i];
                if (client->app && client->flush && client->dropped == 0 && app_is_empty(client->app))
                        client->flush = !send_packet(client, 'f', NULL, 0) && client->app;
        }
}

void attached_finish(void) {
        for (size_t i = 0; i < ATTACHED_MAX; i++)
                if (clients[i].app)
                        catch_up(&clients[i]);
}
