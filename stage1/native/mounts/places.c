#include "places.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>

#include "basic/inroot.h"
#include "basic/util.h"

#define LINKS_MAX 40

/* A path that is being walked: what is behind is real, what is ahead is still text. */
struct walk {
        char real[PATH_MAX];
        char ahead[PATH_MAX];
        unsigned links;
};

int open_place(int root, const char *real, int flags) {
        return open_resolved(root, *real ? real : "/", flags, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
}

static int too_long(void) {
        errno = ENAMETOOLONG;
        return -1;
}

/* What a link says comes before the rest of the way; an absolute one starts at the root again. */
static int follow(struct walk *walk, const char *text) {
        char rest[PATH_MAX];

        if (++walk->links > LINKS_MAX) {
                errno = ELOOP;
                return -1;
        }
        strcpy(rest, walk->ahead);
        if (strlen(text) + strlen(rest) + 2 > sizeof(walk->ahead))
                return too_long();
        strcpy(walk->ahead, text);
        strcat(strcat(walk->ahead, "/"), rest);
        if (text[0] == '/')
                walk->real[0] = '\0';
        return 0;
}

/* One name further, which is already taken from what is ahead. */
static int advance(struct walk *walk, int root, const char *name) {
        size_t behind = strlen(walk->real);
        char text[PATH_MAX];

        if (strcmp(name, "..") == 0) {
                char *slash = strrchr(walk->real, '/');
                if (slash)
                        *slash = '\0';
                return 0;
        }
        if (behind + strlen(name) + 2 > sizeof(walk->real))
                return too_long();
        strcat(strcat(walk->real, "/"), name);
        AUTO_CLOSE int fd = open_place(root, walk->real, O_PATH | O_NOFOLLOW);
        if (fd < 0)
                return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
        ssize_t length = readlinkat(fd, "", text, sizeof(text) - 1);
        if (length < 0)
                return 0; /* no link */
        text[length] = '\0';
        walk->real[behind] = '\0';
        return follow(walk, text);
}

char *real_place(int root, const char *path) {
        struct walk walk = {.links = 0};
        char name[NAME_MAX + 1];

        if (strlen(path) >= sizeof(walk.ahead)) {
                errno = ENAMETOOLONG;
                return NULL;
        }
        strcpy(walk.ahead, path);
        for (;;) {
                char *start = walk.ahead + strspn(walk.ahead, "/");
                size_t length = strcspn(start, "/");
                if (length == 0)
                        return xstrdup(*walk.real ? walk.real : "/");
                if (length > NAME_MAX) {
                        errno = ENAMETOOLONG;
                        return NULL;
                }
                memcpy(name, start, length);
                name[length] = '\0';
                memmove(walk.ahead, start + length, strlen(start + length) + 1);
                if (strcmp(name, ".") != 0 && advance(&walk, root, name) < 0)
                        return NULL;
        }
}

static int make_one(int parent, const char *name, bool directory) {
        int made = directory ? mkdirat(parent, name, 0755) : mknodat(parent, name, S_IFREG | 0644, 0);

        if (made < 0 && errno != EEXIST)
                return -1;
        return open_resolved(parent, name, O_PATH | O_NOFOLLOW | (directory ? O_DIRECTORY : 0),
                             RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

/* Whether path leads through no mount but the root's own. */
static bool stays_on_one_mount(int root, const char *path) {
        AUTO_CLOSE int fd =
                open_resolved(root, path, O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
        return fd >= 0;
}

/* The next part of a path, made if it is missing; `before` is the path without it. */
static int step(int root, int parent, const char *so_far, const char *before, enum make what) {
        const char *name = strrchr(so_far, '/');
        int fd = open_in_root(root, so_far, O_PATH | (what & MAKE_DIRECTORY ? O_DIRECTORY : 0));

        if (fd >= 0 || errno != ENOENT)
                return fd;
        name = name ? name + 1 : so_far;
        if (strcmp(name, "..") == 0 || strcmp(name, ".") == 0)
                return -1;
        if (what & MAKE_ON_ONE_MOUNT && !stays_on_one_mount(root, before)) {
                errno = EXDEV;
                return -1;
        }
        return make_one(parent, name, what & MAKE_DIRECTORY);
}

int make_in_root(int root, const char *path, enum make what) {
        AUTO_FREE char *so_far = xstrdup(path);
        AUTO_FREE char *before = xstrdup("/");
        AUTO_CLOSE int parent = open_in_root(root, "/", O_PATH | O_DIRECTORY);
        char *part = so_far + strspn(so_far, "/");
        int there = open_in_root(root, path, O_PATH | (what & MAKE_DIRECTORY ? O_DIRECTORY : 0));

        if (there >= 0 || errno != ENOENT)
                return there;
        while (parent >= 0 && *part) {
                char *end = part + strcspn(part, "/"), kept = *end;
                bool last = end[strspn(end, "/")] == '\0';

                *end = '\0';
                int fd = step(root, parent, so_far, before, last ? what : what | MAKE_DIRECTORY);
                free(before);
                before = xstrdup(so_far);
                *end = kept;
                close(take_fd(&parent));
                parent = fd;
                part = end + strspn(end, "/");
        }
        return take_fd(&parent);
}
