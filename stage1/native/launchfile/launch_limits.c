/* Records of run/launch: cgroups, ids and limits. */
#include <string.h>

#include "basic/util.h"
#include "launch_records.h"

char *take_cgroup(struct launch *launch, char **words) {
        if (words[0][0] != '/' || strstr(words[0], "/.."))
                return xasprintf("cgroup '%s' is not an absolute path without '..'", words[0]);
        launch->cgroups[launch->n_cgroups++] = words[0];
        return NULL;
}

char *take_userns(struct launch *launch, char **words) {
        uint64_t base, count;

        if (!parse_number(words[0], UINT32_MAX - 1, &base) || !parse_number(words[1], UINT32_MAX, &count) ||
            base == 0 || count == 0 || base + count > UINT32_MAX)
                return xasprintf("userns '%s %s' is no range of ids", words[0], words[1]);
        launch->ids = (struct id_range){.base = (uint32_t) base, .count = (uint32_t) count};
        return NULL;
}

char *take_limit(struct launch *launch, char **words) {
        if (strncmp(words[0], "/sys/fs/cgroup/", 15) != 0 || strstr(words[0], "/.."))
                return xasprintf("limit '%s' is no file of a cgroup", words[0]);
        launch->limits[launch->n_limits++] = (struct limit_spec){.path = words[0], .value = words[1]};
        return NULL;
}

static bool parse_limit(const char *text, rlim_t *limit) {
        uint64_t number;

        if (strcmp(text, "infinity") == 0)
                *limit = RLIM_INFINITY;
        else if (parse_number(text, INT64_MAX, &number))
                *limit = number;
        else
                return false;
        return true;
}

char *take_ulimit(struct launch *launch, char **words) {
        static const struct {
                const char *name;
                int resource;
        } known[] = {{"nofile", RLIMIT_NOFILE},
                     {"memlock", RLIMIT_MEMLOCK},
                     {"msgqueue", RLIMIT_MSGQUEUE},
                     {"nice", RLIMIT_NICE},
                     {"rtprio", RLIMIT_RTPRIO}};
        struct ulimit_spec *spec = &launch->ulimits[launch->n_ulimits];

        for (size_t i = 0; i < ARRAY_LEN(known); i++) {
                if (strcmp(words[0], known[i].name) != 0)
                        continue;
                *spec = (struct ulimit_spec){.name = known[i].name, .resource = known[i].resource};
                if (!parse_limit(words[1], &spec->value.rlim_cur) ||
                    !parse_limit(words[2], &spec->value.rlim_max))
                        break;
                launch->n_ulimits++;
                return NULL;
        }
        return xasprintf("ulimit '%s %s %s' is not known", words[0], words[1], words[2]);
}

char *take_oom_score(struct launch *launch, char **words) {
        uint64_t score;

        if (!parse_number(words[0] + (*words[0] == '-'), 1000, &score))
                return xasprintf("oom-score '%s' is not from -1000 to 1000", words[0]);
        launch->oom_score = words[0];
        return NULL;
}
