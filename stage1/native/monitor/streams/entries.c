#include "entries.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "basic/events.h"
#include "basic/times.h"
#include "basic/util.h"

#define SOCKET_PATH "/run/systemd/journal/socket"
#define QUEUE_MAX   ((size_t) 4 << 20) /* while the journal is slow or away */
#define QUEUE_KEPT  ((size_t) 128 << 10)
#define BATCH       64
#define RETRY_MS    500

/* What stands before each text in the queue. */
struct entry {
        const struct fields *fields;
        size_t size;
        int priority;
        bool partial;
};

/* One datagram: the shared fields, the entry's own, the text, a newline. */
struct parcel {
        struct iovec parts[4];
        char own[64];
};

static struct source journal = {.fd = -1};
static char *queue;
static size_t start, end, room;
static uint64_t lost;
static struct timespec retry_at; /* tv_sec 0: now */

/* A value with a newline, or any bytes, has its length before it. */
static size_t encode_size(char target[static 9], size_t size) {
        uint64_t length = htole64(size);

        target[0] = '\n';
        memcpy(target + 1, &length, sizeof(length));
        return 1 + sizeof(length);
}

void fields_add(struct fields *fields, const char *name, const char *value) {
        size_t name_size = strlen(name), value_size = strlen(value);
        char *at;

        fields->data = xrealloc(fields->data, fields->size + name_size + 9 + value_size + 1);
        at = fields->data + fields->size;
        memcpy(at, name, name_size);
        at += name_size;
        at += encode_size(at, value_size);
        memcpy(at, value, value_size);
        at[value_size] = '\n';
        fields->size = (size_t) (at + value_size + 1 - fields->data);
}

static bool find_journal(void) {
        static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET_PATH};
        AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return false;
        journal.fd = take_fd(&fd);
        return true;
}

static void journal_ready(struct source *source, short events) {
        (void) source;
        (void) events;
        entries_send();
}

bool entries_open(void) {
        if (!find_journal())
                return false;
        journal.ready = journal_ready;
        add_source(&journal);
        return true;
}

bool entries_are_sent(void) {
        return start == end;
}

static bool make_room(size_t size) {
        if (end + size <= room)
                return true;
        if (start > 0) {
                memmove(queue, queue + start, end - start);
                end -= start;
                start = 0;
        }
        if (end + size > QUEUE_MAX)
                return false;
        if (end + size > room) {
                room = room * 2 > end + size ? room * 2 : end + size;
                queue = xrealloc(queue, room);
        }
        return true;
}

static size_t entry_room(size_t text_size) {
        size_t align = _Alignof(struct entry);

        return (sizeof(struct entry) + text_size + align - 1) / align * align;
}

bool entries_put(const struct fields *fields, int priority, bool partial, const struct line *text) {
        size_t size = text->head_size + text->tail_size;
        struct entry entry = {.fields = fields, .size = size, .priority = priority, .partial = partial};
        char *at;

        if (!make_room(entry_room(size)))
                return false;
        at = queue + end;
        memcpy(at, &entry, sizeof(entry));
        at += sizeof(entry);
        if (text->head_size > 0)
                memcpy(at, text->head, text->head_size);
        if (text->tail_size > 0)
                memcpy(at + text->head_size, text->tail, text->tail_size);
        end += entry_room(size);
        return true;
}

static void wrap(struct parcel *parcel, struct entry *entry) {
        int own = snprintf(parcel->own, sizeof(parcel->own), "PRIORITY=%d\n%sMESSAGE", entry->priority,
                           entry->partial ? "POD_PARTIAL=1\n" : "");
        size_t own_size = (size_t) own + encode_size(parcel->own + own, entry->size);

        parcel->parts[0] = (struct iovec){entry->fields->data, entry->fields->size};
        parcel->parts[1] = (struct iovec){parcel->own, own_size};
        parcel->parts[2] = (struct iovec){entry + 1, entry->size};
        parcel->parts[3] = (struct iovec){"\n", 1};
}

/* Wraps entries from the queue's start on; returns how many. ends: where each ends in the queue. */
static unsigned wrap_batch(struct mmsghdr messages[static BATCH], size_t ends[static BATCH]) {
        static struct parcel parcels[BATCH];
        size_t at = start;
        unsigned count = 0;

        for (; count < BATCH && at < end; count++) {
                struct entry *entry = (struct entry *) (void *) (queue + at);
                wrap(&parcels[count], entry);
                messages[count] =
                        (struct mmsghdr){.msg_hdr = {.msg_iov = parcels[count].parts,
                                                     .msg_iovlen = ARRAY_LEN(parcels[count].parts)}};
                at += entry_room(entry->size);
                ends[count] = at;
        }
        return count;
}

/* A datagram that is too large for the socket goes as a sealed file in memory. */
static int send_as_file(const struct msghdr *message) {
        union {
                char data[CMSG_SPACE(sizeof(int))];
                struct cmsghdr header;
        } control = {};
        struct msghdr envelope = {.msg_control = control.data, .msg_controllen = sizeof(control.data)};
        AUTO_CLOSE int fd = memfd_create("pod-line", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        if (fd < 0)
                return -errno;
        for (size_t i = 0; i < message->msg_iovlen; i++) {
                int result = write_all(fd, message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
                if (result < 0)
                        return result;
        }
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
                return -errno;
        control.header = (struct cmsghdr){
                .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
        return sendmsg(journal.fd, &envelope, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Sends a batch; returns how many went, or a negative errno when none did. */
static int send_batch(struct mmsghdr *messages, unsigned count) {
        int sent = sendmmsg(journal.fd, messages, count, MSG_DONTWAIT | MSG_NOSIGNAL), result;

        if (sent >= 0)
                return sent;
        if (errno != EMSGSIZE)
                return -errno;
        result = send_as_file(&messages[0].msg_hdr);
        return result < 0 ? result : 1;
}

static void look_again_later(void) {
        retry_at = time_now(CLOCK_MONOTONIC);
        retry_at.tv_nsec += RETRY_MS * 1000000L;
        retry_at.tv_sec += retry_at.tv_nsec / 1000000000L;
        retry_at.tv_nsec %= 1000000000L;
}

/* True when it is worth going on at once. */
static bool handle_refusal(int error, size_t first_end) {
        switch (error) {
        case -EINTR:
                return true;
        case -EAGAIN: /* poll(2) will say when */
                return false;
        case -ENOBUFS:
        case -ENOMEM:
                look_again_later();
                return false;
        case -ECONNREFUSED:
        case -ECONNRESET:
        case -ENOTCONN:
        case -EPIPE: /* its socket was made anew */
                close(take_fd(&journal.fd));
                if (find_journal())
                        return true;
                look_again_later();
                return false;
        default: /* this one it will never take */
                lost++;
                start = first_end;
                return true;
        }
}

static void wait_for_journal(void) {
        bool waits = !entries_are_sent() && retry_at.tv_sec == 0 && journal.fd >= 0;

        journal.events = waits ? POLLOUT : 0;
}

void entries_send(void) {
        static struct mmsghdr messages[BATCH];
        static size_t ends[BATCH];
        bool goes_on = retry_at.tv_sec == 0 && journal.fd >= 0;

        while (goes_on && start < end) {
                unsigned count = wrap_batch(messages, ends);
                int sent = send_batch(messages, count);

                if (sent > 0)
                        start = ends[sent - 1];
                else
                        goes_on = handle_refusal(sent, ends[0]);
        }
        if (start == end)
                start = end = 0;
        if (entries_are_sent() && room > QUEUE_KEPT)
                entries_forget();
        wait_for_journal();
}

uint64_t entries_lost(void) {
        uint64_t number = lost;

        lost = 0;
        return number;
}

int entries_check(void) {
        struct timespec now;
        long long left;

        if (retry_at.tv_sec == 0)
                return -1;
        now = time_now(CLOCK_MONOTONIC);
        left = (retry_at.tv_sec - now.tv_sec) * 1000LL + (retry_at.tv_nsec - now.tv_nsec) / 1000000LL;
        if (left > 0)
                return (int) left;
        retry_at = (struct timespec){};
        if (journal.fd < 0 && !find_journal())
                look_again_later();
        entries_send();
        return retry_at.tv_sec == 0 ? -1 : RETRY_MS;
}

static long long elapsed_ms(const struct timespec *then) {
        struct timespec now = time_now(CLOCK_MONOTONIC);

        return (now.tv_sec - then->tv_sec) * 1000LL + (now.tv_nsec - then->tv_nsec) / 1000000LL;
}

static uint64_t abandon(void) {
        uint64_t count = 0;

        for (; start < end; count++)
                start += entry_room(((const struct entry *) (const void *) (queue + start))->size);
        start = end = 0;
        return count;
}

uint64_t entries_finish(int patience_ms) {
        struct timespec began = time_now(CLOCK_MONOTONIC);

        retry_at = (struct timespec){};
        entries_send();
        while (!entries_are_sent() && journal.fd >= 0 && elapsed_ms(&began) < patience_ms) {
                struct pollfd polled = {.fd = journal.fd, .events = POLLOUT};
                (void) poll(&polled, 1, 10);
                retry_at = (struct timespec){};
                entries_send();
        }
        return abandon();
}

void entries_forget(void) {
        if (!entries_are_sent() || !queue)
                return;
        free(queue);
        queue = NULL;
        start = end = room = 0;
}
