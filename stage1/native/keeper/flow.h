/* Bytes from one descriptor to another. Neither is made non-blocking: they are shared with others. */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "terminal/keys.h"

#define FLOW_MAX ((size_t) 32 << 10)

struct flow {
        int from, to; /* -1: closed */
        bool close_from, close_to;
        bool copied;  /* the kernel cannot move these pages itself */
        bool blocked; /* it could not move more: the reader is slow */
        char *data;
        size_t start, end;
};

/* Which descriptor to wait for, and for what. */
struct pollfd flow_wants(const struct flow *flow);

/* One read or one write. Returns the bytes just read, which lie at data + start: a caller may look at them.
 */
size_t flow_turn(struct flow *flow);

/* Whether bytes wait for a slow reader. */
bool flow_is_pending(const struct flow *flow);
void flow_close(struct flow *flow);

/* Takes detach keys out of what was just read; true when the last of them was pressed. */
bool flow_find_keys(struct flow *flow, struct detach_keys *keys);
