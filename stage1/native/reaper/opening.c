/* See reaper.h. */
#include <fcntl.h>

#include "basic/files.h"
#include "basic/util.h"
#include "reaper.h"

#define POLICY_MAX (1 << 20)

const char *environment(const char *name) {
        const char *value = getenv(name);
        return value ? value : "";
}

/* As an app's ExecStopPost we are in the pod's root but with the app's own mounts over it, its /run among
 * them. */
static void leave_mounts_of_app(const struct reaper *reaper) {
        if (!*reaper->root && (chroot("/proc/1/root") < 0 || chdir("/") < 0))
                die_errno("cannot enter the root of PID 1");
}

void open_status(struct reaper *reaper) {
        AUTO_FREE char *status = xasprintf("%s/pod/status", reaper->root);

        reaper->status_fd = open(status, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (reaper->status_fd < 0)
                die_errno("cannot open %s", status);
}

void open_records(struct reaper *reaper) {
        AUTO_FREE char *policy = xasprintf("%s/pod/etc/policy", reaper->root);

        leave_mounts_of_app(reaper);
        open_status(reaper);
        reaper->policy_text = read_file(AT_FDCWD, policy, NULL, POLICY_MAX);
        if (!reaper->policy_text)
                die_errno("cannot read %s", policy);
        policy_parse(&reaper->policy, reaper->policy_text);
}

void open_pod(struct reaper *reaper, const char *app) {
        open_records(reaper);
        reaper->app = app;
        if (!policy_find(&reaper->policy, app))
                die("policy: there is no app '%s'", app);
}
