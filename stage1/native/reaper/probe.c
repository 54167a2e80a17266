#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "basic/files.h"
#include "basic/passwd.h"
#include "basic/times.h"
#include "basic/util.h"

#define PAUSE_MIN_MS 10
#define PAUSE_MAX_MS 200

static const char properties[] =
        "Type,ActiveEnterTimestampMonotonic,InactiveExitTimestampMonotonic,"
        "ExecMainStartTimestampMonotonic,ExecMainHandoffTimestampMonotonic,ExecStartPost";

static char *ask_systemctl(const char *app, const char *wanted) {
        AUTO_FREE char *unit = xasprintf("app-%s.service", app);
        const char *argv[] = {"/usr/bin/systemctl", "show", "-p", wanted, unit, NULL};
        posix_spawn_file_actions_t actions;
        char *text = NULL;
        int ends[2];
        pid_t pid;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return NULL;
        AUTO_CLOSE int reader = ends[0];
        AUTO_CLOSE int writer = ends[1];
        AUTO_FREE char *path = xasprintf("/proc/self/fd/%d", reader);
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, writer, STDOUT_FILENO);
        if (posix_spawn(&pid, argv[0], &actions, NULL, (char *const *) argv, environ) == 0) {
                close(take_fd(&writer));
                text = read_file(AT_FDCWD, path, NULL, 4096);
                (void) waitpid(pid, NULL, 0);
        }
        posix_spawn_file_actions_destroy(&actions);
        return text;
}

static uint64_t property(const char *text, const char *key) {
        const char *found = strstr(text, key);
        return found ? strtoull(found + strlen(key), NULL, 10) : 0;
}

/* A unit of Type=exec is active, or runs its ExecStartPost=, from the moment its program is executed; only a
 * run that began later than it was last active never got there. systemd 256 and later tell the moment
 * itself. A unit that says by itself when it is ready, or whose whole work is the start, may have been
 * executed and yet not become active. Where a program ends in the instant it was executed, PID 1 may see its
 * end first, and takes it for one that never was: so do we, for want of any other witness. */
enum execution ask_execution(const char *app) {
        AUTO_FREE char *text = ask_systemctl(app, properties);
        const char *post = text ? strstr(text, "ExecStartPost=") : NULL;

        if (!text)
                return MAYBE_EXECUTED;
        if (strstr(text, "ExecMainHandoffTimestampMonotonic="))
                return property(text, "ExecMainHandoffTimestampMonotonic=") >=
                                       property(text, "ExecMainStartTimestampMonotonic=")
                               ? EXECUTED
                               : NOT_EXECUTED;
        if (property(text, "ActiveEnterTimestampMonotonic=") >=
            property(text, "InactiveExitTimestampMonotonic="))
                return EXECUTED;
        if (!strstr(text, "Type=exec"))
                return MAYBE_EXECUTED;
        return post && property(post, "pid=") > 0 ? EXECUTED : NOT_EXECUTED;
}

/* By name or by number, as in passwd(5) and group(5). */
static bool is_listed(const char *database, const char *wanted) {
        AUTO_FREE char *text = read_file(AT_FDCWD, database, NULL, PASSWD_MAX);

        for (char *rest = text, *fields[PASSWD_FIELDS]; next_entry(&rest, fields);)
                if (strcmp(fields[0], wanted) == 0 || strcmp(fields[2], wanted) == 0)
                        return true;
        return false;
}

bool ask_identity(const char *app) {
        AUTO_FREE char *text = ask_systemctl(app, "User,Group,SupplementaryGroups");

        for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
                const char *database = strncmp(line, "User=", 5) == 0 ? "/etc/passwd" : "/etc/group";
                for (char *words = strchr(line, '='), *word; (word = strsep(&words, "= "));)
                        if (*word && !is_listed(database, word))
                                return false;
        }
        return text != NULL;
}

char *ask_run(const char *app, struct timespec *started) {
        AUTO_FREE char *text = ask_systemctl(app, "InvocationID,ExecMainStartTimestampMonotonic");
        char *id = text ? strstr(text, "InvocationID=") : NULL;
        uint64_t start = text ? property(text, "ExecMainStartTimestampMonotonic=") : 0;
        struct timespec now = time_now(CLOCK_REALTIME), clock = time_now(CLOCK_MONOTONIC);
        int64_t ago;

        if (!id || start == 0)
                return NULL;
        ago = (clock.tv_sec - (time_t) (start / 1000000)) * INT64_C(1000000) + clock.tv_nsec / 1000 -
              (int64_t) (start % 1000000);
        ago = now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000 - ago;
        *started = (struct timespec){.tv_sec = ago / 1000000, .tv_nsec = ago % 1000000 * 1000};
        id += strlen("InvocationID=");
        id[strcspn(id, "\n")] = '\0';
        return xstrdup(id);
}

pid_t ask_main_process(const char *app) {
        AUTO_FREE char *text = ask_systemctl(app, "MainPID");
        return text ? (pid_t) property(text, "MainPID=") : 0;
}

enum program_kind look_at_program(const char *app_root, const char *program) {
        struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                               .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
        AUTO_CLOSE int root = open(app_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        AUTO_CLOSE int fd = root < 0 ? -1 : (int) syscall(SYS_openat2, root, program, &how, sizeof(how));
        struct stat status;

        if (fd < 0)
                return root < 0 || errno == ENOENT || errno == ENOTDIR ? PROGRAM_MISSING : PROGRAM_NO_FILE;
        if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || !(status.st_mode & 0111))
                return PROGRAM_NO_FILE;
        return PROGRAM_EXECUTABLE;
}

static bool connects(const struct sockaddr *address, socklen_t size, int patience_ms) {
        AUTO_CLOSE int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
        int error = 0;
        socklen_t length = sizeof(error);

        if (fd < 0)
                return false;
        if (connect(fd, address, size) == 0)
                return true;
        return errno == EINPROGRESS && poll(&poll_fd, 1, patience_ms) > 0 &&
               getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0;
}

enum readiness wait_for_port(uint16_t port, unsigned seconds, pid_t main_pid) {
        struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
        struct sockaddr_in6 six = {
                .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_loopback};
        AUTO_CLOSE int pidfd = main_pid > 0 ? (int) syscall(SYS_pidfd_open, main_pid, 0) : -1;
        struct pollfd ended = {.fd = pidfd, .events = POLLIN};
        struct timespec begin = time_now(CLOCK_MONOTONIC), now;

        if (main_pid > 0 && pidfd < 0 && errno == ESRCH)
                return APP_GONE;
        four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        for (int pause = PAUSE_MIN_MS;; pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS) {
                if (connects((struct sockaddr *) &four, sizeof(four), PAUSE_MAX_MS) ||
                    connects((struct sockaddr *) &six, sizeof(six), PAUSE_MAX_MS))
                        return PORT_LISTENS;
                now = time_now(CLOCK_MONOTONIC);
                if (now.tv_sec - begin.tv_sec >= (time_t) seconds)
                        return PORT_SILENT;
                if (poll(&ended, 1, pause) > 0)
                        return APP_GONE;
        }
}
