#include "invocation.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "basic/files.h"
#include "basic/times.h"
#include "basic/util.h"
#include "probe.h"

/* PID 1 makes this link anew each time it starts the unit. */
static char *invocation_link(const struct reaper *reaper) {
        return xasprintf("%s/run/systemd/units/invocation:app-%s.service", reaper->root, reaper->app);
}

void take_start_time(const struct reaper *reaper, struct record *record) {
        AUTO_FREE char *link = invocation_link(reaper);
        struct stat status;

        if (lstat(link, &status) == 0)
                format_time(record->started_at, &status.st_mtim, 6);
}

/* What the app's unit takes out of the app's environment is missing in ours too: then the link tells. */
char *invocation_id(const struct reaper *reaper) {
        AUTO_FREE char *link = invocation_link(reaper);
        const char *told = environment("INVOCATION_ID");
        char text[64];
        ssize_t size;

        if (*told)
                return xstrdup(told);
        size = readlink(link, text, sizeof(text) - 1);
        text[size > 0 ? size : 0] = '\0';
        return xstrdup(text);
}

/* The link is made when the unit leaves the state of being dead, and from systemd 254 on an automatic
 * restart does not let it get there: of a run that is not the first PID 1 knows more. */
char *take_run(const struct reaper *reaper, struct record *record) {
        struct timespec started;
        /* elsewhere than in a pod there is no PID 1 that would know */
        char *told = record->runs > 1 && !*reaper->root ? ask_run(reaper->app, &started) : NULL;

        if (told)
                format_time(record->started_at, &started, 6);
        else
                take_start_time(reaper, record);
        return told ? told : invocation_id(reaper);
}

/* Is this the run of the app that somebody asked to stop? */
bool is_held(const struct reaper *reaper, const char *invocation) {
        AUTO_FREE char *path = xasprintf("%s.held", reaper->app);
        AUTO_FREE char *held = read_file(reaper->status_fd, path, NULL, 64);

        return held && *invocation && strcmp(held, invocation) == 0;
}

bool is_stopping(const struct reaper *reaper, const char *invocation) {
        return faccessat(reaper->status_fd, "stopping", F_OK, 0) == 0 || is_held(reaper, invocation);
}
