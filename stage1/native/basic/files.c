#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "util.h"

/* Writes text beside path under a name no other process uses, which the caller then puts in its place. */
static int write_beside(int dir_fd, const char *path, const char *text, char **beside) {
        AUTO_CLOSE int fd = -1;
        unsigned unique;
        int result;

        /* Not the PID: the monitor's and a reaper's come from different namespaces, and may be the same. */
        if (getrandom(&unique, sizeof(unique), 0) != (ssize_t) sizeof(unique))
                return -EIO;
        *beside = xasprintf("%s.%08x~", path, unique);
        fd = openat(dir_fd, *beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        result = write_all(fd, text, strlen(text));
        if (result < 0)
                (void) unlinkat(dir_fd, *beside, 0);
        return result;
}

int write_file(int dir_fd, const char *path, const char *text) {
        AUTO_FREE char *beside = NULL;
        int result = write_beside(dir_fd, path, text, &beside);

        if (result < 0)
                return result;
        if (renameat(dir_fd, beside, dir_fd, path) < 0) {
                result = -errno;
                (void) unlinkat(dir_fd, beside, 0);
        }
        return result;
}

int create_file(int dir_fd, const char *path, const char *text) {
        AUTO_FREE char *beside = NULL;
        int result = write_beside(dir_fd, path, text, &beside);

        if (result < 0)
                return result;
        if (linkat(dir_fd, beside, dir_fd, path, 0) < 0)
                result = -errno;
        (void) unlinkat(dir_fd, beside, 0);
        return result;
}

int append_file(int dir_fd, const char *path, const char *text, off_t limit) {
        AUTO_CLOSE int fd =
                openat(dir_fd, path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
        struct stat status;

        if (fd < 0 || fstat(fd, &status) < 0)
                return -errno;
        if (limit > 0 && status.st_size + (off_t) strlen(text) > limit)
                return -EFBIG;
        return write_all(fd, text, strlen(text));
}

int make_dirs(const char *path, mode_t mode) {
        AUTO_FREE char *copy = xstrdup(path);

        for (char *slash = strchr(copy + 1, '/');; slash = strchr(slash + 1, '/')) {
                if (slash)
                        *slash = '\0';
                if (mkdir(copy, mode) < 0 && errno != EEXIST)
                        return -errno;
                if (!slash)
                        return 0;
                *slash = '/';
        }
}

static char *read_descriptor(int fd, size_t *size, size_t max) {
        AUTO_FREE char *data = NULL;
        size_t used = 0, room = 0;
        ssize_t got;

        do {
                if (room - used < 2048)
                        data = xrealloc(data, room = room ? room * 2 : 4096);
                got = read(fd, data + used, room - used - 1);
                if (got < 0)
                        return NULL;
                used += (size_t) got;
                if (used > max) {
                        errno = EFBIG;
                        return NULL;
                }
        } while (got > 0);
        data[used] = '\0';
        if (size)
                *size = used;
        char *whole = data;
        data = NULL;
        return whole;
}

char *read_file(int dir_fd, const char *path, size_t *size, size_t max) {
        AUTO_CLOSE int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        return fd < 0 ? NULL : read_descriptor(fd, size, max);
}

bool same_file(const struct stat *one, const struct stat *other) {
        return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

bool is_same_file(int one, int other) {
        struct stat first, second;

        return fstat(one, &first) == 0 && fstat(other, &second) == 0 && same_file(&first, &second);
}
