/* launcher [--selinux CONTEXT] FILE [SOCKET]
 * launcher --selinux CONTEXT -- PROGRAM ARGUMENT…
 *
 * Executes a program with exactly the words that FILE holds: for an app whose arguments or environment no
 * unit can carry. Given a SOCKET, it first waits there until the monitor has made the mounts that the app
 * shares with the host. FILE: NUL-terminated words: the number of arguments, the program, the arguments,
 * then the environment.
 *
 * Given a CONTEXT, the program has that label of SELinux. systemd would give it only where it may write to
 * selinuxfs, which no pod may. The second form does it for a command beside the app, in the unit's
 * environment. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "basic/execute.h"
#include "basic/files.h"
#include "basic/label.h"
#include "basic/localsocket.h"
#include "basic/util.h"

#define WORDS_MAX ((size_t) 64 << 20)

/* What systemd tells this very process, which no file written before can know. */
static const char *const passed_on[] = {"NOTIFY_SOCKET",        "LISTEN_FDS",    "LISTEN_PID",
                                        "LISTEN_FDNAMES",       "WATCHDOG_USEC", "WATCHDOG_PID",
                                        "CREDENTIALS_DIRECTORY"};

struct words {
        const char *directory, *program;
        char **argv, **environment; /* NULL at the end */
};

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

/* The monitor answers as soon as the mounts are there, with `ok` or with why they are not. */
static void await_mounts(const char *path) {
        AUTO_CLOSE int fd = connect_to(path);
        char answer[2048];
        ssize_t size;

        if (fd < 0)
                die_errno("cannot ask for the shared mounts at %s", path);
        while ((size = read(fd, answer, sizeof(answer) - 1)) < 0 && errno == EINTR)
                continue;
        if (size <= 0)
                die("nobody answers at %s", path);
        answer[size] = '\0';
        if (strcmp(answer, "ok") != 0)
                die("%s", answer);
}

static void take_label(const char *context) {
        if (label_next_program(context)) {
                /* What is refused from here on may be so because of it. */
                set_program(xasprintf("launcher, with the label %s", context), STATUS_CANNOT_EXECUTE);
                return;
        }
        set_status(STATUS_NO_LABEL);
        if (errno == EINVAL)
                die("the host's SELinux policy does not know the label %s", context);
        die_errno("cannot give the label %s", context);
}

static void run_words(const char *file) __attribute__((noreturn));

static void run_words(const char *file) {
        struct words words;

        read_words(&words, file);
        for (size_t i = 0; i < ARRAY_LEN(passed_on); i++) {
                const char *value = getenv(passed_on[i]);
                if (value)
                        set_variable(words.environment, passed_on[i], value);
        }
        if (chdir(words.directory) < 0)
                die_errno("cannot enter %s", words.directory);
        execute(words.program, words.argv, words.environment);
}

int main(int argc, char **argv) {
        const char *context = argc > 2 && strcmp(argv[1], "--selinux") == 0 ? argv[2] : NULL;
        char **rest = argv + (context ? 3 : 1);
        int n_rest = argc - (int) (rest - argv);
        bool beside = context && n_rest > 2 && strcmp(rest[0], "--") == 0;

        set_program("launcher", STATUS_CANNOT_EXECUTE);
        if (!beside && n_rest != 1 && n_rest != 2)
                die("usage: launcher [--selinux CONTEXT] FILE [SOCKET] | --selinux CONTEXT -- PROGRAM "
                    "ARGUMENT…");
        if (!beside && n_rest == 2)
                await_mounts(rest[1]);
        if (context)
                take_label(context);
        if (beside)
                execute(rest[1], rest + 2, environ);
        run_words(rest[0]);
}
