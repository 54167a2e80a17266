/* Entries on their way to the host's journal, by its native protocol (JOURNAL_NATIVE_PROTOCOL of systemd):
 * a bounded queue, sent many at a time, never waited for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "logs.h"

/* Fields that all entries of one sender share, encoded; they live as long as the queue. */
struct fields {
        char *data;
        size_t size;
};

void fields_add(struct fields *fields, const char *name, const char *value);

/* Connects. False when the host has no journal: then nothing else here may be called. */
bool entries_open(void);

/* Puts an entry into the queue; false when it is full. partial: its text goes on in the next one. */
bool entries_put(const struct fields *fields, int priority, bool partial, const struct line *text);

/* Sends what the journal takes now. */
void entries_send(void);

/* Entries that the journal did not take for good, since the last call. */
uint64_t entries_lost(void);

bool entries_are_sent(void);

/* The milliseconds until the next attempt to find the journal again, or -1; makes it when it is time. */
int entries_check(void);

/* At the pod's end: waits for a journal that is slow, but not for long. Entries still in the queue are gone
 * then, and their number is the result. */
uint64_t entries_finish(int patience_ms);

/* Gives memory back while there is nothing to send. */
void entries_forget(void);
