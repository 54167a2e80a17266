#include "events.h"

#include <errno.h>
#include <poll.h>

#include "util.h"

static struct source **sources;
static struct pollfd *polled;
static nfds_t n_sources;

void add_source(struct source *source) {
        sources = xrealloc(sources, (n_sources + 1) * sizeof(*sources));
        polled = xrealloc(polled, (n_sources + 1) * sizeof(*polled));
        sources[n_sources++] = source;
}

void remove_source(struct source *source) {
        for (nfds_t i = 0; i < n_sources; i++)
                if (sources[i] == source)
                        sources[i] = NULL;
}

static void close_gaps(void) {
        nfds_t kept = 0;

        for (nfds_t i = 0; i < n_sources; i++)
                if (sources[i])
                        sources[kept++] = sources[i];
        n_sources = kept;
}

int serve_sources(int timeout_ms) {
        int served;

        close_gaps();
        nfds_t count = n_sources; /* serving one may add others */
        for (nfds_t i = 0; i < count; i++)
                /* A source that waits for nothing is left out: POLLERR would come all the same, and spin. */
                polled[i] = (struct pollfd){.fd = sources[i]->events ? sources[i]->fd : -1,
                                            .events = sources[i]->events};
        served = poll(polled, count, timeout_ms);
        if (served < 0 && errno != EINTR)
                die_errno("cannot wait for events");
        if (served <= 0)
                return served;
        for (nfds_t i = 0; i < count; i++)
                /* An earlier source of this turn may have stopped, replaced or removed a later one. */
                if (polled[i].revents && sources[i] && sources[i]->events && sources[i]->fd == polled[i].fd)
                        sources[i]->ready(sources[i], polled[i].revents);
        return served;
}
