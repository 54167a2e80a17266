/* Commands that outlive whoever started them: their record below run/sessions, and the process that stays.
 */
#pragma once

#include <signal.h>
#include <sys/ioctl.h>

struct session;

/* To the process that keeps a command: kill it and all of its session. */
#define KILL_ALL_SIGNAL (SIGRTMIN + 1)

/* Makes the record; its name. */
const char *keep_session(const struct session *session);
void keep_result(const char *record, int status);

/* The size that somebody wrote into the record. */
int read_size(const char *record, struct winsize *size);

/* Where the app prints; /dev/null where it has a terminal or nobody carries its output any more. */
int open_app_stream(const char *app, const char *stream);
