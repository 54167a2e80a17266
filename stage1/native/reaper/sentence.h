/* A record as a sentence for people. */
#pragma once

#include <stdbool.h>

#include "record.h"

/* What a user wants to know beyond a plain exit; "" for one. gave_up: systemd does not start it again
 * although it was told to. To be freed. */
char *record_sentence(const struct record *record, const char *program, bool gave_up);
