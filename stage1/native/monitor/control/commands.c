#include "commands.h"

#include "attach.h"
#include "basic/util.h"
#include "monitor/streams/apps.h"
#include "monitor/streams/journal.h"

/* open NAME UID GID STDIN [STDOUT [STDERR]]: the streams of an app that is about to be added. */
static char *open_app(void *owner, struct control_request *request) {
        return apps_add(owner, request->words);
}

/* journal NAME FIELD=VALUE…: what the entries of such an app say in the host's journal. */
static char *send_app(void *owner, struct control_request *request) {
        struct journal_spec spec;
        char *error = journal_spec_parse(&spec, request->words);

        (void) owner;
        if (!error)
                journal_add(&spec);
        return error;
}

/* close NAME: the app is gone, or was never started. */
static char *close_app(void *owner, struct control_request *request) {
        apps_remove(owner, request->words[0]);
        return NULL;
}

/* attach NAME, with a socket: see attach.h. */
static char *attach_to_app(void *owner, struct control_request *request) {
        return attach_client(owner, request);
}

const struct control_verb commands[] = {
        {"open", 4, 6, open_app},
        {"journal", 2, SIZE_MAX, send_app},
        {"attach", 1, 1, attach_to_app},
        {"close", 1, 1, close_app},
        {},
};
