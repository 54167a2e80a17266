#include "plan.h"

#include <string.h>

#include "basic/pairs.h"
#include "basic/util.h"

#define PLACE(field) offsetof(struct plan, field)

static const struct {
        const char *name;
        size_t place;
} singles[] =
        {
                {"process", PLACE(process)},
                {"namespaces", PLACE(namespaces)},
                {"root", PLACE(root)},
                {"tools", PLACE(tools)},
                {"preserved", PLACE(preserved)},
                {"terminal", PLACE(terminal)},
                {"umask", PLACE(umask)},
                {"no-new-privs", PLACE(no_new_privs)},
                {"base-filters", PLACE(base_filters)},
                {"last-filter", PLACE(last_filter)},
                {"permitted", PLACE(permitted)},
                {"inheritable", PLACE(inheritable)},
                {"bounding", PLACE(bounding)},
                {"ambient", PLACE(ambient)},
},
  lists[] =
          {
                  {"uid", PLACE(uids)},
                  {"gid", PLACE(gids)},
                  {"group", PLACE(groups)},
                  {"limit", PLACE(limits)},
},
  texts[] = {
          {"filters", PLACE(filters)},
          {"label", PLACE(label)},
          {"directory", PLACE(directory)},
};

#define ALL_SINGLES ((1U << ARRAY_LEN(singles)) - 1)

/* False if it is none of its kind. */
static bool take_single(struct plan *plan, const char *name, uint64_t number, unsigned *seen) {
        for (size_t i = 0; i < ARRAY_LEN(singles); i++)
                if (strcmp(singles[i].name, name) == 0 && !(*seen & 1U << i)) {
                        memcpy((char *) plan + singles[i].place, &number, sizeof(number));
                        *seen |= 1U << i;
                        return true;
                }
        return false;
}

static bool take_one_more(struct plan *plan, const char *name, uint64_t number, size_t most) {
        for (size_t i = 0; i < ARRAY_LEN(lists); i++)
                if (strcmp(lists[i].name, name) == 0) {
                        struct numbers *list = (void *) ((char *) plan + lists[i].place);
                        if (!list->all)
                                list->all = xalloc(most * sizeof(number));
                        list->all[list->count++] = number;
                        return true;
                }
        return false;
}

static bool take_text(struct plan *plan, const char *name, char *value) {
        if (strcmp(name, "env") == 0) {
                plan->environment[plan->n_environment++] = value;
                return true;
        }
        for (size_t i = 0; i < ARRAY_LEN(texts); i++)
                if (strcmp(texts[i].name, name) == 0) {
                        memcpy((char *) plan + texts[i].place, &value, sizeof(value));
                        return true;
                }
        return false;
}

static char *check_whole(const struct plan *plan, unsigned seen) {
        if (seen != ALL_SINGLES || !plan->directory)
                return xstrdup("something is missing");
        if (plan->uids.count != 3 || plan->gids.count != 3 ||
            plan->limits.count != 2 * (size_t) RLIM_NLIMITS)
                return xstrdup("ids or limits are missing");
        if (plan->last_filter > 0 && !plan->filters)
                return xstrdup("the filters are missing");
        return NULL;
}

char *plan_parse(struct plan *plan, char *text, size_t size) {
        size_t most = size / 4 + 1; /* records are not shorter */
        char *end = text + size;
        unsigned seen = 0;

        *plan = (struct plan){.environment = xalloc((most + 1) * sizeof(char *))};
        if (!ends_with_pair(text, size))
                return xstrdup("it does not end with a whole record");
        while (text < end) {
                char *name, *value;
                uint64_t number;
                if (!take_pair(&text, end, &name, &value))
                        return xstrdup("a record is not two words");
                if (take_text(plan, name, value))
                        continue;
                if (!parse_number(value, UINT64_MAX, &number) ||
                    !(take_single(plan, name, number, &seen) || take_one_more(plan, name, number, most)))
                        return xasprintf("'%s %s' is not known", name, value);
        }
        return check_whole(plan, seen);
}
