/* The command line of the keeper. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "terminal/keys.h"

struct keeper_options {
        const char *directory, *app; /* the pod's; app NULL: its PID 1 */
        char **argv;
        const char *user, *workdir, *capture;
        char **environment; /* what is added; NULL at the end */
        size_t n_environment;
        uint64_t added_capabilities;
        int preserved; /* descriptors from 3 on that go along */
        bool terminal, input, detach, privileged, host_tools;
        struct detach_keys keys;
};

struct keeper_options parse_keeper_options(int argc, char **argv);
