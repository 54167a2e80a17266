#include "sentence.h"

#include <string.h>

#include "basic/util.h"

static char *printable(const char *text) {
        char *copy = xstrdup(text);
        make_printable(copy);
        return copy;
}

static const struct {
        const char *reason, *sentence;
} sentences[] = {
        {"exited", ""},
        {"oom-kill", "ran out of memory and was killed"},
        {"timeout", "took too long and was ended"},
        {"stop-timeout", "did not stop in time and was killed"},
        {"watchdog", "sent no sign of life in time and was ended"},
        {"no-such-user", "its user does not exist"},
        {"no-such-group", "its group does not exist"},
        {"no-rootfs", "its root file system could not be set up"},
        {"no-workdir", "its working directory cannot be entered"},
        {"no-label", "the host does not know its security label"},
        {"dependency", "not started, because an app it requires failed"},
        {"start-limit", "started too often"},
        {"hook-failed", "a command before or after its start failed"},
};

static char *plain_sentence(const struct record *record, const char *program, const char *missing) {
        AUTO_FREE char *name = printable(program);
        AUTO_FREE char *who = printable(missing);

        if (*who && strcmp(record->reason, "no-such-user") == 0)
                return xasprintf("its user %s does not exist", who);
        if (*who && strcmp(record->reason, "no-such-group") == 0)
                return xasprintf("its group %s does not exist", who);
        for (size_t i = 0; i < ARRAY_LEN(sentences); i++)
                if (strcmp(record->reason, sentences[i].reason) == 0)
                        return xstrdup(sentences[i].sentence);
        if (record->signal[0])
                return xasprintf("killed by SIG%s%s", record->signal, record->core ? " (core dumped)" : "");
        if (strcmp(record->reason, "not-found") == 0)
                return xasprintf("program %s not found", name);
        if (strcmp(record->reason, "cannot-execute") == 0)
                return xasprintf("program %s cannot be executed", name);
        if (strcmp(record->reason, "stopped") == 0)
                return xstrdup("");
        return xasprintf("failed (%s)", record->result);
}

char *record_sentence(const struct record *record, const char *program, const char *missing, bool gave_up) {
        char *sentence = plain_sentence(record, program, missing);

        if (gave_up && record->runs > 1) {
                AUTO_FREE char *first = sentence;
                return xasprintf("%s%sgiven up after %lu runs", first, *first ? ", " : "", record->runs);
        }
        return sentence;
}
