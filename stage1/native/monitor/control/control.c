#include "control.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "basic/events.h"
#include "basic/localsocket.h"
#include "basic/util.h"

#define CONTROL_PATH "run/control" /* short, since a socket's address has room for 107 bytes */
#define CLIENTS_MAX  16
#define PACKET_MAX   ((size_t) 4096)
#define WORDS_MAX    64

static struct control {
        struct source listener, clients[CLIENTS_MAX];
        const struct control_verb *verbs;
        void *owner;
} control;

static char packet[PACKET_MAX];

static struct source *free_place(void) {
        for (size_t i = 0; i < CLIENTS_MAX; i++)
                if (control.clients[i].fd < 0)
                        return &control.clients[i];
        return NULL;
}

/* While all places are taken, others wait in the kernel's queue. */
static void update_listener(void) {
        control.listener.events = free_place() ? POLLIN : 0;
}

static void let_go(struct source *client) {
        close(take_fd(&client->fd));
        client->events = 0;
        update_listener();
}

static bool is_root(int fd) {
        struct ucred peer;
        socklen_t size = sizeof(peer);

        return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == 0;
}

static void listener_ready(struct source *source, short events) {
        struct source *place = free_place();
        AUTO_CLOSE int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        (void) events;
        if (!place || fd < 0 || !is_root(fd))
                return;
        place->fd = take_fd(&fd);
        place->events = POLLIN;
        update_listener();
}

static void take_descriptors(struct msghdr *message, struct control_request *request) {
        size_t taken = 0;

        for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
                if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
                        continue;
                size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < count; i++) {
                        AUTO_CLOSE int fd = -1;
                        memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof(int));
                        if (taken < CONTROL_FDS)
                                request->fds[taken++] = take_fd(&fd);
                }
        }
}

/* The words of a packet, the verb first; false if it is none. */
static bool split_packet(size_t size, char *words[static WORDS_MAX + 1]) {
        size_t count = 0;

        if (size == 0 || packet[size - 1] != '\0')
                return false;
        for (char *word = packet; word < packet + size; word += strlen(word) + 1) {
                if (count == WORDS_MAX)
                        return false;
                words[count++] = word;
        }
        words[count] = NULL;
        return true;
}

static char *serve(char **words, struct control_request *request) {
        size_t count = 0;

        while (words[count + 1])
                count++;
        request->words = words + 1;
        for (const struct control_verb *verb = control.verbs; verb->name; verb++) {
                if (strcmp(words[0], verb->name) != 0)
                        continue;
                if (count < verb->least || count > verb->most)
                        return xasprintf("'%s' with %zu words", words[0], count);
                return verb->serve(control.owner, request);
        }
        return xasprintf("'%s' is not known to this pod's monitor", words[0]);
}

/* False if the client does not take it. */
static bool reply(int fd, const char *status, const char *more) {
        struct iovec parts[] = {{(void *) (uintptr_t) status, strlen(status) + 1},
                                {(void *) (uintptr_t) more, more ? strlen(more) + 1 : 0}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = more ? 2 : 1};

        return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static void client_ready(struct source *client, short events) {
        union {
                char bytes[CMSG_SPACE(CONTROL_FDS * sizeof(int))];
                struct cmsghdr align;
        } room = {};
        struct iovec data = {packet, sizeof(packet)};
        struct msghdr message = {
                .msg_iov = &data, .msg_iovlen = 1, .msg_control = &room, .msg_controllen = sizeof(room)};
        struct control_request request = {.fds = {-1, -1, -1}};
        char *words[WORDS_MAX + 1];
        ssize_t size = recvmsg(client->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

        (void) events;
        if (size < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (size <= 0) {
                let_go(client);
                return;
        }
        take_descriptors(&message, &request);
        bool whole = !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && split_packet((size_t) size, words);
        AUTO_FREE char *refusal = whole ? serve(words, &request) : xstrdup("this is no request");
        bool taken = refusal ? reply(client->fd, "no", refusal) : reply(client->fd, "ok", request.answer);
        free(request.answer);
        for (size_t i = 0; i < CONTROL_FDS; i++)
                close_descriptor(&request.fds[i]);
        if (!taken)
                let_go(client);
}

void control_open(const struct control_verb *verbs, void *owner) {
        control.verbs = verbs;
        control.owner = owner;
        for (size_t i = 0; i < CLIENTS_MAX; i++) {
                control.clients[i] =
                        (struct source){.fd = -1, .ready = client_ready, .owner = &control.clients[i]};
                add_source(&control.clients[i]);
        }
        control.listener = (struct source){.fd = listen_at(CONTROL_PATH, 0600, CLIENTS_MAX),
                                           .events = POLLIN,
                                           .ready = listener_ready,
                                           .owner = &control};
        add_source(&control.listener);
}
