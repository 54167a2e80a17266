/* Words about this process: time, signals, ends, children and memory. */
#include "inspect.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

static int trap_codes[NSIG];

static int sleep_for(char **arguments, int count) {
        double seconds = strtod(arguments[0], NULL);
        struct timespec left = {.tv_sec = (time_t) seconds};

        (void) count;
        left.tv_nsec = (long) ((seconds - (double) left.tv_sec) * 1e9);
        fflush(stdout);
        while (nanosleep(&left, &left) < 0 && errno == EINTR)
                ;
        return 0;
}

static int wait_forever(char **arguments, int count) {
        (void) arguments;
        (void) count;
        fflush(stdout);
        while (pause() < 0)
                ;
        return 0;
}

static int end(char **arguments, int count) {
        (void) count;
        exit((int) parse_number(arguments[0]));
}

static int kill_self(char **arguments, int count) {
        (void) count;
        fflush(stdout);
        return kill(getpid(), parse_signal(arguments[0])) < 0 ? complain("kill", arguments[0]) : 0;
}

static int signal_other(char **arguments, int count) {
        (void) count;
        pid_t pid = (pid_t) strtol(arguments[0], NULL, 10);

        return kill(pid, parse_signal(arguments[1])) < 0 ? complain("signal", arguments[0]) : 0;
}

static int end_abort(char **arguments, int count) {
        (void) arguments;
        (void) count;
        fflush(stdout);
        abort();
}

static int end_segv(char **arguments, int count) {
        (void) arguments;
        (void) count;
        fflush(stdout);
        /* A real fault, unlike kill(SIGSEGV), also ends the first process of a pid namespace. */
        *(volatile int *) mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) = 1;
        return 1;
}

static int ignore(char **arguments, int count) {
        (void) count;
        return signal(parse_signal(arguments[0]), SIG_IGN) == SIG_ERR ? complain("ignore", arguments[0]) : 0;
}

static void on_signal(int number) {
        _exit(trap_codes[number]);
}

static int trap(char **arguments, int count) {
        int number = parse_signal(arguments[0]);
        struct sigaction action = {.sa_handler = on_signal};

        (void) count;
        if (number < NSIG)
                trap_codes[number] = (int) parse_number(arguments[1]);
        return sigaction(number, &action, NULL) < 0 ? complain("trap", arguments[0]) : 0;
}

static int watch_winsize(char **arguments, int count) {
        sigset_t changed;
        int number;

        (void) arguments;
        (void) count;
        sigemptyset(&changed);
        sigaddset(&changed, SIGWINCH);
        sigprocmask(SIG_BLOCK, &changed, NULL);
        do {
                struct winsize size = {0};

                if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0)
                        return complain("watch-winsize", "stdin");
                printf("rows %d columns %d\n", size.ws_row, size.ws_col);
                fflush(stdout);
        } while (sigwait(&changed, &number) == 0);
        return 1;
}

static int fork_children(char **arguments, int count) {
        unsigned long wanted = parse_number(arguments[0]);

        (void) count;
        fflush(stdout);
        for (unsigned long i = 0; i < wanted; i++) {
                pid_t pid = fork();

                if (pid < 0)
                        return complain("fork", arguments[0]);
                while (pid == 0)
                        pause();
        }
        printf("forked %lu\n", wanted);
        return 0;
}

static int allocate(char **arguments, int count) {
        size_t size = parse_number(arguments[0]);
        char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        (void) count;
        if (memory == MAP_FAILED)
                return complain("allocate", arguments[0]);
        for (size_t at = 0; at < size; at += 4096)
                memory[at] = 1;
        printf("allocated %zu\n", size);
        return 0;
}

/* A word of sd_notify(3), spoken without its library. */
int notify_with(const char *text, int passed) {
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct iovec data = {.iov_base = (void *) (uintptr_t) text, .iov_len = strlen(text)};
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                                .cmsg_level = SOL_SOCKET,
                                .cmsg_type = SCM_RIGHTS}};
        struct msghdr message = {.msg_name = &address, .msg_iov = &data, .msg_iovlen = 1};

        if (!path || strlen(path) >= sizeof address.sun_path) {
                errno = path ? ENAMETOOLONG : ENOENT;
                return complain("notify", "NOTIFY_SOCKET");
        }
        memcpy(address.sun_path, path, strlen(path));
        if (path[0] == '@')
                address.sun_path[0] = '\0';
        message.msg_namelen = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(path));
        if (passed >= 0) {
                memcpy(CMSG_DATA(&control.header), &passed, sizeof passed);
                message.msg_control = &control;
                message.msg_controllen = sizeof control.space;
        }
        return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? complain("notify", path) : 0;
}

static int notify(char **arguments, int count) {
        (void) count;
        return notify_with(arguments[0], -1);
}

static int execute(char **arguments, int count) {
        fflush(stdout);
        (void) count;
        execvp(arguments[0], arguments);
        return complain("exec", arguments[0]);
}

const Word process_words[] = {
        {"sleep", 1, 0, sleep_for, "SECONDS"},
        {"pause", 0, 0, wait_forever, "until a signal ends it"},
        {"exit", 1, 0, end, "CODE"},
        {"kill", 1, 0, kill_self, "SIGNAL to itself"},
        {"signal", 2, 0, signal_other, "PID SIGNAL"},
        {"abort", 0, 0, end_abort, "end with SIGABRT"},
        {"segv", 0, 0, end_segv, "end with a real SIGSEGV"},
        {"ignore", 1, 0, ignore, "SIGNAL"},
        {"trap", 2, 0, trap, "SIGNAL CODE end with CODE upon SIGNAL"},
        {"watch-winsize", 0, 0, watch_winsize, "the terminal's size, now and on each change"},
        {"fork", 1, 0, fork_children, "N children that wait"},
        {"allocate", 1, 0, allocate, "BYTES of memory, touched"},
        {"notify", 1, 0, notify, "STATE to NOTIFY_SOCKET"},
        {"exec", 1, ALL_THE_REST, execute, "PROGRAM [ARGUMENT…] in place of itself, with all that follows"},
        {NULL, 0, 0, NULL, NULL},
};
