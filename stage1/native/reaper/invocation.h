/* One run of an app's unit: its name with systemd, and when it began. */
#pragma once

#include "reaper.h"
#include "record.h"

/* What systemd calls the run that is over now; to be freed. */
char *invocation_id(const struct reaper *reaper);

void take_start_time(const struct reaper *reaper, struct record *record);

/* Both, also of a run that is not the app's first; the name is to be freed. */
char *take_run(const struct reaper *reaper, struct record *record);

/* Whether this run was asked to stop: it alone, or with the pod. */
bool is_held(const struct reaper *reaper, const char *invocation);
bool is_stopping(const struct reaper *reaper, const char *invocation);
