/* Clients that see an app's streams while it runs, and feed it: `pod attach`.
 *
 * A client has one end of a SOCK_SEQPACKET pair; the other came to run/control with `attach`. The first byte
 * of a packet says what it is.
 *
 *   from us  o output, e errors, d NUMBER (bytes that it did not take in time and will never get),
 *            a (its last input has gone to the app), c (the app takes no input), f (what the app wrote
 * before `f` was asked for has been sent) from it  i input (only one packet at a time: the next after `a`),
 * s COLUMNSxROWS, f,
 *            e (the app's input ends here, for everybody)
 *
 * Nobody waits for a client: neither the app, nor its log, nor the other clients. */
#pragma once

#include <stddef.h>

#include "control.h"
#include "monitor/streams/apps.h"
#include "monitor/streams/streams.h"

/* attach APP, with the client's socket. The answer: SIZE and INODE of the app's log up to which lines stand
 * there that the client will not get, `input` or `none`, `stream` or `tty`. */
char *attach_client(struct apps *apps, struct control_request *request);

/* What is due once per turn: `f` where an app's streams are empty. */
void attached_update(void);

/* The pod is over: who missed something is told before the socket closes. */
void attached_finish(void);
