/* run/control: what the host's commands ask of the monitor while the pod runs.
 *
 * A SOCK_SEQPACKET socket for root of the host. A request is one packet: words, each with a NUL behind it,
 * the verb first; descriptors may come with it. Every request gets one packet back: `ok`, with an answer as
 * a second word where there is one, or `no` and a sentence. A connection may ask as often as it likes.
 * Nobody is waited for: who does not take the answer at once is let go. */
#pragma once

#include <stddef.h>

#define CONTROL_FDS 3

struct control_request {
        char **words;         /* after the verb; NULL at the end */
        int fds[CONTROL_FDS]; /* -1 where none came; a verb that keeps one takes it with take_fd() */
        char *answer;         /* NULL, or what follows `ok`; freed after it was sent */
};

struct control_verb {
        const char *name;
        size_t least, most; /* words after the verb */
        /* NULL when it was done, else a sentence, which is freed after it was sent. */
        char *(*serve)(void *owner, struct control_request *request);
};

/* Listens from now on. The verbs end with one that has no name. */
void control_open(const struct control_verb *verbs, void *owner);
