#include "remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "basic/util.h"

#define DEPTH_MAX 32 /* deeper directories are moved up first: an app may have made any depth */

/* Opens a directory to empty it: no link, and nothing mounted from elsewhere. */
static int open_inside(int parent_fd, const char *name) {
        struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                               .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH};
        return (int) syscall(SYS_openat2, parent_fd, name, &how, sizeof(how));
}

static int remove_entry(int top_fd, int parent_fd, const char *name, unsigned depth);

static int empty_directory(int top_fd, int fd, unsigned depth) {
        DIR *directory = fdopendir(fd);
        struct dirent *entry;
        int result = 0;

        if (!directory) {
                close(fd);
                return -errno;
        }
        while ((entry = readdir(directory))) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                int removed = remove_entry(top_fd, dirfd(directory), entry->d_name, depth);
                if (removed < 0 && result == 0)
                        result = removed;
        }
        (void) closedir(directory);
        return result;
}

static int move_up(int top_fd, int parent_fd, const char *name) {
        static unsigned counter;
        char moved[32];

        do
                snprintf(moved, sizeof(moved), ".moved-%u", counter++);
        while (faccessat(top_fd, moved, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
        return renameat(parent_fd, name, top_fd, moved) < 0 ? -errno : 0;
}

static int remove_entry(int top_fd, int parent_fd, const char *name, unsigned depth) {
        int fd, result;

        if (unlinkat(parent_fd, name, 0) == 0)
                return 0;
        if (errno == ENOENT)
                return 0; /* a command that was detached has just put its result in place */
        if (errno != EISDIR)
                return -errno;
        if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0)
                return 0;
        if (depth >= DEPTH_MAX)
                return move_up(top_fd, parent_fd, name);
        fd = open_inside(parent_fd, name);
        if (fd < 0)
                return -errno;
        result = empty_directory(top_fd, fd, depth + 1);
        if (result == 0 && unlinkat(parent_fd, name, AT_REMOVEDIR) < 0)
                result = -errno;
        return result;
}

/* The last part of the current directory's path. */
static char *own_name(void) {
        AUTO_FREE char *path = getcwd(NULL, 0);
        struct stat here, named;
        char *name = path ? strrchr(path, '/') : NULL;

        if (!name || !name[1])
                die_errno("cannot tell the pod directory's name");
        AUTO_FREE char *beside = xasprintf("../%s", name + 1);
        if (stat(".", &here) < 0 || lstat(beside, &named) < 0 || here.st_ino != named.st_ino ||
            here.st_dev != named.st_dev)
                die("the pod directory is not at its place any more, so it stays");
        return xstrdup(name + 1);
}

/* Nothing is synced: who comes back after a power cut is a pod that has ended, as others that ran then. */
static void move_to_garbage(const char *name) {
        AUTO_FREE char *from = xasprintf("../%s", name);
        AUTO_FREE char *to = xasprintf("../../garbage/%s", name);

        if (mkdir("../../garbage", 0700) < 0 && errno != EEXIST)
                die_errno("cannot make the garbage directory");
        if (rename(from, to) < 0)
                die_errno("cannot move the pod to the garbage");
}

void remove_pod(char **links) {
        AUTO_FREE char *name = own_name();
        AUTO_FREE char *path = xasprintf("../%s", name);
        AUTO_CLOSE int top = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int result;

        for (; *links; links++)
                /* a directory goes if it is empty */
                if (unlink(*links) < 0 && errno != ENOENT && (errno != EISDIR || rmdir(*links) < 0) &&
                    errno != ENOTEMPTY)
                        warn("cannot remove %s: %s", *links, strerror(errno));
        move_to_garbage(name);
        /* What was too deep lies at the top now, for the next turn. */
        do {
                int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                result = fd < 0 ? -errno : empty_directory(top, fd, 0);
                if (result == 0)
                        result = rmdir(path) < 0 ? -errno : 1;
        } while (result == -ENOTEMPTY);
        if (result < 0)
                warn("cannot delete all of the pod, the rest is in garbage/%s: %s", name, strerror(-result));
}
