/* Records of run/launch: the apps, their streams, logs, journal and credentials. */
#include <string.h>

#include "basic/util.h"
#include "launch_records.h"

#define APP_NAME_MAX      128
#define JOURNAL_FIELD_MAX 64
#define CREDENTIAL_ID_MAX 255

/* An app's name becomes part of file names and of the verdict's words. */
static bool is_name(const char *text, size_t most) {
        size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
        return length > 0 && length <= most && text[length] == '\0' && text[0] != '.';
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

char *take_app(struct launch *launch, char **words) {
        for (size_t i = 0; i < launch->n_apps; i++)
                if (strcmp(launch->apps[i].name, words[0]) == 0)
                        return xasprintf("app %s is there twice", words[0]);
        return app_spec_parse(&launch->apps[launch->n_apps++], words);
}

bool launch_has_terminal(const struct launch *launch) {
        for (size_t i = 0; i < launch->n_apps; i++)
                if (launch->apps[i].stdin_kind == STDIN_TTY)
                        return true;
        return false;
}

char *take_credential(struct launch *launch, char **words) {
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

char *take_log_limit(struct launch *launch, char **words) {
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

char *take_journal(struct launch *launch, char **words) {
        return journal_spec_parse(&launch->journals[launch->n_journals++], words);
}

char *take_journal_rate(struct launch *launch, char **words) {
        if (!parse_number(words[0], UINT32_MAX, &launch->journal_lines) ||
            !parse_number(words[1], 86400, &launch->journal_seconds) || launch->journal_seconds == 0)
                return xasprintf("journal-rate '%s %s' is not a number of lines and one of seconds",
                                 words[0], words[1]);
        return NULL;
}
