#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util.h"

#define NOTIFY_PATH "run/notify" /* short, since a socket's address has room for 107 bytes */

int notify_open(void) {
        struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = NOTIFY_PATH};
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        if (unlink(NOTIFY_PATH) < 0 && errno != ENOENT)
                die_errno("cannot remove %s", NOTIFY_PATH);
        if (fd < 0 || bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                die_errno("cannot bind %s", NOTIFY_PATH);
        return fd;
}

static const char *value_of(const char *line, const char *key) {
        size_t length = strlen(key);
        return strncmp(line, key, length) == 0 ? line + length : NULL;
}

int notify_read(int fd, char *data, size_t room, struct notice *notice) {
        ssize_t size = recv(fd, data, room - 1, 0);
        const char *value;
        uint64_t pid;

        *notice = (struct notice){};
        if (size < 0)
                return 0;
        data[size] = '\0';
        for (char *rest = data, *line; (line = strsep(&rest, "\n"));) {
                if ((value = value_of(line, "READY=")))
                        notice->ready = strcmp(value, "1") == 0;
                else if ((value = value_of(line, "STOPPING=")))
                        notice->stopping = strcmp(value, "1") == 0;
                else if ((value = value_of(line, "STATUS=")))
                        notice->status = value;
                else if ((value = value_of(line, "X_NSPAWN_LEADER_PID=")) &&
                         parse_number(value, INT32_MAX, &pid))
                        notice->leader = (pid_t) pid;
        }
        return 1;
}

void notify_send(const char *text) {
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        size_t length = path ? strlen(path) : 0;

        if (length < 2 || length >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
                return;
        AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        memcpy(address.sun_path, path, length);
        if (path[0] == '@')
                address.sun_path[0] = '\0'; /* the abstract namespace */
        (void) sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *) &address,
                      (socklen_t) (offsetof(struct sockaddr_un, sun_path) + length));
}
