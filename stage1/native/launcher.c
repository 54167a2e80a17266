/* launcher FILE
 *
 * Executes a program with exactly the words that FILE holds: for an app whose arguments or environment no
 * unit can carry. FILE: NUL-terminated words: the number of arguments, the program, the arguments, then the
 * environment. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "util.h"

#define STATUS_CANNOT_EXECUTE 126
#define STATUS_NOT_FOUND      127
#define WORDS_MAX             ((size_t) 64 << 20)
#define PATH_DEFAULT          "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* What systemd tells this very process, which no file written before can know. */
static const char *const passed_on[] = {"NOTIFY_SOCKET",        "LISTEN_FDS",    "LISTEN_PID",
                                        "LISTEN_FDNAMES",       "WATCHDOG_USEC", "WATCHDOG_PID",
                                        "CREDENTIALS_DIRECTORY"};

struct words {
        const char *directory, *program;
        char **argv, **environment; /* NULL at the end */
};

static const char *get_variable(char **environment, const char *name) {
        size_t length = strlen(name);

        for (; *environment; environment++)
                if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
                        return *environment + length + 1;
        return NULL;
}

static void read_words(struct words *words, const char *path) {
        size_t size, n_words = 0;
        char *text = read_file(AT_FDCWD, path, &size, WORDS_MAX);
        uint64_t n_arguments;

        if (!text)
                die_errno("cannot read %s", path);
        for (size_t i = 0; i < size; i++)
                n_words += text[i] == '\0';
        char *count = text + strlen(text) + 1;
        if (size == 0 || text[size - 1] != '\0' || n_words < 3 ||
            !parse_number(count, n_words - 3, &n_arguments))
                die("%s is damaged", path);
        words->directory = text;
        words->argv = xalloc((n_arguments + 1) * sizeof(char *));
        words->environment = xalloc((n_words - 3 - n_arguments + ARRAY_LEN(passed_on) + 1) * sizeof(char *));
        char *word = count + strlen(count) + 1;
        words->program = word;
        for (size_t i = 0; i < n_words - 3; i++) {
                word += strlen(word) + 1;
                if (i < n_arguments)
                        words->argv[i] = word;
                else
                        words->environment[i - n_arguments] = word;
        }
}

/* Adds a variable, or puts it in the place of one that the file has. */
static void set_variable(char **environment, const char *name, const char *value) {
        size_t length = strlen(name);

        while (*environment && (strncmp(*environment, name, length) != 0 || (*environment)[length] != '='))
                environment++;
        *environment = xasprintf("%s=%s", name, value);
}

/* The program by its path, or each place in PATH as a shell would try them. Returns only if it fails, with
 * errno. */
static void execute(const struct words *words) {
        const char *path = get_variable(words->environment, "PATH");
        AUTO_FREE char *places = xstrdup(path ? path : PATH_DEFAULT);
        int error = ENOENT;

        if (strchr(words->program, '/') || !*words->program) {
                execve(words->program, words->argv, words->environment);
                return;
        }
        for (char *rest = places, *place; (place = strsep(&rest, ":"));) {
                AUTO_FREE char *file = xasprintf("%s/%s", *place ? place : ".", words->program);
                execve(file, words->argv, words->environment);
                if (errno != ENOENT && errno != ENOTDIR)
                        error = errno;
                if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
                        break;
        }
        errno = error;
}

int main(int argc, char **argv) {
        struct words words;
        struct stat status;

        set_program("launcher", STATUS_CANNOT_EXECUTE);
        if (argc != 2)
                die("usage: launcher FILE");
        read_words(&words, argv[1]);
        for (size_t i = 0; i < ARRAY_LEN(passed_on); i++) {
                const char *value = getenv(passed_on[i]);
                if (value)
                        set_variable(words.environment, passed_on[i], value);
        }
        if (chdir(words.directory) < 0)
                die_errno("cannot enter %s", words.directory);
        execute(&words);
        /* A script whose interpreter is missing says "not found" as well, but the program is there. */
        if (errno == ENOENT && (!strchr(words.program, '/') || stat(words.program, &status) < 0)) {
                errno = ENOENT;
                set_program("launcher", STATUS_NOT_FOUND);
        }
        die_errno("cannot execute %s", words.program);
}
