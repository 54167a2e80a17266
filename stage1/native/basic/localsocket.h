/* Sockets with a place in the file system: SOCK_SEQPACKET. */
#pragma once

#include <sys/types.h>

/* Listens, not blocking; what lies at path goes. Ends the program if it cannot be. `path` has at most 107
 * bytes. */
int listen_at(const char *path, mode_t mode, int backlog);

/* Connected to who listens there, or -1 and errno. */
int connect_to(const char *path);
