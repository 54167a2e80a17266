#include "overlays.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "basic/util.h"
#include "targets.h"
#include "trees.h"

#define STAGE          "run/stage" /* where parts of overlays get short names, in our namespace only */
#define MOUNT_DATA_MAX 4096        /* the kernel takes one page of mount options */
#define PART_MAX       32

void open_stage(struct stage *stage, int userns_fd) {
        *stage = (struct stage){.userns_fd = userns_fd};
        stage->here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (stage->here < 0 || (mkdir(STAGE, 0700) < 0 && errno != EEXIST))
                die_errno("cannot make %s", STAGE);
        if (mount("tmpfs", STAGE, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
                die_errno("cannot mount a tmpfs at %s", STAGE);
        stage->fd = open(STAGE, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (stage->fd < 0)
                die_errno("cannot open %s", STAGE);
}

void close_stage(struct stage *stage) {
        if (umount2(STAGE, MNT_DETACH) < 0)
                die_errno("cannot take %s away", STAGE);
        close(stage->fd);
        close(stage->here);
        free(stage->parts);
}

/* The number of a part, which is its name in hexadecimal. */
static size_t stage_part(struct stage *stage, const char *path) {
        char name[PART_MAX];

        for (size_t i = 0; i < stage->n_parts; i++)
                if (strcmp(stage->parts[i], path) == 0)
                        return i;
        AUTO_CLOSE int tree = clone_tree(path, &(struct mount_spec){.recursive = false}, stage->userns_fd);
        snprintf(name, sizeof(name), "%zx", stage->n_parts);
        if (mkdirat(stage->fd, name, 0700) < 0)
                die_errno("cannot make %s/%s", STAGE, name);
        AUTO_CLOSE int place = openat(stage->fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (place < 0)
                die_errno("cannot open %s/%s", STAGE, name);
        attach_tree(tree, place, path, STAGE);
        stage->parts = xrealloc(stage->parts, (stage->n_parts + 1) * sizeof(*stage->parts));
        stage->parts[stage->n_parts] = path;
        return stage->n_parts++;
}

static char *overlay_options(struct stage *stage, const struct mount_spec *spec, size_t *n_lowers) {
        char *options;

        for (*n_lowers = 0; spec->lowers[*n_lowers];)
                ++*n_lowers;
        options = xalloc((*n_lowers + 2) * PART_MAX + 64);
        char *end = options + sprintf(options, "lowerdir=");
        for (size_t i = 0; i < *n_lowers; i++)
                end += sprintf(end, "%s%zx", i > 0 ? ":" : "", stage_part(stage, spec->lowers[i]));
        if (spec->source) {
                size_t data = stage_part(stage, spec->source);
                sprintf(end, ",upperdir=%zx/upper,workdir=%zx/work,index=off", data, data);
        }
        return options;
}

void make_overlay(struct stage *stage, const struct mount_spec *spec) {
        AUTO_CLOSE int target = open_target(spec->target, true);
        size_t n_lowers;
        char place[64];

        AUTO_FREE char *options = overlay_options(stage, spec, &n_lowers);
        if (strlen(options) >= MOUNT_DATA_MAX)
                die("%s has too many layers (%zu)", spec->target, n_lowers);
        snprintf(place, sizeof(place), "/proc/self/fd/%d", target);
        if (fchdir(stage->fd) < 0 || mount("overlay", place, "overlay", 0, options) < 0)
                die_errno("cannot mount the overlay at %s (upper %s/upper, %zu layers)", spec->target,
                          spec->source ? spec->source : "no", n_lowers);
        if (fchdir(stage->here) < 0)
                die_errno("cannot return to the pod directory");
}
