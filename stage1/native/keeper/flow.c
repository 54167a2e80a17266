#include "flow.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "basic/util.h"

#define SPLICED_MAX ((size_t) 1 << 20)

bool flow_is_pending(const struct flow *flow) {
        return flow->end > flow->start || flow->blocked;
}

struct pollfd flow_wants(const struct flow *flow) {
        if (flow_is_pending(flow))
                return (struct pollfd){.fd = flow->to, .events = POLLOUT};
        return (struct pollfd){.fd = flow->from, .events = POLLIN};
}

static void close_side(int *fd, bool ours) {
        if (*fd >= 0 && ours)
                close(*fd);
        *fd = -1;
}

void flow_close(struct flow *flow) {
        close_side(&flow->from, flow->close_from);
        close_side(&flow->to, flow->close_to);
        free(flow->data);
        flow->data = NULL;
        flow->start = flow->end = 0;
        flow->blocked = false;
}

/* A pipe that poll(2) calls writable takes PIPE_BUF bytes without blocking. */
static void push(struct flow *flow) {
        size_t size = flow->end - flow->start;
        ssize_t written = write(flow->to, flow->data + flow->start, size < PIPE_BUF ? size : PIPE_BUF);

        if (written > 0)
                flow->start += (size_t) written;
        else if (written < 0 && errno != EAGAIN && errno != EINTR)
                flow_close(flow); /* nobody reads any more: so does the writer see it */
        if (flow->start == flow->end && flow->from < 0)
                flow_close(flow);
}

/* Pages go from pipe to pipe without a copy, and without O_NONBLOCK, which others would share. False where
 * this cannot be done. */
static bool move_pages(struct flow *flow) {
        ssize_t moved;

        if (flow->copied || flow->from == STDIN_FILENO)
                return false;
        moved = splice(flow->from, NULL, flow->to, NULL, SPLICED_MAX, SPLICE_F_NONBLOCK);
        if (moved < 0 && errno == EINVAL) {
                flow->copied = true;
                return false;
        }
        /* It was readable: what it lacks is room on the other side. */
        flow->blocked = moved < 0 && errno == EAGAIN && !flow->blocked;
        if (moved == 0 || (moved < 0 && errno != EAGAIN && errno != EINTR))
                flow_close(flow);
        return true;
}

size_t flow_turn(struct flow *flow) {
        ssize_t got;

        if (flow->end > flow->start) {
                push(flow);
                return 0;
        }
        if (flow->from < 0 || move_pages(flow))
                return 0;
        if (!flow->data)
                flow->data = xalloc(FLOW_MAX);
        flow->start = flow->end = 0;
        got = read(flow->from, flow->data, FLOW_MAX);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (got <= 0) {
                flow_close(flow);
                return 0;
        }
        flow->end = (size_t) got;
        return flow->end;
}

bool flow_find_keys(struct flow *flow, struct detach_keys *keys) {
        bool found;

        flow->data = xrealloc(flow->data, FLOW_MAX + DETACH_KEYS_MAX);
        flow->end = find_keys(keys, flow->data, flow->end, &found);
        return found;
}
