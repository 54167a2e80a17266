#include "procfiles.h"

#include <fcntl.h>
#include <unistd.h>

#include "basic/files.h"
#include "basic/util.h"

#define PROC_MAX ((size_t) 1 << 20)

char *read_proc(pid_t pid, const char *name) {
        AUTO_FREE char *path = xasprintf("/proc/%d/%s", (int) pid, name);
        return read_file(AT_FDCWD, path, NULL, PROC_MAX);
}

char *need_proc(pid_t pid, const char *name) {
        char *text = read_proc(pid, name);
        if (!text)
                die_errno("cannot read %s of process %d", name, (int) pid);
        return text;
}

int open_proc(pid_t pid, const char *name) {
        AUTO_FREE char *path = xasprintf("/proc/%d/%s", (int) pid, name);
        return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

const char *unified_place(void) {
        return access(CGROUPS "/cgroup.controllers", F_OK) == 0 ? CGROUPS : CGROUPS "/unified";
}
