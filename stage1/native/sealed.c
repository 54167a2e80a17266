#include "sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "util.h"

#define SELF  "/proc/self/exe"
#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static bool is_sealed(void) {
        AUTO_CLOSE int fd = open(SELF, O_RDONLY | O_CLOEXEC);
        struct statvfs status;
        int seals = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);

        if (fd < 0 || fstatvfs(fd, &status) < 0)
                die_errno("cannot look at this program");
        return status.f_flag & ST_RDONLY || (seals >= 0 && (seals & SEALS) == SEALS);
}

/* A mount of this one file, attached nowhere: through it the file cannot be opened for writing. */
static int clone_read_only(void) {
        struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE};
        AUTO_CLOSE int fd =
                (int) syscall(SYS_open_tree, AT_FDCWD, SELF, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

        if (fd < 0 || syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
                return -1;
        return take_fd(&fd);
}

/* A copy in memory that nobody can change any more. */
static int copy_to_memory(void) {
        AUTO_CLOSE int source = open(SELF, O_RDONLY | O_CLOEXEC);
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

void run_sealed(char **argv) {
        if (is_sealed())
                return;
        AUTO_CLOSE int fd = clone_read_only();
        if (fd < 0)
                fd = copy_to_memory();
        if (fd >= 0)
                (void) syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
        die_errno("cannot run from a copy that no pod can write to");
}
