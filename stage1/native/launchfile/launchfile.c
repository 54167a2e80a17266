#include "launchfile.h"

#include <fcntl.h>
#include <string.h>

#include "basic/files.h"
#include "basic/util.h"
#include "launch_records.h"

#define LAUNCH_MAX ((size_t) 4 << 20)

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

static char *take_env(struct launch *launch, char **words) {
        if (!strchr(words[0], '=') || words[0][0] == '=')
                return xasprintf("env '%s' is not KEY=VALUE", words[0]);
        if (strncmp(words[0], "NOTIFY_SOCKET=", 14) == 0)
                return xstrdup("env NOTIFY_SOCKET is the monitor's own");
        launch->environment[launch->n_environment++] = words[0];
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
        {"follow", 4, 4, take_follow},
        {"share", 4, 4, take_share},
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
        {"link", 5, 6, take_link},
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
        launch->follows = xalloc(launch->n_records * sizeof(struct mount_spec));
        launch->shares = xalloc(launch->n_records * sizeof(struct share_spec));
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

void read_launch(struct launch *launch) {
        size_t size;
        char *text = read_file(AT_FDCWD, "run/launch", &size, LAUNCH_MAX);
        char *error;

        if (!text)
                die_errno("cannot read run/launch");
        error = launch_parse(launch, text, size);
        if (error)
                die("run/launch: %s", error);
}
