#include "netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "basic/util.h"

int netlink_open(void) {
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

        if (fd < 0)
                die_errno("cannot talk to the kernel about the network");
        return fd;
}

/* Everything here has a bound far below the request's size; more is a mistake of ours. */
static void *append(struct request *request, const void *data, size_t size) {
        size_t start = NLMSG_ALIGN(request->header.nlmsg_len);

        if (start + NLMSG_ALIGN(size) > sizeof(request->bytes))
                die("a request to the kernel is too long");
        if (size > 0)
                memcpy(request->bytes + start, data, size);
        request->header.nlmsg_len = (uint32_t) (start + size);
        return request->bytes + start;
}

void request_begin(struct request *request, uint16_t type, uint16_t flags, const void *body, size_t size) {
        *request = (struct request){.header = {.nlmsg_len = NLMSG_HDRLEN,
                                               .nlmsg_type = type,
                                               .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags}};
        append(request, body, size);
}

struct rtattr *request_nest(struct request *request, uint16_t type, const void *body, size_t size) {
        struct rtattr head = {.rta_len = RTA_LENGTH(0), .rta_type = type};
        struct rtattr *nest = append(request, &head, sizeof(head));

        if (size > 0)
                append(request, body, size);
        return nest;
}

void request_nest_end(struct request *request, struct rtattr *nest) {
        nest->rta_len = (unsigned short) (request->bytes + request->header.nlmsg_len - (char *) nest);
}

void request_add(struct request *request, uint16_t type, const void *data, size_t size) {
        request_nest_end(request, request_nest(request, type, data, size));
}

void request_add_text(struct request *request, uint16_t type, const char *text) {
        request_add(request, type, text, strlen(text) + 1);
}

void request_add_number(struct request *request, uint16_t type, uint32_t number) {
        request_add(request, type, &number, sizeof(number));
}

int request_send(int fd, struct request *request) {
        char answer[4096];
        const struct nlmsghdr *header = (const struct nlmsghdr *) (void *) answer;
        ssize_t size;

        if (send(fd, request, request->header.nlmsg_len, 0) < 0)
                return -errno;
        do
                size = recv(fd, answer, sizeof(answer), 0);
        while (size < 0 && errno == EINTR);
        if (size < (ssize_t) NLMSG_LENGTH(sizeof(struct nlmsgerr)) || header->nlmsg_type != NLMSG_ERROR)
                return size < 0 ? -errno : -EPROTO;
        return ((const struct nlmsgerr *) NLMSG_DATA(header))->error;
}
