#include "execute.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "util.h"

const char *get_variable(char **environment, const char *name) {
        size_t length = strlen(name);

        for (; *environment; environment++)
                if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
                        return *environment + length + 1;
        return NULL;
}

/* Returns only if it fails, with errno. */
static void try_places(const char *program, char **argv, char **environment) {
        const char *path = get_variable(environment, "PATH");
        AUTO_FREE char *places = xstrdup(path ? path : PATH_DEFAULT);
        int error = ENOENT;

        if (strchr(program, '/') || !*program) {
                execve(program, argv, environment);
                return;
        }
        for (char *rest = places, *place; (place = strsep(&rest, ":"));) {
                AUTO_FREE char *file = xasprintf("%s/%s", *place ? place : ".", program);
                execve(file, argv, environment);
                if (errno != ENOENT && errno != ENOTDIR)
                        error = errno;
                if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
                        break;
        }
        errno = error;
}

void execute(const char *program, char **argv, char **environment) {
        struct stat status;

        try_places(program, argv, environment);
        set_status(STATUS_CANNOT_EXECUTE);
        /* A script whose interpreter is missing says "not found" as well, but the program is there. */
        if (errno == ENOENT && (!strchr(program, '/') || stat(program, &status) < 0)) {
                errno = ENOENT;
                set_status(STATUS_NOT_FOUND);
        }
        die_errno("cannot execute %s", program);
}
