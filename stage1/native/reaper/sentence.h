/* A record as a sentence for people. */
#pragma once

#include <stdbool.h>

#include "record.h"

/* What a user wants to know beyond a plain exit; "" for one. missing: the user or group that is not
 * there, or "". gave_up: systemd does not start it again although it was told to. To be freed. */
char *record_sentence(const struct record *record, const char *program, const char *missing, bool gave_up);
