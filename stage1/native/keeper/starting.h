/* Starting enter, in the place of the app's processes: its cgroups and how they are scheduled. */
#pragma once

#include "planning.h"

/* Starts the command as our own child; its pid here. Dies with what went wrong, and with 126 or 127 if that
 * was the program. */
pid_t start_command(const struct command *command);
