#include "tools.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "basic/util.h"

/* One /usr holds everything on the systems we know; what leads there by a link leads there here too. */
static const char *const links[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};
static const char *const mounts[] = {"proc", "sys", "dev", "tmp"};

static void attach(int tree, const char *place) {
        if (mkdir(place, 0755) < 0 && errno != EEXIST)
                die_errno("cannot make /%s", place);
        if (syscall(SYS_move_mount, tree, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                die_errno("cannot mount /%s", place);
}

static int clone_from(int directory, const char *path) {
        unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW |
                         (*path ? 0 : AT_EMPTY_PATH);
        return (int) syscall(SYS_open_tree, directory, path, flags);
}

void make_tool_root(int tools, int app_root) {
        if (fchdir(app_root) < 0 || chroot(".") < 0)
                die_errno("cannot enter the root");
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
                die_errno("cannot make a mount namespace for the host's tools");
        /* Root of the host has no number in a user namespace, and could make nothing there. */
        if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
                die_errno("cannot become root of the pod");
        AUTO_CLOSE int app = clone_from(AT_FDCWD, "/");
        if (app < 0)
                die_errno("cannot take the app's root");
        if (mount("tmpfs", "/", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m") < 0 || chdir("/") < 0)
                die_errno("cannot make a root for the host's tools");
        /* The new file system lies over the old root; `..` of the root is what lies on top. */
        if (chdir("/..") < 0 || chroot(".") < 0)
                die_errno("cannot enter the root of the host's tools");
        attach(tools, "usr");
        attach(app, "app");
        for (size_t i = 0; i < ARRAY_LEN(links); i++) {
                AUTO_FREE char *target = xasprintf("usr/%s", links[i]);
                if (symlink(target, links[i]) < 0)
                        die_errno("cannot make /%s", links[i]);
        }
        for (size_t i = 0; i < ARRAY_LEN(mounts); i++) {
                AUTO_FREE char *source = xasprintf("app/%s", mounts[i]);
                AUTO_CLOSE int tree = clone_from(AT_FDCWD, source);
                if (tree >= 0)
                        attach(tree, mounts[i]);
        }
        if (chdir("/app") < 0)
                die_errno("cannot enter /app");
}
