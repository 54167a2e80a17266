/* The process a user waits for, where the one that works may have to go on without the user's terminal. */
#pragma once

#include <stdbool.h>

/* Was this program started to ignore a signal, as nohup(1) and scripts that put it into the background do?
 */
bool is_ignored(int signal_number);

/* Forks: the caller goes on in the child, with the descriptor it announces through. The parent waits, passes
 * signals on, and ends with the child's status, or with 0 when something was announced, which it prints. */
int split_front(void);

/* From now on nobody waits for us. */
void announce(int front, const char *line);
