#pragma once

#include <stdbool.h>

/* Files that hold a little space free in a directory, for what has to be written when the disk is full: how
 * apps and the pod ended. `prefix` begins their names: of a directory, with its slash, or empty. */

/* What cannot be had is not kept. */
void room_keep(const char *prefix);
void room_drop(const char *prefix);

/* A write ended with `result`: if that was for want of space, gives some back and says whether there was
 * any, so that it is worth another try. */
bool room_give(int dir_fd, const char *prefix, int result);
