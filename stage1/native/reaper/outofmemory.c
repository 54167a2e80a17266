#include "outofmemory.h"

#include <fcntl.h>
#include <string.h>

#include "basic/files.h"
#include "basic/util.h"

#define OOM_CONTROL_MAX 4096

/* cgroup v1: the kernel counts whom it killed for want of memory in the pod's own group, which is there only
 * if the pod's memory is limited. systemd sees no more than SIGKILL then. Each kill is given to one app. */
bool was_out_of_memory(const struct reaper *reaper, const struct record *record) {
        AUTO_FREE char *path = xasprintf("%s/pod/oom_control", reaper->root);
        uint64_t kills = 0, given = 0;

        if (strcmp(record->signal, "KILL") != 0 || strcmp(record->reason, "signal") != 0)
                return false;
        AUTO_FREE char *text = read_file(AT_FDCWD, path, NULL, OOM_CONTROL_MAX);
        AUTO_FREE char *told = read_file(reaper->status_fd, "oom-kills", NULL, OOM_CONTROL_MAX);
        char *count = text ? strstr(text, "oom_kill ") : NULL;
        if (!count)
                return false;
        kills = strtoull(count + strlen("oom_kill "), NULL, 10);
        given = told ? strtoull(told, NULL, 10) : 0;
        if (kills <= given)
                return false;
        AUTO_FREE char *next = xasprintf("%llu\n", (unsigned long long) given + 1);
        (void) write_file(reaper->status_fd, "oom-kills", next);
        return true;
}
