#include "inroot.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "util.h"

#define RENAMES_TO_OUTWAIT 64

static int open_how(int root, const char *path, int flags, uint64_t resolve) {
        struct open_how how = {.flags = (unsigned) (flags | O_CLOEXEC), .resolve = resolve};
        int fd = -1;

        /* EAGAIN: a rename somewhere made the kernel unsure whether `..` still leads inside. */
        for (int i = 0; i < RENAMES_TO_OUTWAIT && fd < 0; i++) {
                fd = (int) syscall(SYS_openat2, root, path, &how, sizeof(how));
                if (fd < 0 && errno != EAGAIN)
                        break;
        }
        return fd;
}

int open_in_root(int root, const char *path, int flags) {
        return open_how(root, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
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

static int make_one(int parent, const char *name, bool directory) {
        int made = directory ? mkdirat(parent, name, 0755) : mknodat(parent, name, S_IFREG | 0644, 0);

        if (made < 0 && errno != EEXIST)
                return -1;
        return open_how(parent, name, O_PATH | O_NOFOLLOW | (directory ? O_DIRECTORY : 0),
                        RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

/* Whether path leads through no mount but the root's own. */
static bool stays_on_one_mount(int root, const char *path) {
        AUTO_CLOSE int fd =
                open_how(root, path, O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
        return fd >= 0;
}

static int step(int root, int parent, const char *so_far, const char *before, bool directory) {
        const char *name = strrchr(so_far, '/');
        int fd = open_in_root(root, so_far, O_PATH | (directory ? O_DIRECTORY : 0));

        if (fd >= 0 || errno != ENOENT)
                return fd;
        name = name ? name + 1 : so_far;
        if (strcmp(name, "..") == 0 || strcmp(name, ".") == 0)
                return -1;
        if (!stays_on_one_mount(root, before)) {
                errno = EXDEV;
                return -1;
        }
        return make_one(parent, name, directory);
}

int make_in_root(int root, const char *path, bool directory) {
        AUTO_FREE char *so_far = xstrdup(path);
        AUTO_FREE char *before = xstrdup("/");
        AUTO_CLOSE int parent = open_in_root(root, "/", O_PATH | O_DIRECTORY);
        char *part = so_far + strspn(so_far, "/");

        while (parent >= 0 && *part) {
                char *end = part + strcspn(part, "/"), kept = *end;
                bool last = end[strspn(end, "/")] == '\0';

                *end = '\0';
                int fd = step(root, parent, so_far, before, !last || directory);
                free(before);
                before = xstrdup(so_far);
                *end = kept;
                close(take_fd(&parent));
                parent = fd;
                part = end + strspn(end, "/");
        }
        return take_fd(&parent);
}
