#include "credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "basic/util.h"
#include "targets.h"

#define PLACE          "rootfs/pod/credentials"
#define SIZE_MAX_BYTES ((size_t) 1 << 20) /* systemd's own bound of one credential */

static const char *name_of(const struct credential_spec *spec) {
        const char *dot = strchr(spec->id, '.');
        return dot ? dot + 1 : spec->id;
}

static char *source_path(const struct credential_spec *spec) {
        const char *directory = getenv("CREDENTIALS_DIRECTORY");

        if (spec->kind != CREDENTIAL_UNIT)
                return xstrdup(spec->source);
        if (!directory || !*directory)
                die("credential %s: it is to come from the unit that starts the pod, and that has none "
                    "(LoadCredential=%s)",
                    name_of(spec), spec->source);
        return xasprintf("%s/%s", directory, spec->source);
}

/* Byte for byte and to the end, whatever the source is: a file, or a pipe that can be read once. */
static void copy(const struct credential_spec *spec, const char *path, int to) {
        AUTO_CLOSE int from = open(path, O_RDONLY | O_CLOEXEC);
        char data[4096];
        size_t size = 0;
        ssize_t got;

        if (from < 0)
                die_errno("credential %s: cannot open %s", name_of(spec), path);
        while ((got = read(from, data, sizeof(data))) != 0) {
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        die_errno("credential %s: cannot read %s", name_of(spec), path);
                size += (size_t) got;
                if (size > SIZE_MAX_BYTES)
                        die("credential %s: %s is larger than a mebibyte", name_of(spec), path);
                if (write_all(to, data, (size_t) got) < 0)
                        die_errno("credential %s: cannot keep it", name_of(spec));
        }
        explicit_bzero(data, sizeof(data));
        if (size == 0)
                die("credential %s: %s is empty", name_of(spec), path);
}

static void decrypt(const struct credential_spec *spec, int to) {
        AUTO_FREE char *name = xasprintf("--name=%s", name_of(spec));
        const char *argv[] = {"systemd-creds", "decrypt", name, spec->source, "-", NULL};
        posix_spawn_file_actions_t actions;
        int status = 0, error;
        pid_t pid;

        if (posix_spawn_file_actions_init(&actions) != 0 ||
            posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO) != 0)
                die("credential %s: cannot prepare systemd-creds", name_of(spec));
        error = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *) argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        if (error != 0)
                die("credential %s: cannot run systemd-creds: %s", name_of(spec), strerror(error));
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                die("credential %s: systemd-creds cannot decrypt %s on this host", name_of(spec),
                    spec->source);
}

/* The directory of the secrets of one app, which is root's in the pod. */
static int make_place(const struct credential_spec *spec, const struct id_range *ids, uint32_t root) {
        AUTO_FREE char *place = xasprintf(PLACE "/%.*s", (int) strcspn(spec->id, "."), spec->id);

        act_as_pod_root(ids);
        AUTO_CLOSE int fd = mount_memory(place, "ramfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700");
        act_as_host_root();
        if (fchownat(fd, "", root, root, AT_EMPTY_PATH) < 0)
                die_errno("cannot give %s to the pod", place);
        return take_fd(&fd);
}

static void make_credential(const struct credential_spec *spec, int place, uint32_t root) {
        AUTO_CLOSE int to = openat(place, name_of(spec), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);

        if (to < 0 || fchown(to, root, root) < 0)
                die_errno("credential %s: cannot make a file for it", name_of(spec));
        if (spec->kind == CREDENTIAL_ENCRYPTED) {
                decrypt(spec, to);
                return;
        }
        AUTO_FREE char *path = source_path(spec);
        copy(spec, path, to);
}

static bool is_same_app(const struct credential_spec *one, const struct credential_spec *other) {
        size_t length = strcspn(one->id, ".");
        return length == strcspn(other->id, ".") && strncmp(one->id, other->id, length) == 0;
}

void make_credentials(const struct credential_spec *specs, size_t count, const struct id_range *ids) {
        uint32_t root = ids->count > 0 ? ids->base : 0;
        AUTO_CLOSE int place = -1;

        for (size_t i = 0; i < count; i++) {
                if (i == 0 || !is_same_app(&specs[i], &specs[i - 1])) {
                        close_descriptor(&place);
                        place = make_place(&specs[i], ids, root);
                }
                make_credential(&specs[i], place, root);
        }
}
