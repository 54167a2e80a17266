/* The records of run/launch, by concern. Each function takes the words behind a verb, whose number is right,
 * with NULL at their end, and returns NULL or what is wrong. */
#pragma once

#include "launchfile.h"

/* launch_limits.c */
char *take_cgroup(struct launch *launch, char **words);
char *take_userns(struct launch *launch, char **words);
char *take_limit(struct launch *launch, char **words);
char *take_ulimit(struct launch *launch, char **words);
char *take_oom_score(struct launch *launch, char **words);

/* launch_mounts.c */
char *take_overlay(struct launch *launch, char **words);
char *take_bind(struct launch *launch, char **words);
char *take_tmpfs(struct launch *launch, char **words);
char *take_follow(struct launch *launch, char **words);
char *take_share(struct launch *launch, char **words);
char *take_read_only(struct launch *launch, char **words);
char *take_device(struct launch *launch, char **words);
/* Of all binds together, once the range of ids is known. */
char *check_maps(const struct launch *launch);

/* launch_apps.c */
char *take_app(struct launch *launch, char **words);
char *take_credential(struct launch *launch, char **words);
char *take_log_limit(struct launch *launch, char **words);
char *take_journal(struct launch *launch, char **words);
char *take_journal_rate(struct launch *launch, char **words);

/* launch_network.c */
char *take_netns(struct launch *launch, char **words);
char *take_link(struct launch *launch, char **words);
char *take_address(struct launch *launch, char **words);
char *take_route(struct launch *launch, char **words);
char *take_sysctl(struct launch *launch, char **words);
char *take_rules(struct launch *launch, char **words);
char *take_unlink(struct launch *launch, char **words);
