/* The monitor's command line. */
#pragma once

#include <stdbool.h>

#include "terminal/keys.h"

struct options {
        int lock_fd;  /* the locked pod directory, or -1: the monitor takes the lock itself */
        int ready_fd; /* told when the pod is ready, or -1 */
        bool quiet;
        const char *python;      /* what starts a pod again that asked for a reboot, or NULL */
        const char *keys_text;   /* the keys as they were given, or NULL */
        bool check;              /* only judge run/launch */
        struct detach_keys keys; /* that give the user's terminal back while the pod goes on */
        const char *directory;
};

/* Ends the program if it is called in a wrong way. */
struct options parse_options(int argc, char **argv);
