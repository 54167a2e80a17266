/* What a reaper is called for, and the pod it finds itself in. */
#pragma once

#include <stdbool.h>

#include "policy.h"

struct reaper {
        const char *root; /* "" in a pod */
        const char *app_root, *program;
        const char *missing; /* the user or group that the image does not have, if there is one */
        const char *selinux; /* the label that the launcher gives; NULL: none */
        const char *app;
        int status_fd;
        bool hooks;    /* the unit has commands whose failure is not the app's */
        bool in_order; /* commands follow that the pod's end must wait for */
        bool gave_up;  /* systemd could not get the app to run well, however often it tried */
        char *policy_text;
        struct policy policy;
};

/* A variable, or no text. */
const char *environment(const char *name);

/* The pod's records and its policy; an app must be one of its. Die if that cannot be. */
void open_status(struct reaper *reaper);
void open_records(struct reaper *reaper);
void open_pod(struct reaper *reaper, const char *app);
