#include "inroot.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "files.h"
#include "util.h"

#define RENAMES_TO_OUTWAIT 64

int open_resolved(int at, const char *path, int flags, uint64_t resolve) {
        struct open_how how = {.flags = (unsigned) (flags | O_CLOEXEC), .resolve = resolve};
        int fd = -1;

        /* EAGAIN: a rename somewhere made the kernel unsure whether `..` still leads inside. */
        for (int i = 0; i < RENAMES_TO_OUTWAIT && fd < 0; i++) {
                fd = (int) syscall(SYS_openat2, at, path, &how, sizeof(how));
                if (fd < 0 && errno != EAGAIN)
                        break;
        }
        return fd;
}

int open_in_root(int root, const char *path, int flags) {
        return open_resolved(root, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

char *read_in_root(int root, const char *path, size_t max) {
        AUTO_CLOSE int fd = open_in_root(root, path, O_RDONLY | O_NOCTTY | O_NONBLOCK);
        struct stat status;

        if (fd < 0 || fstat(fd, &status) < 0)
                return NULL;
        if (!S_ISREG(status.st_mode)) {
                errno = EINVAL;
                return NULL;
        }
        AUTO_FREE char *self = xasprintf("/proc/self/fd/%d", fd);
        return read_file(AT_FDCWD, self, NULL, max);
}
