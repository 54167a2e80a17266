/* One app's result: what systemd said of a run, in the words of the contract. */
#pragma once

#include <stdbool.h>

#include "basic/times.h"

#define NAME_MAX_SIZE 129

/* systemd's own exit statuses, when it cannot execute a program: see systemd.exec(5). */
enum {
        EXEC_STATUS_CHDIR = 200,
        EXEC_STATUS_EXEC = 203,
        EXEC_STATUS_GROUP = 216,
        EXEC_STATUS_USER = 217,
        EXEC_STATUS_LAST = 243,
};

struct record {
        char app[NAME_MAX_SIZE];
        bool final;
        const char *reason; /* a word of the contract */
        int code;           /* -1: none */
        char signal[16];    /* "": none */
        bool core;
        int status;
        bool stopping;
        char result[32];
        unsigned long runs;                                      /* 0: there is no record */
        char started_at[TIME_TEXT_MAX], ended_at[TIME_TEXT_MAX]; /* "": null */
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

/* What a user wants to know beyond a plain exit; "" for one. gave_up: systemd does not start it again
 * although it was told to. To be freed. */
char *record_sentence(const struct record *record, const char *program, bool gave_up);

/* Below the status directory. Loading leaves runs at 0 where there is no record. */
void record_load(struct record *record, int status_fd, const char *app);
void record_store(const struct record *record, int status_fd);
void record_append(const struct record *record, int status_fd);
