/* sd_notify in both directions: what systemd-nspawn says about the pod, and what we say to our own manager.
 */
#pragma once

#include <sys/types.h>

struct notice {
        int ready, stopping; /* 1: it said so */
        pid_t leader;        /* 0: it said nothing of it */
        const char *status;  /* NULL: nothing; else one line */
};

/* Binds run/notify. */
int notify_open(void);

/* Reads one message into data; 0 when there is none. */
int notify_read(int fd, char *data, size_t room, struct notice *notice);

/* Sends to $NOTIFY_SOCKET if there is one; failing is not our trouble. */
void notify_send(const char *text);
