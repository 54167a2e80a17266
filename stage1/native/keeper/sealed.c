#include "sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "basic/util.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

int clone_read_only(const char *path, uint64_t more) {
        struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | more, .propagation = MS_PRIVATE};
        AUTO_CLOSE int fd =
                (int) syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

        if (fd < 0 || syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
                return -1;
        return take_fd(&fd);
}

static int copy_to_memory(const char *path) {
        AUTO_CLOSE int source = open(path, O_RDONLY | O_CLOEXEC);
        AUTO_CLOSE int copy = memfd_create("enter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        struct stat status;

        if (source < 0 || copy < 0 || fstat(source, &status) < 0)
                return -1;
        for (off_t done = 0; done < status.st_size;) {
                ssize_t sent = sendfile(copy, source, &done, (size_t) (status.st_size - done));
                if (sent <= 0)
                        return -1;
        }
        return fcntl(copy, F_ADD_SEALS, SEALS) < 0 ? -1 : take_fd(&copy);
}

/* By the link, since the path we were called by need not lead here. */
static char *path_beside(const char *program) {
        char self[PATH_MAX];
        ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);

        if (size <= 0)
                die_errno("cannot tell where this program lies");
        self[size] = '\0';
        return xasprintf("%.*s%s", (int) (strrchr(self, '/') - self + 1), self, program);
}

int open_sealed(const char *program) {
        AUTO_FREE char *path = path_beside(program);
        int fd = clone_read_only(path, 0);

        if (fd < 0)
                fd = copy_to_memory(path);
        if (fd < 0)
                die_errno("cannot make a copy of %s that no pod can write to", path);
        return fd;
}
