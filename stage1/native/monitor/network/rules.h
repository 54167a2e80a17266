/* Packet filter rules of the host, there as long as the pod lives. */
#pragma once

#include <sys/types.h>

#include "launchfile/launchfile.h"

/* Starts the packet filter's program with the pod's rules; 0 if there are none. */
pid_t rules_begin(const struct launch *launch);

/* Waits for it. Where the rules cannot stand alone, because somebody flushed ours, the table is made anew
 * first. Returns NULL or what went wrong. */
char *rules_finish(const struct launch *launch, pid_t pid);

/* At the end of the pod, in the same two steps. */
pid_t rules_remove_begin(const struct launch *launch);
void rules_remove_finish(const struct launch *launch, pid_t pid);
