/* What systemd says of the end of a run, as a record. */
#pragma once

#include <stdbool.h>

#include "record.h"

/* systemd's own exit statuses, when it cannot execute a program: see systemd.exec(5). */
enum {
        EXEC_STATUS_CHDIR = 200,
        EXEC_STATUS_EXEC = 203,
        EXEC_STATUS_GROUP = 216,
        EXEC_STATUS_USER = 217,
        EXEC_STATUS_LAST = 243,
};

/* How systemd describes the end of a run ($SERVICE_RESULT, $EXIT_CODE, $EXIT_STATUS); never NULL. */
struct ending {
        const char *result, *code, *status;
        bool never_executed; /* the status is systemd's own, not the program's */
        bool program_exists;
        bool hooks; /* the unit has commands before or after the start whose failure would look like this */
};

/* Does systemd use this exit status for a failure that has a reason of its own here? */
bool has_exec_reason(int code);

void record_classify(struct record *record, const struct ending *ending);
