/* Requests to the kernel's routing netlink, one at a time, each with its answer (rtnetlink(7)). */
#pragma once

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

struct request {
        union {
                struct nlmsghdr header;
                char bytes[1024];
        };
};

/* A socket in the network namespace of the calling thread; it stays there when the thread moves on. */
int netlink_open(void);

void request_begin(struct request *request, uint16_t type, uint16_t flags, const void *body, size_t size);
void request_add(struct request *request, uint16_t type, const void *data, size_t size);
void request_add_text(struct request *request, uint16_t type, const char *text);
void request_add_number(struct request *request, uint16_t type, uint32_t number);

/* Attributes added between begin and end lie inside this one. */
struct rtattr *request_nest(struct request *request, uint16_t type, const void *body, size_t size);
void request_nest_end(struct request *request, struct rtattr *nest);

/* Sends it and waits for the answer: 0 or a negative errno. */
int request_send(int fd, struct request *request);
