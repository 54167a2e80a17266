/* What the user sees: one of our own standard descriptors, written without ever blocking the monitor.
 *
 * A pipe or a file gets every byte: while it takes none, the streams that go to it are not read. A terminal
 * that takes nothing for five seconds (^S) is not waited for any longer; it is told how much it missed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "basic/events.h"
#include "logs.h"

enum write_way { WRITE_AT_ONCE, WRITE_NONBLOCKING, WRITE_SOCKET, WRITE_POLLED };

struct display {
        struct source source;
        enum write_way way;
        bool terminal;
        bool journal;  /* what is written here ends in the host's journal */
        bool raw;      /* the terminal is in raw mode and needs \r before \n */
        bool dead;     /* nobody looks any more */
        bool dropping; /* a terminal that took nothing for too long */
        bool mid_line; /* the last byte that went out was not a newline */
        uint64_t dropped_lines;
        struct timespec progress; /* when it took something last */
        char *pending;
        size_t start, end, room;
        const void *unfinished; /* whose line stands at the end without its newline */
};

void display_open(struct display *display, int fd);
void display_close(struct display *display);

/* Also gives up what was opened for it. */
void display_release(struct display *display);

/* True while streams that print here must wait. */
bool display_is_blocked(const struct display *display);

void display_bytes(struct display *display, const char *data, size_t size);
void display_line(struct display *display, const void *owner, const char *prefix, const struct line *line);
void display_flush(struct display *display);

/* Gives up on a terminal that takes nothing. Returns the milliseconds until it would, or -1. */
int display_check(struct display *display);
