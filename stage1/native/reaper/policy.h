/* run/etc/policy: when the pod is over, and what its status is then. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "record.h"

enum policy_kind { POLICY_ANY_FAILURE, POLICY_ALL, POLICY_FIRST, POLICY_NEVER, POLICY_APP };
enum restart_kind { RESTART_NO, RESTART_ON_FAILURE, RESTART_ALWAYS };

struct policy_app {
        const char *name;
        enum restart_kind restart;
        bool init;      /* runs to its end before the main apps */
        bool sidecar;   /* the pod does not wait for its end */
        bool activated; /* a socket starts it again after a good end */
        bool joining;   /* it is just being added: until that is done, nothing of it is the pod's end */
};

struct policy {
        enum policy_kind kind;
        const char *decider; /* of POLICY_APP */
        struct policy_app *apps;
        size_t n_apps;
};

/* Takes text apart in place; dies saying what is wrong. */
void policy_parse(struct policy *policy, char *text);
const struct policy_app *policy_find(const struct policy *policy, const char *name);

/* The record that ends the pod now, or NULL. records are in the order of policy->apps; own is the one that
 * has just become final. */
const struct record *policy_decide(const struct policy *policy, const struct record *records,
                                   const struct record *own);
