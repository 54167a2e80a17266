/* Who was killed for want of memory, where systemd is not told. */
#pragma once

#include "reaper.h"
#include "record.h"

bool was_out_of_memory(const struct reaper *reaper, const struct record *record);
