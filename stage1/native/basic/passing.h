/* A descriptor to another process, by a socket (unix(7), SCM_RIGHTS). */
#pragma once

#include <stdbool.h>

/* False and errno when nobody takes it. */
bool send_descriptor(int socket, int fd);

/* The one that comes with a single byte; -1 for anything else, or nothing. */
int receive_descriptor(int socket);
