#include "launchfile.h"

#include <string.h>
#include <sys/mount.h>

#include "idmap.h"
#include "util.h"

#define APP_NAME_MAX      128
#define JOURNAL_FIELD_MAX 64
#define CREDENTIAL_ID_MAX 255

/* Splits the text into words; a NULL pointer stands where a record ends. */
static char *split_words(struct launch *launch, char *text, size_t size) {
        size_t n_words = 0;

        if (size < 2 || text[size - 1] != '\0' || text[size - 2] != '\0')
                return xstrdup("the file does not end with a whole record");
        for (size_t i = 0; i < size; i++)
                n_words += text[i] == '\0';
        launch->words = xalloc((n_words + 1) * sizeof(char *));
        n_words = 0;
        for (char *word = text; word < text + size; word += strlen(word) + 1) {
                launch->words[n_words++] = *word ? word : NULL;
                launch->n_records += *word == '\0';
        }
        return NULL;
}

static size_t count_words(char **words) {
        size_t count = 0;
        while (words[count])
                count++;
        return count;
}

/* An app's name becomes part of file names and of the verdict's words. */
static bool is_name(const char *text, size_t most) {
        size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
        return length > 0 && length <= most && text[length] == '\0' && text[0] != '.';
}

static char *take_version(struct launch *launch, char **words) {
        (void) launch;
        if (strcmp(words[0], "1") != 0)
                return xasprintf("version %s is not known to this monitor, which knows version 1", words[0]);
        return NULL;
}

static char *take_pod(struct launch *launch, char **words) {
        launch->label = words[0];
        return NULL;
}

static char *take_cgroup(struct launch *launch, char **words) {
        if (words[0][0] != '/' || strstr(words[0], "/.."))
                return xasprintf("cgroup '%s' is not an absolute path without '..'", words[0]);
        launch->cgroups[launch->n_cgroups++] = words[0];
        return NULL;
}

static char *take_userns(struct launch *launch, char **words) {
        uint64_t base, count;

        if (!parse_number(words[0], UINT32_MAX - 1, &base) || !parse_number(words[1], UINT32_MAX, &count) ||
            base == 0 || count == 0 || base + count > UINT32_MAX)
                return xasprintf("userns '%s %s' is no range of ids", words[0], words[1]);
        launch->ids = (struct id_range){.base = (uint32_t) base, .count = (uint32_t) count};
        return NULL;
}

static char *take_limit(struct launch *launch, char **words) {
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

static char *take_ulimit(struct launch *launch, char **words) {
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

static char *take_oom_score(struct launch *launch, char **words) {
        uint64_t score;

        if (!parse_number(words[0] + (*words[0] == '-'), 1000, &score))
                return xasprintf("oom-score '%s' is not from -1000 to 1000", words[0]);
        launch->oom_score = words[0];
        return NULL;
}

static char *take_overlay(struct launch *launch, char **words) {
        bool writable = strcmp(words[1], "-") != 0;

        launch->mounts[launch->n_mounts++] = (struct mount_spec){.kind = MOUNT_OVERLAY,
                                                                 .target = words[0],
                                                                 .source = writable ? words[1] : NULL,
                                                                 .lowers = words + 2};
        if (!writable && !words[3])
                return xasprintf("overlay %s: one layer alone is bound, not overlaid", words[0]);
        return NULL;
}

static const struct mount_word {
        const char *name;
        uint64_t attribute, propagation;
        bool recursive, mapped;
} mount_words[] = {
        {.name = "ro", .attribute = MOUNT_ATTR_RDONLY},
        {.name = "noexec", .attribute = MOUNT_ATTR_NOEXEC},
        {.name = "nosuid", .attribute = MOUNT_ATTR_NOSUID},
        {.name = "nodev", .attribute = MOUNT_ATTR_NODEV},
        {.name = "private", .propagation = MS_PRIVATE},
        {.name = "slave", .propagation = MS_SLAVE},
        {.name = "rec", .recursive = true},
        {.name = "idmap", .mapped = true},
};

static bool take_mount_word(struct mount_spec *spec, const char *word) {
        for (size_t i = 0; i < ARRAY_LEN(mount_words); i++)
                if (strcmp(mount_words[i].name, word) == 0) {
                        spec->attributes |= mount_words[i].attribute;
                        spec->propagation |= mount_words[i].propagation;
                        spec->recursive |= mount_words[i].recursive;
                        spec->mapped |= mount_words[i].mapped;
                        return true;
                }
        return false;
}

static bool take_map(struct mount_spec *spec, const char *word) {
        if (strncmp(word, "idmap=", 6) != 0 || spec->map)
                return false;
        spec->map = xstrdup(word + 6);
        return true;
}

static char *take_bind(struct launch *launch, char **words) {
        struct mount_spec *spec = &launch->mounts[launch->n_mounts++];
        AUTO_FREE char *options = xstrdup(words[2]);
        char *rest = options, *option;

        *spec = (struct mount_spec){
                .kind = MOUNT_BIND, .source = words[0], .target = words[1], .root = words[3]};
        if (strcmp(words[2], "-") == 0)
                return NULL;
        while ((option = strsep(&rest, ",")))
                if (!take_mount_word(spec, option) && !take_map(spec, option))
                        return xasprintf("bind option '%s' is not known", option);
        if (spec->propagation == (MS_PRIVATE | MS_SLAVE))
                return xasprintf("bind %s is to be private and slave at once", words[1]);
        return NULL;
}

static bool is_tmpfs_setting(const char *word) {
        static const char *const names[] = {"size=", "mode=", "uid=", "gid=", "nr_inodes="};

        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                if (strncmp(word, names[i], strlen(names[i])) == 0)
                        return true;
        return false;
}

static char *take_tmpfs(struct launch *launch, char **words) {
        struct mount_spec *spec = &launch->mounts[launch->n_mounts++];
        AUTO_FREE char *options = xstrdup(words[1]);
        char *rest = options, *option;

        *spec = (struct mount_spec){
                .kind = MOUNT_TMPFS, .target = words[0], .options = words[1], .root = words[2]};
        while ((option = strsep(&rest, ",")))
                if (!is_tmpfs_setting(option) && !take_mount_word(spec, option))
                        return xasprintf("tmpfs option '%s' is not known", option);
        return NULL;
}

static char *take_read_only(struct launch *launch, char **words) {
        launch->mounts[launch->n_mounts++] =
                (struct mount_spec){.kind = MOUNT_READ_ONLY, .source = words[0], .target = words[0]};
        return NULL;
}

static char *take_device(struct launch *launch, char **words) {
        struct mount_spec *spec = &launch->mounts[launch->n_mounts++];
        uint64_t uid, gid;
        size_t digits = strspn(words[2], "01234567");

        if (digits != 3 || words[2][3] != '\0')
                return xasprintf("device %s: '%s' is no mode of three octal digits", words[0], words[2]);
        if (!parse_number(words[3], UINT32_MAX - 1, &uid) || !parse_number(words[4], UINT32_MAX - 1, &gid))
                return xasprintf("device %s: '%s:%s' is no user and group", words[0], words[3], words[4]);
        if (strncmp(words[1], "rootfs/", 7) != 0)
                return xasprintf("device %s: '%s' is not below rootfs", words[0], words[1]);
        *spec = (struct mount_spec){.kind = MOUNT_DEVICE,
                                    .source = words[0],
                                    .target = words[1],
                                    .mode = (mode_t) strtoul(words[2], NULL, 8),
                                    .uid = (uid_t) uid,
                                    .gid = (gid_t) gid};
        return NULL;
}

/* The index of a word in a list that ends with NULL; -1 if it is not there. */
static int find_word(const char *word, const char *const *words) {
        for (int i = 0; words[i]; i++)
                if (strcmp(words[i], word) == 0)
                        return i;
        return -1;
}

static char *take_streams(struct app_spec *spec, char **words) {
        static const char *const inputs[] = {"none", "stream", "tty", NULL};
        static const char *const outputs[] = {"log", "stream", "null", "tty", NULL};
        int in = find_word(words[0], inputs), usual = in == STDIN_TTY ? OUTPUT_TTY : OUTPUT_LOG;
        int out = words[1] ? find_word(words[1], outputs) : usual;
        int err = words[1] && words[2] ? find_word(words[2], outputs) : usual;

        if (in < 0)
                return xasprintf("app %s: standard input '%s' is not none, stream or tty", spec->name,
                                 words[0]);
        if (out < 0 || err < 0)
                return xasprintf("app %s: output '%s' is not log, stream, null or tty", spec->name,
                                 words[out < 0 ? 1 : 2]);
        if ((in == STDIN_TTY) != (out == OUTPUT_TTY) || (err == OUTPUT_TTY && in != STDIN_TTY))
                return xasprintf("app %s: a terminal is both input and output", spec->name);
        spec->stdin_kind = (enum stdin_kind) in;
        spec->out_kind = (enum output_kind) out;
        spec->err_kind = (enum output_kind) err;
        return NULL;
}

char *app_spec_parse(struct app_spec *spec, char **words) {
        uint64_t uid, gid;

        if (!is_name(words[0], APP_NAME_MAX))
                return xasprintf("'%s' is no app name", words[0]);
        if (!parse_number(words[1], UINT32_MAX - 1, &uid) || !parse_number(words[2], UINT32_MAX - 1, &gid))
                return xasprintf("app %s: '%s:%s' is no user and group", words[0], words[1], words[2]);
        *spec = (struct app_spec){.name = words[0], .uid = (uid_t) uid, .gid = (gid_t) gid};
        return take_streams(spec, words + 3);
}

static char *take_app(struct launch *launch, char **words) {
        for (size_t i = 0; i < launch->n_apps; i++)
                if (strcmp(launch->apps[i].name, words[0]) == 0)
                        return xasprintf("app %s is there twice", words[0]);
        return app_spec_parse(&launch->apps[launch->n_apps++], words);
}

static char *take_credential(struct launch *launch, char **words) {
        static const char *const kinds[] = {"file", "encrypted", "unit"};
        size_t kind = 0;

        if (!is_name(words[0], CREDENTIAL_ID_MAX))
                return xasprintf("'%s' is no name of a credential", words[0]);
        while (kind < ARRAY_LEN(kinds) && strcmp(kinds[kind], words[1]) != 0)
                kind++;
        if (kind == ARRAY_LEN(kinds))
                return xasprintf("credential %s: '%s' is not file, encrypted or unit", words[0], words[1]);
        if ((words[2][0] == '/') == (kind == CREDENTIAL_UNIT) ||
            (kind == CREDENTIAL_UNIT && !is_name(words[2], CREDENTIAL_ID_MAX)))
                return xasprintf("credential %s: '%s' is no source", words[0], words[2]);
        launch->credentials[launch->n_credentials++] = (struct credential_spec){
                .id = words[0], .kind = (enum credential_kind) kind, .source = words[2]};
        return NULL;
}

static char *take_log_limit(struct launch *launch, char **words) {
        if (!parse_number(words[0], UINT64_C(1) << 50, &launch->log_limit) ||
            launch->log_limit < LOG_LIMIT_MIN)
                return xasprintf("log-limit '%s' is not a number of bytes from 65536 up", words[0]);
        return NULL;
}

static bool is_field(const char *text) {
        const char *value = strchr(text, '=');
        size_t length = value ? (size_t) (value - text) : 0;

        return length > 0 && length <= JOURNAL_FIELD_MAX && text[0] >= 'A' && text[0] <= 'Z' &&
               strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == length;
}

char *journal_spec_parse(struct journal_spec *spec, char **words) {
        for (char **field = words + 1; *field; field++)
                if (!is_field(*field))
                        return xasprintf("journal %s: '%s' is no field of a journal", words[0], *field);
        *spec = (struct journal_spec){.app = words[0], .fields = words + 1};
        return NULL;
}

static char *take_journal(struct launch *launch, char **words) {
        return journal_spec_parse(&launch->journals[launch->n_journals++], words);
}

static char *take_journal_rate(struct launch *launch, char **words) {
        if (!parse_number(words[0], UINT32_MAX, &launch->journal_lines) ||
            !parse_number(words[1], 86400, &launch->journal_seconds) || launch->journal_seconds == 0)
                return xasprintf("journal-rate '%s %s' is not a number of lines and one of seconds",
                                 words[0], words[1]);
        return NULL;
}

static char *take_env(struct launch *launch, char **words) {
        if (!strchr(words[0], '=') || words[0][0] == '=')
                return xasprintf("env '%s' is not KEY=VALUE", words[0]);
        if (strncmp(words[0], "NOTIFY_SOCKET=", 14) == 0)
                return xstrdup("env NOTIFY_SOCKET is the monitor's own");
        launch->environment[launch->n_environment++] = words[0];
        return NULL;
}

static char *take_netns(struct launch *launch, char **words) {
        bool joins = strcmp(words[0], "new") != 0;

        if (launch->network != NETWORK_HOST)
                return xstrdup("there are two network namespaces");
        if (joins && words[0][0] != '/')
                return xasprintf("netns '%s' is neither new nor an absolute path", words[0]);
        launch->network = joins ? NETWORK_JOIN : NETWORK_NEW;
        launch->namespace_path = words[0];
        if (words[1] && (!words[2] || !parse_number(words[1], INT32_MAX, &launch->namespace_pid) ||
                         !parse_number(words[2], UINT64_MAX - 1, &launch->namespace_start)))
                return xstrdup("netns PATH PID STARTTIME takes two numbers");
        return NULL;
}

static char *take_link(struct launch *launch, char **words) {
        uint64_t mtu;

        if (!parse_number(words[4], 65535, &mtu))
                return xasprintf("link %s: '%s' is no MTU", words[0], words[4]);
        if (strlen(words[0]) > 15 || strlen(words[1]) > 15)
                return xasprintf("link %s: the names of interfaces have at most 15 letters", words[0]);
        launch->net_links[launch->n_links++] = (struct link_spec){.name = words[0],
                                                                  .host_name = words[1],
                                                                  .bridge = words[2],
                                                                  .mac = words[3],
                                                                  .mtu = (uint32_t) mtu};
        return NULL;
}

static char *take_address(struct launch *launch, char **words) {
        launch->addresses[launch->n_addresses++] =
                (struct address_spec){.name = words[0], .address = words[1]};
        return NULL;
}

static char *take_route(struct launch *launch, char **words) {
        launch->routes[launch->n_routes++] = (struct address_spec){.name = words[0], .address = words[1]};
        return NULL;
}

static char *take_sysctl(struct launch *launch, char **words) {
        if (strncmp(words[0], "net/", 4) != 0 || strstr(words[0], ".."))
                return xasprintf("sysctl '%s' is not below net/", words[0]);
        launch->sysctls[launch->n_sysctls++] = (struct sysctl_spec){.path = words[0], .value = words[1]};
        return NULL;
}

static char *take_rules(struct launch *launch, char **words) {
        launch->rules = (struct rules_spec){
                .program = words[0], .up = words[1], .down = words[2], .repair = words[3]};
        return NULL;
}

static char *take_unlink(struct launch *launch, char **words) {
        launch->unlinks[launch->n_unlinks++] = words[0];
        return NULL;
}

static char *take_from_host(struct launch *launch, char **words) {
        (void) words;
        launch->from_host++;
        return NULL;
}

static char *take_remove(struct launch *launch, char **words) {
        launch->links = words;
        return NULL;
}

static char *take_exec(struct launch *launch, char **words) {
        launch->argv = words;
        return NULL;
}

#define ANY_NUMBER SIZE_MAX

static const struct verb {
        const char *name;
        size_t least, most; /* words after the verb */
        char *(*take)(struct launch *launch, char **words);
} verbs[] = {
        {"version", 1, 1, take_version},
        {"pod", 1, 1, take_pod},
        {"cgroup", 1, 1, take_cgroup},
        {"userns", 2, 2, take_userns},
        {"limit", 2, 2, take_limit},
        {"ulimit", 3, 3, take_ulimit},
        {"oom-score", 1, 1, take_oom_score},
        {"overlay", 3, 502, take_overlay},
        {"bind", 3, 4, take_bind},
        {"tmpfs", 3, 3, take_tmpfs},
        {"app", 4, 6, take_app},
        {"credential", 3, 3, take_credential},
        {"device", 5, 5, take_device},
        {"read-only", 1, 1, take_read_only},
        {"env", 1, 1, take_env},
        {"from-host", 2, 2, take_from_host},
        {"log-limit", 1, 1, take_log_limit},
        {"journal", 2, ANY_NUMBER, take_journal},
        {"journal-rate", 2, 2, take_journal_rate},
        {"exec", 1, ANY_NUMBER, take_exec},
        {"remove", 0, ANY_NUMBER, take_remove},
        {"netns", 1, 3, take_netns},
        {"link", 5, 5, take_link},
        {"address", 2, 2, take_address},
        {"route", 2, 2, take_route},
        {"sysctl", 2, 2, take_sysctl},
        {"rules", 4, 4, take_rules},
        {"unlink", 1, 1, take_unlink},
};

static char *take_record(struct launch *launch, char **words, size_t index) {
        size_t count = count_words(words);

        if (count == 0)
                return xasprintf("record %zu is empty", index + 1);
        if ((index == 0) != (strcmp(words[0], "version") == 0))
                return xasprintf("record %zu: the first record, and no other, is 'version'", index + 1);
        if (launch->argv)
                return xasprintf("record %zu: nothing may follow 'exec'", index + 1);
        for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
                if (strcmp(words[0], verbs[i].name) != 0)
                        continue;
                if (count - 1 < verbs[i].least || count - 1 > verbs[i].most)
                        return xasprintf("record %zu: '%s' with %zu words", index + 1, words[0], count - 1);
                return verbs[i].take(launch, words + 1);
        }
        return xasprintf("record %zu: '%s' is not known", index + 1, words[0]);
}

static char *check_maps(const struct launch *launch) {
        for (size_t i = 0; i < launch->n_mounts; i++) {
                const struct mount_spec *spec = &launch->mounts[i];
                AUTO_FREE char *map = spec->map ? make_map(spec->map, &launch->ids) : xstrdup("");

                if (spec->mapped && launch->ids.count == 0)
                        return xasprintf("bind of %s: 'idmap' needs a 'userns' record", spec->source);
                if (!map)
                        return xasprintf("bind of %s: '%s' is no map of ids", spec->source, spec->map);
        }
        return NULL;
}

static char *check_whole(const struct launch *launch) {
        size_t readers = 0;

        for (size_t i = 0; i < launch->n_apps; i++)
                readers += launch->apps[i].stdin_kind != STDIN_NONE;
        if (readers > 1)
                return xstrdup("more than one app reads the standard input");
        if (!launch->label)
                return xstrdup("there is no 'pod' record");
        if (!launch->argv)
                return xstrdup("there is no 'exec' record");
        if (launch->network != NETWORK_NEW &&
            launch->n_links + launch->n_addresses + launch->n_routes + launch->n_sysctls > 0)
                return xstrdup(
                        "interfaces and settings need a network namespace of the pod's own: 'netns new'");
        return NULL;
}

bool launch_has_terminal(const struct launch *launch) {
        for (size_t i = 0; i < launch->n_apps; i++)
                if (launch->apps[i].stdin_kind == STDIN_TTY)
                        return true;
        return false;
}

char *launch_parse(struct launch *launch, char *text, size_t size) {
        char *error;

        *launch = (struct launch){.log_limit = LOG_LIMIT_DEFAULT};
        if ((error = split_words(launch, text, size)))
                return error;
        /* No list can be longer than there are records. */
        launch->cgroups = xalloc(launch->n_records * sizeof(char *));
        launch->ulimits = xalloc(launch->n_records * sizeof(struct ulimit_spec));
        launch->limits = xalloc(launch->n_records * sizeof(struct limit_spec));
        launch->credentials = xalloc(launch->n_records * sizeof(struct credential_spec));
        launch->environment = xalloc((launch->n_records + 1) * sizeof(char *));
        launch->mounts = xalloc(launch->n_records * sizeof(struct mount_spec));
        launch->apps = xalloc(launch->n_records * sizeof(struct app_spec));
        launch->net_links = xalloc(launch->n_records * sizeof(struct link_spec));
        launch->addresses = xalloc(launch->n_records * sizeof(struct address_spec));
        launch->routes = xalloc(launch->n_records * sizeof(struct address_spec));
        launch->sysctls = xalloc(launch->n_records * sizeof(struct sysctl_spec));
        launch->journals = xalloc(launch->n_records * sizeof(struct journal_spec));
        launch->unlinks = xalloc(launch->n_records * sizeof(char *));
        char **words = launch->words;
        for (size_t index = 0; index < launch->n_records; index++) {
                if ((error = take_record(launch, words, index)))
                        return error;
                words += count_words(words) + 1;
        }
        if ((error = check_maps(launch)))
                return error;
        return check_whole(launch);
}
