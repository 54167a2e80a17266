#include "credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "util.h"

#define PLACE          "run/credentials"
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
static void copy(const struct credential_spec *spec, const char *path, const char *target) {
        AUTO_CLOSE int from = open(path, O_RDONLY | O_CLOEXEC);
        AUTO_CLOSE int to = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
        char data[4096];
        size_t size = 0;
        ssize_t got;

        if (from < 0)
                die_errno("credential %s: cannot open %s", name_of(spec), path);
        if (to < 0)
                die_errno("credential %s: cannot make %s", name_of(spec), target);
        while ((got = read(from, data, sizeof(data))) != 0) {
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        die_errno("credential %s: cannot read %s", name_of(spec), path);
                size += (size_t) got;
                if (size > SIZE_MAX_BYTES)
                        die("credential %s: %s is larger than a mebibyte", name_of(spec), path);
                if (write_all(to, data, (size_t) got) < 0)
                        die_errno("credential %s: cannot write %s", name_of(spec), target);
        }
        explicit_bzero(data, sizeof(data));
        if (size == 0)
                die("credential %s: %s is empty", name_of(spec), path);
}

static void decrypt(const struct credential_spec *spec, const char *target) {
        AUTO_FREE char *name = xasprintf("--name=%s", name_of(spec));
        const char *argv[] = {"systemd-creds", "decrypt", name, spec->source, target, NULL};
        int status = 0, error;
        pid_t pid;

        error = posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *) argv, environ);
        if (error != 0)
                die("credential %s: cannot run systemd-creds: %s", name_of(spec), strerror(error));
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                die("credential %s: systemd-creds cannot decrypt %s on this host", name_of(spec),
                    spec->source);
}

void make_credentials(const struct credential_spec *specs, size_t count) {
        if (count == 0)
                return;
        if (mkdir(PLACE, 0700) < 0 && errno != EEXIST)
                die_errno("cannot make %s", PLACE);
        if (mount("ramfs", PLACE, "ramfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
                die_errno("cannot mount a ramfs at %s", PLACE);
        for (size_t i = 0; i < count; i++) {
                AUTO_FREE char *target = xasprintf("%s/%s", PLACE, specs[i].id);
                AUTO_FREE char *path = source_path(&specs[i]);

                if (specs[i].kind == CREDENTIAL_ENCRYPTED)
                        decrypt(&specs[i], target);
                else
                        copy(&specs[i], path, target);
        }
}
