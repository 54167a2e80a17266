#include "localsocket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "util.h"

static struct sockaddr_un address_of(const char *path) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        if (strlen(path) >= sizeof(address.sun_path))
                die("%s is too long for the address of a socket", path);
        strcpy(address.sun_path, path);
        return address;
}

int connect_to(const char *path) {
        const struct sockaddr_un address = address_of(path);
        AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -1;
        return take_fd(&fd);
}

int listen_at(const char *path, mode_t mode, int backlog) {
        /* By rename: whoever sees the socket is heard. */
        AUTO_FREE char *unheard = xasprintf("%s.new", path);
        const struct sockaddr_un address = address_of(unheard);
        AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        if (unlink(unheard) < 0 && errno != ENOENT)
                die_errno("cannot remove %s", unheard);
        mode_t before = umask(0777 & ~mode);
        if (fd < 0 || bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0 ||
            listen(fd, backlog) < 0 || rename(unheard, path) < 0)
                die_errno("cannot listen at %s", path);
        umask(before);
        return take_fd(&fd);
}
