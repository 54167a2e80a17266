/* The user's input on its way to an app: through its FIFO, or into its terminal. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "events.h"
#include "launchfile.h"

struct input {
        struct source user;         /* where it comes from */
        struct source sink;         /* where it goes, waited for only while it takes nothing */
        const struct app_spec *app; /* NULL: a terminal, which has no end to hand on */
        char *pending;
        size_t start, end;
        bool ended;
        struct source watch; /* who opens and reads the FIFO, once all of the input is in it */
};

/* Copies the standard input into the app's FIFO; the app sees its end after the last byte, however late it
 * looks. */
void input_to_fifo(struct input *input, const struct app_spec *app);

void input_to_terminal(struct input *input, int master);
void input_stop(struct input *input);
