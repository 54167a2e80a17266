#include "rights.h"

#include <linux/capability.h>

#include "accounts.h"
#include "basic/util.h"

static uint32_t must_be_inside(const char *map, uint32_t id) {
        uint32_t inside = id_inside(map, id);

        if (inside == NO_ID)
                die("id %u has no number in the app's user namespace", id);
        return inside;
}

static void take_apps_ids(struct rights *rights, const struct subject *subject) {
        for (int i = 0; i < 3; i++) {
                rights->uids[i] = must_be_inside(subject->uid_map, subject->uids[i]);
                rights->gids[i] = must_be_inside(subject->gid_map, subject->gids[i]);
        }
        rights->groups = xalloc((subject->n_groups + 1) * sizeof(gid_t));
        for (size_t i = 0; i < subject->n_groups; i++)
                rights->groups[i] = must_be_inside(subject->gid_map, subject->groups[i]);
        rights->n_groups = subject->n_groups;
}

static void take_users_ids(struct rights *rights, const struct subject *subject, const char *user) {
        struct account account;

        find_account(&account, subject->root, user);
        for (int i = 0; i < 3; i++) {
                rights->uids[i] = account.uid;
                rights->gids[i] = account.gid;
        }
        rights->groups = account.groups;
        rights->n_groups = account.n_groups;
        rights->home = account.home;
        rights->inheritable = rights->ambient = 0;
        rights->permitted = account.uid == 0 ? rights->bounding : 0;
}

static void add_capabilities(struct rights *rights, uint64_t added) {
        if (added & ~rights->bounding)
                die("the app may not have these capabilities: its bounding set is %016llx (--privileged "
                    "goes beyond it)",
                    (unsigned long long) rights->bounding);
        rights->inheritable |= added;
        rights->ambient |= added;
}

void choose_rights(struct rights *rights, const struct subject *subject,
                   const struct keeper_options *options) {
        *rights = (struct rights){.permitted = subject->permitted,
                                  .inheritable = subject->inheritable,
                                  .bounding = subject->bounding,
                                  .ambient = subject->ambient,
                                  .no_new_privs = subject->no_new_privs,
                                  .app_filters = true};
        if (options->privileged) {
                rights->bounding = subject->leader_bounding;
                rights->no_new_privs = rights->app_filters = false;
        }
        if (options->user || options->privileged)
                take_users_ids(rights, subject, options->user ? options->user : "0");
        else
                take_apps_ids(rights, subject);
        add_capabilities(rights, options->added_capabilities);
        /* A set of inheritable or ambient capabilities lies within the permitted one until the program is
         * executed. */
        rights->permitted |= rights->inheritable | rights->ambient;
        rights->owner = id_outside(subject->uid_map, rights->uids[1]);
        if (rights->owner == NO_ID)
                die("user %u has no number outside the app's user namespace", rights->uids[1]);
}
