/* The process a user waits for, where the one that works may have to go on without the user's terminal. */
#pragma once

/* Forks: the caller goes on in the child, with the descriptor it announces through. The parent waits, passes
 * signals on, and ends with the child's status, or with 0 when something was announced, which it prints. */
int split_front(void);

/* From now on nobody waits for us. */
void announce(int front, const char *line);
