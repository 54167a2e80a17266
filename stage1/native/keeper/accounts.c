#include "accounts.h"

#include <stdint.h>
#include <string.h>

#include "basic/inroot.h"
#include "basic/passwd.h"
#include "basic/util.h"

static bool is_id(const char *text, uint32_t *id) {
        uint64_t value;

        if (!parse_number(text, UINT32_MAX - 1, &value))
                return false;
        *id = (uint32_t) value;
        return true;
}

/* The user's line: its number, group and home. A number need not be in the file. */
static char *find_user(struct account *account, int root, const char *user) {
        AUTO_FREE char *text = read_in_root(root, "etc/passwd", PASSWD_MAX);
        char *rest = text, *fields[PASSWD_FIELDS];
        uint32_t wanted = 0, uid, gid;
        bool number = is_id(user, &wanted);

        while (next_entry(&rest, fields)) {
                if (!is_id(fields[2], &uid) || !is_id(fields[3], &gid))
                        continue;
                if (number ? uid != wanted : strcmp(fields[0], user) != 0)
                        continue;
                account->uid = uid;
                account->gid = gid;
                account->home = xstrdup(fields[5]);
                return xstrdup(fields[0]);
        }
        if (!number)
                die("there is no user %s in the app's /etc/passwd", user);
        account->uid = wanted;
        return NULL;
}

static bool is_member(char *members, const char *user) {
        for (char *member; (member = strsep(&members, ","));)
                if (strcmp(member, user) == 0)
                        return true;
        return false;
}

/* The named group's number; as initgroups(3) does, that one and every group that lists the user. */
static void find_groups(struct account *account, int root, const char *user, const char *group) {
        AUTO_FREE char *text = read_in_root(root, "etc/group", PASSWD_MAX);
        char *rest = text, *fields[PASSWD_FIELDS];
        bool found = !group || is_id(group, &account->gid);
        uint32_t gid;

        account->groups = xalloc(((text ? strlen(text) : 0) / 4 + 2) * sizeof(gid_t));
        account->n_groups = 1; /* the first is set at the end */
        while (next_entry(&rest, fields)) {
                if (!is_id(fields[2], &gid))
                        continue;
                if (!found && strcmp(fields[0], group) == 0) {
                        account->gid = gid;
                        found = true;
                }
                if (user && !group && is_member(fields[3], user))
                        account->groups[account->n_groups++] = gid;
        }
        account->groups[0] = account->gid;
        if (!found)
                die("there is no group %s in the app's /etc/group", group);
}

void find_account(struct account *account, int root, const char *text) {
        AUTO_FREE char *user = xstrdup(text);
        char *group = strchr(user, ':');

        *account = (struct account){};
        if (group)
                *group++ = '\0';
        if (*user == '\0' || (group && *group == '\0'))
                die("'%s' is not USER[:GROUP]", text);
        AUTO_FREE char *name = find_user(account, root, user);
        find_groups(account, root, name, group);
}
