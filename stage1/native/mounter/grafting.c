#include "grafting.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "basic/idmap.h"
#include "basic/passing.h"
#include "basic/util.h"

#define STAGE "/tmp" /* a place to mount, in a namespace that nobody else sees */

static int clone_at(int directory, const char *path, bool recursive) {
        unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
        return (int) syscall(SYS_open_tree, directory, path, flags);
}

/* Set-user-ID programs and devices of the host have no business in a pod. */
static void finish(int tree, const struct graft *graft) {
        struct mount_attr attributes = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                                    (graft->read_only ? MOUNT_ATTR_RDONLY : 0),
                                        .propagation = MS_PRIVATE};
        unsigned depth = graft->recursive ? AT_RECURSIVE : 0;

        if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | depth, &attributes, sizeof(attributes)) < 0)
                die_errno("cannot make %s what it is to be", graft->source);
        if (graft->users >= 0)
                map_tree(tree, graft->source, graft->recursive, graft->users);
}

/* When mounts cross into a mount namespace of a lesser user namespace the kernel locks their flags and what
 * is mounted on them: root of the pod can then neither make them writable nor look below. So the tree takes
 * a way through one: mounted in a namespace of ours, copied by unshare(2) into one of the pod's users, and
 * taken from there. */
static void lock_and_send(int tree, int users, bool recursive, const char *name, int socket)
        __attribute__((noreturn));

static void lock_and_send(int tree, int users, bool recursive, const char *name, int socket) {
        struct stat status;

        if (fstat(tree, &status) < 0 || unshare(CLONE_NEWNS) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", STAGE, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0 || chdir(STAGE) < 0)
                die_errno("cannot make a mount namespace of our own");
        if ((S_ISDIR(status.st_mode) ? mkdir("tree", 0755) : mknod("tree", S_IFREG | 0644, 0)) < 0 ||
            syscall(SYS_move_mount, tree, "", AT_FDCWD, "tree", MOVE_MOUNT_F_EMPTY_PATH) < 0)
                die_errno("cannot put %s aside", name);
        if (setns(users, CLONE_NEWUSER) < 0 || unshare(CLONE_NEWNS) < 0 || chdir(STAGE) < 0)
                die_errno("cannot join the pod's user namespace");
        /* It is as private as it was, or what the host mounts below it still comes in: nothing here is
         * shared. */
        int locked = clone_at(AT_FDCWD, "tree", recursive);
        if (locked < 0)
                die_errno("cannot lock %s", name);
        if (!send_descriptor(socket, locked))
                die_errno("cannot hand the mount over");
        _exit(0);
}

static int lock(int tree, int users, bool recursive, const char *name) {
        int ends[2], status;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
                die_errno("cannot make a socket");
        pid_t child = fork();
        if (child < 0)
                die_errno("cannot fork");
        if (child == 0)
                lock_and_send(tree, users, recursive, name, ends[1]);
        close(ends[1]);
        int locked = receive_descriptor(ends[0]);
        close(ends[0]);
        if (waitpid(child, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0 || locked < 0)
                exit(EXIT_RUNTIME); /* the child has said why */
        close(tree);
        return locked;
}

int take_graft(const struct graft *graft) {
        int tree = clone_at(AT_FDCWD, graft->source, graft->recursive);

        if (tree < 0 && (errno == ENOSYS || errno == EPERM))
                return -1;
        if (tree < 0)
                die_errno("cannot take %s", graft->source);
        finish(tree, graft);
        return graft->users >= 0 ? lock(tree, graft->users, graft->recursive, graft->source) : tree;
}

int lock_tree(int tree, int users, const char *name) {
        return lock(tree, users, true, name);
}

void attach_graft(int tree, int target, const char *name) {
        if (syscall(SYS_move_mount, tree, "", target, "",
                    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
                die_errno("cannot mount at %s", name);
}
