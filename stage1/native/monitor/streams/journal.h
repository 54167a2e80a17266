/* What apps print, as entries of the host's journal: their fields, priorities, and how many of them. */
#pragma once

#include <stdbool.h>

#include "launchfile/launchfile.h"
#include "logs.h"

/* One stream of one app. */
struct journal_stream;

/* Looks for the host's journal, if run/launch names an app for it. */
void journal_open(const struct launch *launch);

/* An app that is about to be added, or has new fields; without a journal nothing. */
void journal_add(const struct journal_spec *spec);

/* Where lines of this stream go; NULL: not into the journal. */
struct journal_stream *journal_of(const char *app, const char *kind);

/* Takes a line, or a piece of one. journal_send() after a batch of them. */
void journal_line(struct journal_stream *stream, const struct line *line);
void journal_send(void);

/* Says what was left out when it is time. Returns the milliseconds until there is something to do, or -1. */
int journal_check(void);

void journal_close(void);
void journal_forget(void);

/* True when what is written to fd ends in the journal by itself: $JOURNAL_STREAM of systemd.exec(5). */
bool is_journal(int fd);
