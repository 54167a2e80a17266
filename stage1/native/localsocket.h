/* A listening socket with a place in the file system. */
#pragma once

#include <sys/types.h>

/* SOCK_SEQPACKET, not blocking; what lies at path goes. Ends the program if it cannot be. `path` has at most
 * 107 bytes. */
int listen_at(const char *path, mode_t mode, int backlog);
