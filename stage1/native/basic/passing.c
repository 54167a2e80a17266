#include "passing.h"

#include <string.h>
#include <sys/socket.h>

union room {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
};

bool send_descriptor(int socket, int fd) {
        union room room = {};
        struct iovec data = {"", 1};
        struct msghdr message = {
                .msg_iov = &data, .msg_iovlen = 1, .msg_control = &room, .msg_controllen = sizeof(room)};
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);

        *head = (struct cmsghdr){
                .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(head), &fd, sizeof(int));
        return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

int receive_descriptor(int socket) {
        union room room = {};
        char byte;
        struct iovec data = {&byte, 1};
        struct msghdr message = {
                .msg_iov = &data, .msg_iovlen = 1, .msg_control = &room, .msg_controllen = sizeof(room)};
        ssize_t size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
        const struct cmsghdr *head = size == 1 ? CMSG_FIRSTHDR(&message) : NULL;
        int fd;

        if (!head || head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(sizeof(int)))
                return -1;
        memcpy(&fd, CMSG_DATA(head), sizeof(int));
        return fd;
}
