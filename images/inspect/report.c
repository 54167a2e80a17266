/* The word `report`: its parts that ask about the process's words, files, streams and surroundings. */
#include "inspect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <termios.h>

extern char **environ;

/* The whole of a file that has no size of its own, such as those of /proc; NULL if it cannot be read. */
char *read_file(const char *path, size_t *length) {
        AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        AUTO_FREE char *text = NULL;
        size_t used = 0, size = 0;

        if (fd < 0)
                return NULL;
        for (;;) {
                if (size - used < 4096) {
                        char *larger = realloc(text, size = 2 * size + 8192);

                        if (!larger)
                                return NULL;
                        text = larger;
                }
                ssize_t got = read(fd, text + used, size - used - 1);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return NULL;
                if (got == 0)
                        break;
                used += (size_t) got;
        }
        text[used] = '\0';
        if (length)
                *length = used;
        char *result = text;

        text = NULL;
        return result;
}

static void put_bytes_list(const char *key, char **strings) {
        printf(",\n\"%s\": [", key);
        for (size_t i = 0; strings[i]; i++) {
                fputs(i ? ",\n  " : "\n  ", stdout);
                json_bytes(strings[i], strlen(strings[i]));
        }
        putchar(']');
}

static void put_lines(const char *key, const char *path) {
        AUTO_FREE char *text = read_file(path, NULL);
        char *rest = text;
        const char *separator = "\n  ";

        printf(",\n\"%s\": %s", key, text ? "[" : "null");
        for (char *line; text && (line = strsep(&rest, "\n"));) {
                if (!*line)
                        continue;
                fputs(separator, stdout);
                json_string(line);
                separator = ",\n  ";
        }
        if (text)
                putchar(']');
}

static void put_tty(int fd) {
        struct winsize size = {0};
        char name[256];

        printf("%s{\"fd\": %d, \"isatty\": %s, \"name\": ", fd ? ",\n  " : "\n  ", fd,
               isatty(fd) ? "true" : "false");
        json_string(ttyname_r(fd, name, sizeof name) == 0 ? name : NULL);
        if (ioctl(fd, TIOCGWINSZ, &size) == 0)
                printf(", \"rows\": %d, \"columns\": %d", size.ws_row, size.ws_col);
        printf(", \"foreground\": %d}", tcgetpgrp(fd));
}

static void put_fd(const char *number, bool first) {
        char path[64], target[4096];
        int fd = atoi(number);

        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, target, sizeof target);

        printf("%s{\"fd\": %d, \"cloexec\": %s, \"flags\": \"0%o\", \"target\": ", first ? "\n  " : ",\n  ",
               fd, fcntl(fd, F_GETFD) & FD_CLOEXEC ? "true" : "false", (unsigned) fcntl(fd, F_GETFL));
        json_text(target, length > 0 ? (size_t) length : 0);
        putchar('}');
}

static void put_fds(void) {
        DIR *directory = opendir("/proc/self/fd");
        bool first = true;

        printf(",\n\"fds\": %s", directory ? "[" : "null");
        if (!directory)
                return;
        for (struct dirent *entry; (entry = readdir(directory));) {
                if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(directory))
                        continue;
                put_fd(entry->d_name, first);
                first = false;
        }
        putchar(']');
        closedir(directory);
}

static void put_names(void) {
        struct utsname names;
        AUTO_FREE char *directory = getcwd(NULL, 0);

        if (uname(&names) == 0) {
                fputs(",\n\"hostname\": ", stdout);
                json_string(names.nodename);
                fputs(",\n\"domainname\": ", stdout);
                json_string(names.domainname);
                fputs(",\n\"kernel\": ", stdout);
                json_string(names.release);
        }
        fputs(",\n\"cwd\": ", stdout);
        json_string(directory);
}

int report(char **arguments, int count) {
        if (count == 1 && strcmp(arguments[0], "--json") != 0) {
                fprintf(stderr, "inspect: report knows only --json, not %s\n", arguments[0]);
                return 2;
        }
        printf("{\"pid\": %d, \"ppid\": %d, \"pgid\": %d, \"sid\": %d", getpid(), getppid(), getpgrp(),
               getsid(0));
        put_bytes_list("argv", main_argv);
        put_bytes_list("env", environ);
        report_process();
        report_capabilities();
        report_kernel();
        put_names();
        fputs(",\n\"tty\": [", stdout);
        for (int fd = 0; fd < 3; fd++)
                put_tty(fd);
        putchar(']');
        put_fds();
        put_lines("cgroup", "/proc/self/cgroup");
        put_lines("mounts", "/proc/self/mountinfo");
        puts("}");
        return 0;
}
