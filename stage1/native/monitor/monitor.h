/* All a monitor holds while its pod lives. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "basic/events.h"
#include "launchfile/launchfile.h"
#include "monitor/streams/apps.h"
#include "monitor/streams/display.h"
#include "monitor/streams/input.h"
#include "options.h"
#include "result.h"
#include "terminal/terminal.h"
#include "wiring.h"

struct monitor {
        struct options options;
        struct launch launch;
        struct apps apps;
        struct display out, err;
        struct display *err_display; /* &out when both are one file, NULL when quiet */
        struct input input;
        struct terminal terminal;
        struct source notices, signals, messages;
        struct wiring wiring;
        pid_t supervisor, leader;
        uint64_t leader_start;
        unsigned stops;
        int listeners;     /* sockets of the host for the pod */
        bool halt_pending; /* the pod's PID 1 may have been too young for the signal */
        int front;         /* to the process the user waits for, or -1 */
        bool ended;
        struct outcome outcome;
};
