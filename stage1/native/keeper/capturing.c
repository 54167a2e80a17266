#include "capturing.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/util.h"

#define KNOWN_FLAGS ((unsigned) SECCOMP_FILTER_FLAG_LOG)

/* Index 0 is the oldest filter, whatever ptrace(2) says. False when there is none of this index. */
static bool take_one(struct filters *filters, pid_t pid, unsigned index) {
        void *address = (void *) (uintptr_t) index;
        long length = ptrace(PTRACE_SECCOMP_GET_FILTER, pid, address, NULL);
        struct __ptrace_seccomp_metadata metadata = {.filter_off = index};
        struct sock_fprog *program = &filters->programs[index];

        if (length < 0 && errno == ENOENT)
                return false;
        if (length <= 0 || length > BPF_MAXINSNS || index >= FILTERS_MAX)
                die_errno("cannot read the system call filters of process %d", (int) pid);
        program->len = (unsigned short) length;
        program->filter = xalloc((size_t) length * sizeof(*program->filter));
        if (ptrace(PTRACE_SECCOMP_GET_FILTER, pid, address, program->filter) < 0)
                die_errno("cannot read system call filter %u", index);
        if (ptrace(PTRACE_SECCOMP_GET_METADATA, pid, (void *) sizeof(metadata), &metadata) > 0)
                filters->flags[index] = (unsigned) metadata.flags & KNOWN_FLAGS;
        return true;
}

void filters_take(struct filters *filters, pid_t pid) {
        filters_make_room(filters);
        if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0 ||
            waitpid(pid, NULL, __WALL) < 0)
                die_errno("cannot stop process %d to read its system call filters", (int) pid);
        while (take_one(filters, pid, filters->count))
                filters->count++;
        (void) ptrace(PTRACE_DETACH, pid, NULL, NULL);
}

static void put(int fd, const void *data, size_t size) {
        int result = write_all(fd, data, size);

        errno = -result;
        if (result < 0)
                die_errno("cannot write the system call filters");
}

void filters_write(const struct filters *filters, const char *path) {
        AUTO_FREE char *beside = xasprintf("%s.%d~", path, (int) getpid());
        AUTO_CLOSE int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        uint32_t head[2] = {filters->n_base, filters->count};

        if (fd < 0)
                die_errno("cannot make %s", beside);
        put(fd, FILTERS_MAGIC, FILTERS_MAGIC_SIZE);
        put(fd, head, sizeof(head));
        for (unsigned i = 0; i < filters->count; i++) {
                uint32_t one[2] = {filters->programs[i].len, filters->flags[i]};
                put(fd, one, sizeof(one));
                put(fd, filters->programs[i].filter, one[0] * sizeof(struct sock_filter));
        }
        if (rename(beside, path) < 0)
                die_errno("cannot make %s", path);
}
