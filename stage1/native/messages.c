#include "messages.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "notify.h"
#include "util.h"

#define SUFFIX      ".message"
#define MESSAGE_MAX 4096

static void pass_on(const char *file) {
        size_t length = strlen(file), suffix = strlen(SUFFIX);
        AUTO_FREE char *path = xasprintf("run/status/%s", file);
        AUTO_FREE char *text = NULL;

        if (length <= suffix || strcmp(file + length - suffix, SUFFIX) != 0)
                return;
        text = read_file(AT_FDCWD, path, NULL, MESSAGE_MAX);
        if (!text)
                return;
        text[strcspn(text, "\n")] = '\0';
        AUTO_FREE char *notice = xasprintf("STATUS=%.*s: %s", (int) (length - suffix), file, text);
        if (*text)
                notify_send(notice);
}

static void messages_ready(struct source *source, short events) {
        char data[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
        ssize_t got;

        (void) events;
        while ((got = read(source->fd, data, sizeof(data))) > 0)
                for (const char *at = data; at < data + got;) {
                        const struct inotify_event *event = (const void *) at;
                        if (event->len > 0)
                                pass_on(event->name);
                        at += sizeof(*event) + event->len;
                }
}

void messages_open(struct source *source) {
        *source = (struct source){.fd = -1, .ready = messages_ready, .owner = source};
        if (!getenv("NOTIFY_SOCKET"))
                return;
        source->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (source->fd < 0 || inotify_add_watch(source->fd, "run/status", IN_MOVED_TO) < 0)
                die_errno("cannot watch run/status");
        source->events = POLLIN;
        add_source(source);
}
