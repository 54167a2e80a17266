/* What a command gets: the app's own rights, changed as the options say and never beyond its bounding set.
 */
#pragma once

#include "keeper_options.h"
#include "subject/subject.h"

struct rights {
        uid_t uids[3]; /* as the app's user namespace numbers them */
        gid_t gids[3], *groups;
        size_t n_groups;
        uint64_t permitted, inheritable, bounding, ambient;
        bool no_new_privs, app_filters;
        uid_t owner; /* the host's number of the user: of terminal and pipes */
        char *home;  /* of another user, if its passwd says one */
};

void choose_rights(struct rights *rights, const struct subject *subject,
                   const struct keeper_options *options);
