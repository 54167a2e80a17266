#include "filters.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "util.h"

#define FILE_MAX    ((size_t) 16 << 20)
#define FILTERS_MAX 256
#define PROGRAM_MAX BPF_MAXINSNS
#define KNOWN_FLAGS ((unsigned) SECCOMP_FILTER_FLAG_LOG)

static const char magic[8] = "podflt1";

static void make_room(struct filters *filters) {
        filters->programs = xalloc(FILTERS_MAX * sizeof(*filters->programs));
        filters->flags = xalloc(FILTERS_MAX * sizeof(*filters->flags));
}

/* Index 0 is the oldest filter, whatever ptrace(2) says. False when there is none of this index. */
static bool take_one(struct filters *filters, pid_t pid, unsigned index) {
        void *address = (void *) (uintptr_t) index;
        long length = ptrace(PTRACE_SECCOMP_GET_FILTER, pid, address, NULL);
        struct __ptrace_seccomp_metadata metadata = {.filter_off = index};
        struct sock_fprog *program = &filters->programs[index];

        if (length < 0 && errno == ENOENT)
                return false;
        if (length <= 0 || length > PROGRAM_MAX || index >= FILTERS_MAX)
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
        make_room(filters);
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
        put(fd, magic, sizeof(magic));
        put(fd, head, sizeof(head));
        for (unsigned i = 0; i < filters->count; i++) {
                uint32_t one[2] = {filters->programs[i].len, filters->flags[i]};
                put(fd, one, sizeof(one));
                put(fd, filters->programs[i].filter, one[0] * sizeof(struct sock_filter));
        }
        if (rename(beside, path) < 0)
                die_errno("cannot make %s", path);
}

/* The next size bytes, or NULL where the file is shorter. */
static const void *next_bytes(const char **next, const char *end, size_t size) {
        const char *start = *next;

        if ((size_t) (end - start) < size)
                return NULL;
        *next = start + size;
        return start;
}

void filters_read(struct filters *filters, const char *path) {
        size_t size;
        char *text = read_file(AT_FDCWD, path, &size, FILE_MAX);
        const char *next = text, *end = text ? text + size : NULL;
        const void *mark = text ? next_bytes(&next, end, sizeof(magic)) : NULL, *words;
        uint32_t head[2] = {0, UINT32_MAX}, one[2];

        if (!text)
                die_errno("cannot read the system call filters in %s", path);
        if (mark && memcmp(mark, magic, sizeof(magic)) == 0 &&
            (words = next_bytes(&next, end, sizeof(head))))
                memcpy(head, words, sizeof(head));
        make_room(filters);
        for (filters->n_base = head[0]; head[1] <= FILTERS_MAX && filters->count < head[1];
             filters->count++) {
                if (!(words = next_bytes(&next, end, sizeof(one))))
                        break;
                memcpy(one, words, sizeof(one));
                const void *program = one[0] > 0 && one[0] <= PROGRAM_MAX && !(one[1] & ~KNOWN_FLAGS)
                                              ? next_bytes(&next, end, one[0] * sizeof(struct sock_filter))
                                              : NULL;
                if (!program)
                        break;
                filters->programs[filters->count] = (struct sock_fprog){
                        .len = (unsigned short) one[0], .filter = (void *) (uintptr_t) program};
                filters->flags[filters->count] = one[1];
        }
        if (filters->count != head[1] || next != end || filters->n_base > filters->count)
                die("%s is damaged; remove it, it will be made again", path);
}

void filters_install(const struct filters *filters, unsigned first, unsigned last) {
        for (unsigned i = first; i < last; i++)
                if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, filters->flags[i], &filters->programs[i]) <
                    0)
                        die_errno("cannot install system call filter %u", i);
}
