/* Whether the pod is to end, and its end. */
#pragma once

#include "reaper.h"
#include "record.h"

/* Ends the pod if the policy says so, now that this is the app's record. own NULL: whoever it was, and
 * however long ago. */
void decide(const struct reaper *reaper, const struct record *own);

/* Says who asked for the end, unless someone asked before. */
void record_stopping(const struct reaper *reaper, const char *who);

/* Asks the pod's PID 1. */
void ask_for_end(bool nothing_left);
