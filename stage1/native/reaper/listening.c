#include "listening.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "basic/files.h"
#include "basic/notify.h"
#include "basic/util.h"

#define BUS         "/run/systemd/private"
#define UNIT_PREFIX "/org/freedesktop/systemd1/unit/app_2d"
#define UNIT_SUFFIX "_2eservice"
#define HEADER_SIZE 16
#define MESSAGE_MAX ((size_t) 16 << 20)
#define TEXT_MAX    ((size_t) 1024)

/* No Hello and no subscription: on this socket PID 1 tells everybody everything. Root is uid 0, 30 in hex.
 */
static const char greeting[] = "\0AUTH EXTERNAL 30\r\nBEGIN\r\n";

static void read_whole(int fd, void *data, size_t size) {
        for (size_t done = 0; done < size;) {
                ssize_t got = read(fd, (char *) data + done, size - done);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0)
                        exit(0); /* PID 1 is gone, or about to be */
                done += (size_t) got;
        }
}

static int open_bus(void) {
        struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = BUS};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        char letter = 0, last = 0, answer[3] = "";

        if (fd < 0 || connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0 ||
            write_all(fd, greeting, sizeof(greeting) - 1) < 0)
                die_errno("cannot talk with PID 1");
        for (size_t i = 0; i == 0 || last != '\r' || letter != '\n'; i++) {
                last = i == 0 ? 0 : letter;
                read_whole(fd, &letter, 1);
                if (i < 2)
                        answer[i] = letter;
        }
        if (strcmp(answer, "OK") != 0)
                die("PID 1 does not talk with us");
        return fd;
}

static uint32_t number_at(const char *data) {
        uint32_t number;

        memcpy(&number, data, sizeof(number)); /* both ends of this socket are on this machine */
        return number;
}

static int digit(char letter) {
        return letter >= '0' && letter <= '9'   ? letter - '0'
               : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10
                                                : -1;
}

/* `web_2dserver_2eservice` is the app web-server. */
static char *app_of(const char *path) {
        size_t length = strlen(path), suffix = strlen(UNIT_SUFFIX), count = 0;

        if (length <= suffix || strcmp(path + length - suffix, UNIT_SUFFIX) != 0)
                return NULL;
        char *name = xalloc(length + 1);
        for (size_t i = 0; i < length - suffix; i++) {
                if (path[i] == '_' && digit(path[i + 1]) >= 0 && digit(path[i + 2]) >= 0) {
                        name[count++] = (char) (digit(path[i + 1]) * 16 + digit(path[i + 2]));
                        i += 2;
                } else
                        name[count++] = path[i];
        }
        name[count] = '\0';
        return name;
}

/* The text of the property in the body of a signal about changed properties; NULL if it is not there. No
 * text holds a NUL, so none that an app says can be taken for a property. */
static char *text_of(const char *key, const char *body, size_t size) {
        size_t key_size = strlen(key) + 1;
        const char *found = memmem(body, size, key, key_size), *end = body + size, *at;

        if (!found || (size_t) (end - found) < key_size + 3 || memcmp(found + key_size, "\001s", 3) != 0)
                return NULL;
        at = found + key_size + 3;
        at += (4 - (size_t) (at - body) % 4) % 4;
        if (end - at < 4 || number_at(at) >= (size_t) (end - at) - 4)
                return NULL;
        char *text = xasprintf("%.*s", (int) (number_at(at) < TEXT_MAX ? number_at(at) : TEXT_MAX), at + 4);
        make_printable(text);
        return text;
}

static void keep(int status_fd, const char *app, const char *text) {
        AUTO_FREE char *path = xasprintf("%s.message", app);
        AUTO_FREE char *known = read_file(status_fd, path, NULL, TEXT_MAX + 2);
        AUTO_FREE char *line = xasprintf("%s%s", text, *text ? "\n" : "");

        if (strcmp(known ? known : "", line) == 0)
                return;
        int result = write_file(status_fd, path, line);
        if (result < 0)
                warn("cannot write status/%s: %s", path, strerror(-result));
}

/* A file says that the app reads its configuration again (RELOADING=1), for as long as it does. */
static void keep_reloading(int status_fd, const char *app, const char *state) {
        AUTO_FREE char *path = xasprintf("%s.reloading", app);
        bool reloading = strcmp(state, "reloading") == 0;
        int result = 0;

        if (reloading && faccessat(status_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                result = write_file(status_fd, path, "");
        else if (!reloading && unlinkat(status_fd, path, 0) < 0 && errno != ENOENT)
                result = -errno;
        if (result < 0)
                warn("cannot write status/%s: %s", path, strerror(-result));
}

static void take_message(int status_fd, const char *header, const char *fields, size_t fields_size,
                         const char *body, size_t body_size) {
        const char *path = memmem(fields, fields_size, UNIT_PREFIX, strlen(UNIT_PREFIX));

        if (header[1] != 4 || !path || !memchr(path, '\0', fields_size - (size_t) (path - fields)))
                return;
        AUTO_FREE char *app = app_of(path + strlen(UNIT_PREFIX));
        if (!app || strchr(app, '/'))
                return;
        AUTO_FREE char *text = text_of("StatusText", body, body_size);
        AUTO_FREE char *state = text_of("ActiveState", body, body_size);
        if (text)
                keep(status_fd, app, text);
        if (state)
                keep_reloading(status_fd, app, state);
}

void listen_to_apps(int status_fd) {
        int fd = open_bus();

        notify_send("READY=1");
        for (;;) {
                char header[HEADER_SIZE];
                read_whole(fd, header, sizeof(header));
                size_t body_size = number_at(header + 4), fields_size = number_at(header + 12);
                size_t padded = (fields_size + 7) / 8 * 8;
                if (body_size > MESSAGE_MAX || fields_size > MESSAGE_MAX)
                        die("PID 1 says something of %zu bytes", fields_size + body_size);
                AUTO_FREE char *rest = xalloc(padded + body_size + 1);
                read_whole(fd, rest, padded + body_size);
                take_message(status_fd, header, rest, fields_size, rest + padded, body_size);
        }
}
