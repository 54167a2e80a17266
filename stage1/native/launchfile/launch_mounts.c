/* Records of run/launch: what is mounted, and devices. */
#include <string.h>
#include <sys/mount.h>

#include "basic/idmap.h"
#include "basic/util.h"
#include "launch_records.h"

char *take_overlay(struct launch *launch, char **words) {
        bool writable = strcmp(words[1], "-") != 0;

        launch->mounts[launch->n_mounts++] = (struct mount_spec){.kind = MOUNT_OVERLAY,
                                                                 .target = words[0],
                                                                 .source = writable ? words[1] : NULL,
                                                                 .lowers = words + 2};
        if (!writable && !words[3])
                return xasprintf("overlay %s: one layer alone is bound, not overlaid", words[0]);
        return NULL;
}

static const struct mount_word {
        const char *name;
        uint64_t attribute, propagation;
        bool recursive, mapped;
} mount_words[] = {
        {.name = "ro", .attribute = MOUNT_ATTR_RDONLY},
        {.name = "noexec", .attribute = MOUNT_ATTR_NOEXEC},
        {.name = "nosuid", .attribute = MOUNT_ATTR_NOSUID},
        {.name = "nodev", .attribute = MOUNT_ATTR_NODEV},
        {.name = "private", .propagation = MS_PRIVATE},
        {.name = "slave", .propagation = MS_SLAVE},
        {.name = "rec", .recursive = true},
        {.name = "idmap", .mapped = true},
};

static bool take_mount_word(struct mount_spec *spec, const char *word) {
        for (size_t i = 0; i < ARRAY_LEN(mount_words); i++)
                if (strcmp(mount_words[i].name, word) == 0) {
                        spec->attributes |= mount_words[i].attribute;
                        spec->propagation |= mount_words[i].propagation;
                        spec->recursive |= mount_words[i].recursive;
                        spec->mapped |= mount_words[i].mapped;
                        return true;
                }
        return false;
}

static bool take_map(struct mount_spec *spec, const char *word) {
        if (strncmp(word, "idmap=", 6) != 0 || spec->map)
                return false;
        spec->map = xstrdup(word + 6);
        return true;
}

/* Words joined by commas; `own`: what else this kind of record takes. NULL, or what is wrong. */
static char *take_words(struct mount_spec *spec, const char *text, const char *kind,
                        bool (*own)(struct mount_spec *spec, const char *word)) {
        AUTO_FREE char *options = xstrdup(text);
        char *rest = options, *option;

        while ((option = strsep(&rest, ",")))
                if (!take_mount_word(spec, option) && !(own && own(spec, option)))
                        return xasprintf("%s option '%s' is not known", kind, option);
        return NULL;
}

char *take_bind(struct launch *launch, char **words) {
        struct mount_spec *spec = &launch->mounts[launch->n_mounts++];

        *spec = (struct mount_spec){
                .kind = MOUNT_BIND, .source = words[0], .target = words[1], .root = words[3]};
        if (strcmp(words[2], "-") == 0)
                return NULL;
        char *error = take_words(spec, words[2], "bind", take_map);
        if (!error && spec->propagation == (MS_PRIVATE | MS_SLAVE))
                return xasprintf("bind %s is to be private and slave at once", words[1]);
        return error;
}

char *take_follow(struct launch *launch, char **words) {
        struct mount_spec *spec = &launch->follows[launch->n_follows++];

        *spec = (struct mount_spec){
                .kind = MOUNT_BIND, .source = words[0], .target = words[1], .root = words[3]};
        if (strcmp(words[2], "rec") != 0 && strcmp(words[2], "-") != 0)
                return xasprintf("follow option '%s' is not known", words[2]);
        if (strncmp(words[3], "rootfs", strlen("rootfs")) != 0)
                return xasprintf("follow %s: '%s' is not the pod's root or below it", words[1], words[3]);
        spec->recursive = words[2][0] == 'r';
        return NULL;
}

char *take_share(struct launch *launch, char **words) {
        struct share_spec *share = &launch->shares[launch->n_shares++];

        *share = (struct share_spec){.app = words[0],
                                     .how = {.kind = MOUNT_BIND, .source = words[1], .target = words[2]}};
        if (strchr(words[0], '/'))
                return xasprintf("share: '%s' is no app name", words[0]);
        if (strcmp(words[3], "-") == 0)
                return NULL;
        char *error = take_words(&share->how, words[3], "share", NULL);
        if (!error && (share->how.propagation || share->how.mapped))
                return xasprintf("share %s has the propagation and the owners of the host's mount",
                                 words[2]);
        return error;
}

static bool is_tmpfs_setting(struct mount_spec *spec, const char *word) {
        static const char *const names[] = {"size=", "mode=", "uid=", "gid=", "nr_inodes="};

        (void) spec; /* they are handed to the file system as they are */
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                if (strncmp(word, names[i], strlen(names[i])) == 0)
                        return true;
        return false;
}

char *take_tmpfs(struct launch *launch, char **words) {
        struct mount_spec *spec = &launch->mounts[launch->n_mounts++];

        *spec = (struct mount_spec){
                .kind = MOUNT_TMPFS, .target = words[0], .options = words[1], .root = words[2]};
        return take_words(spec, words[1], "tmpfs", is_tmpfs_setting);
}

char *take_read_only(struct launch *launch, char **words) {
        launch->mounts[launch->n_mounts++] =
                (struct mount_spec){.kind = MOUNT_READ_ONLY, .source = words[0], .target = words[0]};
        return NULL;
}

char *take_device(struct launch *launch, char **words) {
        struct mount_spec *spec = &launch->mounts[launch->n_mounts++];
        uint64_t uid, gid;
        size_t digits = strspn(words[2], "01234567");

        if (digits != 3 || words[2][3] != '\0')
                return xasprintf("device %s: '%s' is no mode of three octal digits", words[0], words[2]);
        if (!parse_number(words[3], UINT32_MAX - 1, &uid) || !parse_number(words[4], UINT32_MAX - 1, &gid))
                return xasprintf("device %s: '%s:%s' is no user and group", words[0], words[3], words[4]);
        if (strncmp(words[1], "rootfs/", 7) != 0)
                return xasprintf("device %s: '%s' is not below rootfs", words[0], words[1]);
        *spec = (struct mount_spec){.kind = MOUNT_DEVICE,
                                    .source = words[0],
                                    .target = words[1],
                                    .mode = (mode_t) strtoul(words[2], NULL, 8),
                                    .uid = (uid_t) uid,
                                    .gid = (gid_t) gid};
        return NULL;
}

char *check_maps(const struct launch *launch) {
        for (size_t i = 0; i < launch->n_mounts; i++) {
                const struct mount_spec *spec = &launch->mounts[i];
                AUTO_FREE char *map = spec->map ? make_map(spec->map, &launch->ids) : xstrdup("");

                if (spec->mapped && launch->ids.count == 0)
                        return xasprintf("bind of %s: 'idmap' needs a 'userns' record", spec->source);
                if (!map)
                        return xasprintf("bind of %s: '%s' is no map of ids", spec->source, spec->map);
        }
        return NULL;
}
