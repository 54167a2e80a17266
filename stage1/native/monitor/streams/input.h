/* The user's input on its way to an app: through its FIFO, or into its terminal. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "basic/events.h"
#include "launchfile/launchfile.h"
#include "terminal/keys.h"

struct input {
        struct source user;         /* where it comes from */
        struct source sink;         /* where it goes, waited for only while it takes nothing */
        const struct app_spec *app; /* NULL: a terminal, which has no end to hand on */
        char *pending;
        size_t start, end;
        bool ended;
        bool others;                               /* wait for the sink to take something */
        void (*resume)(const struct input *input); /* tells them when it does */
        struct detach_keys keys;
        void (*detach)(void *owner); /* when the user has pressed them; NULL: they are keys as others */
        void *owner;
        struct source watch; /* who opens and reads the FIFO, once all of the input is in it */
};

/* Copies what comes from `user` into the app's FIFO; the app sees its end after the last byte, however late
 * it looks. -1: nothing comes from there, and the input has no end. */
void input_to_fifo(struct input *input, const struct app_spec *app, int user);

void input_to_terminal(struct input *input, int master, int user);

/* The user goes; others may still come. */
void input_forget_user(struct input *input);

/* Somebody else's bytes: how many the app's side took. Where it was not all, `resume` says when to go on. */
size_t input_offer(struct input *input, const char *data, size_t size);

/* Nothing more comes, from nobody. A terminal has no such end. */
void input_end(struct input *input);

/* The app has been told, or is about to be, that its input has ended. */
bool input_is_closed(const struct input *input);

void input_stop(struct input *input);
