/* Users and groups of an app as its own /etc/passwd and /etc/group name them: text to judge, nothing to run.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct account {
        uid_t uid;
        gid_t gid, *groups;
        size_t n_groups;
        char *home; /* NULL if passwd does not say */
};

/* USER[:GROUP], each a name or a number, looked up below the root. Dies if a name is not there. */
void find_account(struct account *account, int root, const char *text);
