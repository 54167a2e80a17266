#include "filters.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "basic/files.h"
#include "basic/util.h"

#define FILE_MAX    ((size_t) 16 << 20)
#define KNOWN_FLAGS ((unsigned) SECCOMP_FILTER_FLAG_LOG)

void filters_make_room(struct filters *filters) {
        filters->programs = xalloc(FILTERS_MAX * sizeof(*filters->programs));
        filters->flags = xalloc(FILTERS_MAX * sizeof(*filters->flags));
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
        const void *mark = text ? next_bytes(&next, end, FILTERS_MAGIC_SIZE) : NULL, *words;
        uint32_t head[2] = {0, UINT32_MAX}, one[2];

        if (!text)
                die_errno("cannot read the system call filters in %s", path);
        if (mark && memcmp(mark, FILTERS_MAGIC, FILTERS_MAGIC_SIZE) == 0 &&
            (words = next_bytes(&next, end, sizeof(head))))
                memcpy(head, words, sizeof(head));
        filters_make_room(filters);
        for (filters->n_base = head[0]; head[1] <= FILTERS_MAX && filters->count < head[1];
             filters->count++) {
                if (!(words = next_bytes(&next, end, sizeof(one))))
                        break;
                memcpy(one, words, sizeof(one));
                const void *program = one[0] > 0 && one[0] <= BPF_MAXINSNS && !(one[1] & ~KNOWN_FLAGS)
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
