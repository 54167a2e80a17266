/* The apps' output: from their FIFOs (or the terminal) into the log and to the user. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "basic/events.h"
#include "display.h"
#include "journal.h"
#include "launchfile/launchfile.h"
#include "logs.h"

struct stream {
        struct source source;
        const char *kind;               /* stdout or stderr */
        struct log *log;                /* NULL: not logged */
        struct journal_stream *journal; /* NULL: not sent to the host's journal */
        struct display *display;        /* NULL: only logged */
        char *prefix;                   /* NULL: bytes pass unchanged */
        bool terminal;                  /* lines end with \r\n */
        char *partial;                  /* the beginning of a line whose end has not come yet */
        size_t partial_size;
        size_t remaining; /* while draining: what was there when the supervisor had ended */
};

struct app;

/* Who listens in on all streams. */
struct tap {
        void (*output)(const struct stream *stream, const char *data,
                       size_t size); /* bytes, as they were read */
        void (*gone)(const struct app *app);
};

struct input;

struct app {
        const struct app_spec *spec;
        struct log log;
        struct stream out, err;
        struct input *input; /* NULL: it reads nothing */
};

/* How an app's lines look; displays NULL: nobody looks. */
struct app_look {
        struct display *out, *err;
        int width;      /* of its prefix; 0: none */
        unsigned index; /* for its colour */
};

/* From now on this one hears everything. */
void streams_tap(const struct tap *tap);

/* Makes one FIFO run/streams/NAME.KIND owned by the app's user; returns it open for both ends, or -1. */
int open_fifo(const struct app_spec *spec, const char *kind);

/* Sets up an app's log and output; false and errno if they cannot be made. */
bool app_open(struct app *app, const struct app_spec *spec, uint64_t log_limit, const struct app_look *look);

/* Reads what is there, then gives all up but the log's file. Not for an app with a terminal. */
void app_close(struct app *app);

/* Makes the app's stdout a terminal's master in place of its FIFO. */
void app_use_terminal(struct app *app, int master);

/* Reads from a stream only while the display it goes to takes something. */
void app_update(struct app *app);

/* After the supervisor's end: fixes what is still to be read; true when all of it has been. */
void app_begin_drain(struct app *app);
bool app_is_drained(const struct app *app);

/* True if nothing that it wrote waits to be read. */
bool app_is_empty(const struct app *app);

/* Writes lines that have no end as if they had one. */
void app_finish(struct app *app);

/* Gives the memory of the shared buffers back while there is nothing to read. */
void streams_forget(void);
