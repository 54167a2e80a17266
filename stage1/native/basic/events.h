/* The event loop: descriptors, and what to do when one is ready. poll(2), because it takes plain files as
 * well. */
#pragma once

struct source {
        int fd;       /* -1: nothing to wait for */
        short events; /* what it waits for now */
        void (*ready)(struct source *source, short events);
        void *owner;
};

void add_source(struct source *source);

/* It may be freed afterwards, also while sources are being served. */
void remove_source(struct source *source);

/* Waits at most timeout_ms (-1: for ever) and serves each ready source once, so that none starves another.
 * Returns how many were ready; -1 when a signal came first. */
int serve_sources(int timeout_ms);
