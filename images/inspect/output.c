/* Words that write and read the standard streams. */
#include "inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static int print(char **arguments, int count) {
        (void) count;
        puts(arguments[0]);
        return 0;
}

static int eprint(char **arguments, int count) {
        (void) count;
        fprintf(stderr, "%s\n", arguments[0]);
        return 0;
}

static int print_bare(char **arguments, int count) {
        (void) count;
        fputs(arguments[0], stdout);
        return 0;
}

static int lines(char **arguments, int count) {
        unsigned long last = parse_number(arguments[0]);
        const char *text = count > 1 ? arguments[1] : "line";

        for (unsigned long number = 1; number <= last; number++)
                if (printf("%s %lu\n", text, number) < 0)
                        return complain("lines", "stdout");
        return 0;
}

static int write_all(int fd, const char *bytes, size_t length) {
        while (length > 0) {
                ssize_t written = write(fd, bytes, length);

                if (written < 0 && errno == EINTR)
                        continue;
                if (written < 0)
                        return -errno;
                bytes += written;
                length -= (size_t) written;
        }
        return 0;
}

/* As a shell's `>` and `>>` do, through every name a stream has. */
static int reopen(int stream, const char *text) {
        static const char *const names[][2] = {{"/dev/stdout", "/dev/stderr"},
                                               {"/proc/self/fd/1", "/proc/self/fd/2"}};
        static const struct {
                const char *name;
                int flags;
        } manners[] = {{"write", O_CREAT | O_TRUNC}, {"append", O_CREAT | O_APPEND}};
        int status = 0;

        for (size_t i = 0; i < 4; i++) {
                const char *path = names[i / 2][stream - 1], *manner = manners[i % 2].name;
                AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | manners[i % 2].flags, 0666);
                char line[4096];
                int length = snprintf(line, sizeof line, "%s %s %s\n", text, path, manner);
                int error = fd < 0 ? errno : -write_all(fd, line, strnlen(line, (size_t) length));

                if (error == 0)
                        continue;
                printf("reopen %s %s: %s\n", path, manner, errno_name(error));
                status = 1;
        }
        return status;
}

static int reopen_stdout(char **arguments, int count) {
        (void) count;
        return reopen(STDOUT_FILENO, arguments[0]);
}

static int reopen_stderr(char **arguments, int count) {
        (void) count;
        return reopen(STDERR_FILENO, arguments[0]);
}

static int copy_stdin(char **arguments, int count) {
        char buffer[65536];

        (void) arguments;
        (void) count;
        for (;;) {
                ssize_t got = read(STDIN_FILENO, buffer, sizeof buffer);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return complain("stdin", "read");
                if (got == 0)
                        break;
                if (write_all(STDOUT_FILENO, buffer, (size_t) got) < 0)
                        return complain("stdin", "stdout");
        }
        puts("eof");
        return 0;
}

static int close_stream(char **arguments, int count) {
        (void) count;
        fflush(NULL);
        return close((int) parse_number(arguments[0])) < 0 ? complain("close", arguments[0]) : 0;
}

const Word output_words[] = {
        {"print", 1, 0, print, "TEXT a line to stdout"},
        {"eprint", 1, 0, eprint, "TEXT a line to stderr"},
        {"print-bare", 1, 0, print_bare, "TEXT to stdout, without a newline"},
        {"lines", 1, 1, lines, "N [TEXT] N numbered lines, fast"},
        {"reopen-stdout", 1, 0, reopen_stdout, "TEXT through /dev/stdout and /proc/self/fd/1, as > and >>"},
        {"reopen-stderr", 1, 0, reopen_stderr, "TEXT through /dev/stderr and /proc/self/fd/2, as > and >>"},
        {"stdin", 0, 0, copy_stdin, "copy stdin to stdout until it ends, then say eof"},
        {"close", 1, 0, close_stream, "FD"},
        {NULL, 0, 0, NULL, NULL},
};
