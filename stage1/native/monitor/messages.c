#include "messages.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "basic/files.h"
#include "basic/notify.h"
#include "basic/times.h"
#include "basic/util.h"

#define SUFFIX      ".message"
#define RELOADING   ".reloading"
#define MESSAGE_MAX 4096

static bool ends_with(const char *text, const char *end) {
        size_t length = strlen(text), wanted = strlen(end);

        return length > wanted && strcmp(text + length - wanted, end) == 0;
}

static void pass_on(const char *file) {
        size_t length = strlen(file), suffix = strlen(SUFFIX);
        AUTO_FREE char *path = xasprintf("run/status/%s", file);
        AUTO_FREE char *text = NULL;

        if (!ends_with(file, SUFFIX))
                return;
        text = read_file(AT_FDCWD, path, NULL, MESSAGE_MAX);
        if (!text)
                return;
        text[strcspn(text, "\n")] = '\0';
        AUTO_FREE char *notice = xasprintf("STATUS=%.*s: %s", (int) (length - suffix), file, text);
        if (*text)
                notify_send(notice);
}

static bool an_app_reloads(void) {
        DIR *directory = opendir("run/status");
        struct dirent *entry;
        bool found = false;

        if (!directory)
                return false;
        while (!found && (entry = readdir(directory)))
                found = ends_with(entry->d_name, RELOADING);
        (void) closedir(directory);
        return found;
}

/* To the host the pod reloads while one of its apps does. Before it is ready the host has nothing to reload.
 */
static void tell_reloading(void) {
        static bool told;
        bool reloading = an_app_reloads();

        if (reloading == told || access("run/ready", F_OK) < 0)
                return;
        told = reloading;
        struct timespec now = time_now(CLOCK_MONOTONIC);
        AUTO_FREE char *begin = xasprintf("RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                                          (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000);
        notify_send(reloading ? begin : "READY=1");
}

static void messages_ready(struct source *source, short events) {
        char data[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
        ssize_t got;

        (void) events;
        while ((got = read(source->fd, data, sizeof(data))) > 0)
                for (const char *at = data; at < data + got;) {
                        const struct inotify_event *event = (const void *) at;
                        if (event->len > 0 && ends_with(event->name, RELOADING))
                                tell_reloading();
                        else if (event->len > 0)
                                pass_on(event->name);
                        at += sizeof(*event) + event->len;
                }
}

void messages_open(struct source *source) {
        *source = (struct source){.fd = -1, .ready = messages_ready, .owner = source};
        if (!getenv("NOTIFY_SOCKET"))
                return;
        source->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (source->fd < 0 || inotify_add_watch(source->fd, "run/status", IN_MOVED_TO | IN_DELETE) < 0)
                die_errno("cannot watch run/status");
        source->events = POLLIN;
        add_source(source);
}
