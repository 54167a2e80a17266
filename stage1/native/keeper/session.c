#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "basic/inroot.h"
#include "basic/times.h"
#include "basic/util.h"
#include "keeping.h"
#include "terminal/front.h"
#include "terminal/terminal.h"

#define DEVPTS_MAGIC 0x1cd1
#define END_OF_INPUT "\004"

static bool has_terminal(const struct session *session) {
        return session->options->terminal;
}

static void copy_size(const struct session *session) {
        const struct terminal terminal = {session->master, session->slave};
        struct winsize size;

        if (session->record && read_size(session->record, &size))
                (void) ioctl(session->master, TIOCSWINSZ, &size);
        else if (!session->record)
                terminal_copy_size(&terminal);
}

/* A terminal of the pod's own, so that it has a name there; opened from the host, and proved to be one. */
static void open_terminal(struct session *session, int root, uid_t owner) {
        AUTO_CLOSE int directory = open_in_root(root, "dev/pts", O_PATH | O_DIRECTORY);
        struct statfs kind;
        struct stat status;
        int unlocked = 0;

        if (directory < 0 || fstatfs(directory, &kind) < 0 || kind.f_type != DEVPTS_MAGIC)
                die("the app has no /dev/pts to make a terminal in");
        session->master = openat(directory, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
        if (session->master < 0 || fstat(session->master, &status) < 0)
                die_errno("cannot make a terminal");
        if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(5, 2))
                die("the app's /dev/pts/ptmx makes no terminals");
        if (ioctl(session->master, TIOCSPTLCK, &unlocked) < 0)
                die_errno("cannot unlock the terminal");
        session->slave = ioctl(session->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (session->slave < 0 || fchown(session->slave, owner, (gid_t) -1) < 0)
                die_errno("cannot open the terminal's other side");
        copy_size(session); /* before the command can ask for it */
        for (int i = 0; i < 3; i++)
                session->child_streams[i] = session->slave;
        session->flows[0] = (struct flow){.from = -1, .to = session->master};
        session->flows[1] = (struct flow){.from = session->master, .to = STDOUT_FILENO, .copied = true};
        session->flows[2] = (struct flow){.from = -1, .to = -1};
}

/* A pipe of the user's own: it can be opened again by name, and leads to nothing of the host's. */
static void open_pipe(int ends[static 2], uid_t owner) {
        if (pipe2(ends, O_CLOEXEC) < 0 || fchown(ends[0], owner, (gid_t) -1) < 0)
                die_errno("cannot make a pipe");
}

static void open_pipes(struct session *session, uid_t owner) {
        int ends[2];

        session->flows[0] = (struct flow){.from = -1, .to = -1};
        if (session->options->input && !session->options->detach) {
                open_pipe(ends, owner);
                session->child_streams[0] = ends[0];
                session->flows[0] = (struct flow){.from = STDIN_FILENO, .to = ends[1], .close_to = true};
        } else
                session->child_streams[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        for (int i = 1; i < 3; i++) {
                open_pipe(ends, owner);
                session->child_streams[i] = ends[1];
                session->flows[i] = (struct flow){.from = ends[0], .to = i, .close_from = true};
        }
}

/* What it prints when nobody listens goes where the app prints. */
static void open_log(struct session *session) {
        static const char *const names[3] = {"", "out", "err"};

        session->flows[0] = session->flows[1] = session->flows[2] = (struct flow){.from = -1, .to = -1};
        session->child_streams[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        for (int i = 1; i < 3; i++)
                session->child_streams[i] = open_app_stream(session->app, names[i]);
}

void open_session(struct session *session, int root, uid_t owner) {
        session->master = session->slave = -1;
        if (has_terminal(session))
                open_terminal(session, root, owner);
        else if (session->options->detach)
                open_log(session);
        else
                open_pipes(session, owner);
        for (int i = 0; i < 3; i++)
                if (session->child_streams[i] < 0)
                        die_errno("cannot open standard stream %d of the command", i);
}

static void begin(struct session *session) {
        session->keys = session->options->keys;
        session->child_fd = pidfd_open(session->child, 0);
        session->child_start = process_start_time(session->child);
        if (session->child_fd < 0)
                die_errno("cannot hold the command");
        if (!has_terminal(session)) {
                for (int i = 0; i < 3; i++)
                        close(session->child_streams[i]);
                return;
        }
        if (session->options->detach)
                return;
        if (isatty(STDIN_FILENO))
                terminal_make_raw();
        if (session->options->input)
                session->flows[0].from = STDIN_FILENO;
}

/* The user goes, the command stays: from now on it has a record, and prints where the app prints. */
static void detach(struct session *session) {
        AUTO_CLOSE int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

        session->record = keep_session(session);
        terminal_restore();
        announce(session->front, session->record);
        session->front = -1;
        (void) setsid();
        for (int i = 0; i < 3; i++)
                (void) dup2(nothing, i);
        if (!has_terminal(session))
                return;
        session->flows[0].from = -1;
        session->flows[1].to = open_app_stream(session->app, "out");
        session->flows[1].close_to = true;
}

static void forward(struct session *session, int signal_number) {
        if (signal_number == SIGWINCH && has_terminal(session))
                copy_size(session);
        else if (signal_number == KILL_ALL_SIGNAL && session->record)
                (void) kill(-session->child, SIGKILL);
        else
                (void) pidfd_send_signal(session->child_fd,
                                         signal_number == SIGTSTP ? SIGSTOP : signal_number, NULL, 0);
}

/* True when the command has ended, with its status. A command that was stopped stops us as well, so that the
 * user's shell notices; with a terminal of its own that is between the command and its shell. */
static bool has_ended(const struct session *session, int *status) {
        while (waitpid(session->child, status, WNOHANG | WUNTRACED | __WALL) == session->child) {
                if (!WIFSTOPPED(*status))
                        return true;
                if (!has_terminal(session) && !session->record)
                        (void) raise(SIGSTOP);
        }
        return false;
}

static bool serve_signals(struct session *session, int fd, int *status) {
        struct signalfd_siginfo info;
        bool ended = false;

        while (read(fd, &info, sizeof(info)) == (ssize_t) sizeof(info))
                if (info.ssi_signo == SIGCHLD)
                        ended = ended || has_ended(session, status);
                else
                        forward(session, (int) info.ssi_signo);
        return ended;
}

static void serve_flow(struct session *session, int index) {
        struct flow *flow = &session->flows[index];
        bool from_user = index == 0 && has_terminal(session);
        size_t got = flow_turn(flow);

        if (from_user && got == 0 && flow->from < 0)
                (void) write_all(session->master, END_OF_INPUT, 1); /* the user's input ended */
        if (from_user && got > 0 && session->keys.count > 0 && session->front >= 0 &&
            flow_find_keys(flow, &session->keys))
                detach(session);
}

/* One turn; the number of flows that were served, or -1 when a signal said that it is over. */
static int serve(struct session *session, int signals, int timeout, int *status) {
        struct pollfd wanted[5] = {{.fd = signals, .events = POLLIN}, {.fd = session->front}};
        int served = 0;

        for (int i = 0; i < 3; i++)
                wanted[2 + i] = flow_wants(&session->flows[i]);
        if (poll(wanted, ARRAY_LEN(wanted), timeout) < 0)
                return 0;
        if (wanted[1].revents & (POLLERR | POLLHUP)) /* whom the user waits for was killed */
                (void) kill(session->child, SIGKILL);
        for (int i = 0; i < 3; i++)
                if (wanted[2 + i].revents) {
                        serve_flow(session, i);
                        served++;
                }
        return wanted[0].revents && serve_signals(session, signals, status) ? -1 : served;
}

static int catch_signals(void) {
        static const int left_alone[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGPIPE};
        static const int of_users[] = {SIGHUP, SIGINT, SIGQUIT};
        sigset_t set;

        sigfillset(&set);
        for (size_t i = 0; i < ARRAY_LEN(left_alone); i++)
                sigdelset(&set, left_alone[i]);
        for (size_t i = 0; i < ARRAY_LEN(of_users); i++)
                if (is_ignored(of_users[i]))
                        sigdelset(&set, of_users[i]);
        (void) sigprocmask(SIG_SETMASK, &set, NULL);
        return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* What the command left in its pipes or terminal. Its own children may hold them open: that is not waited
 * for. */
static void drain(struct session *session, int signals) {
        struct signalfd_siginfo info;

        session->flows[0].from = session->flows[0].to = -1;
        session->flows[0].start = session->flows[0].end = 0;
        for (;;) {
                bool waiting = flow_is_pending(&session->flows[1]) || flow_is_pending(&session->flows[2]);
                int ignored;
                if (serve(session, -1, waiting ? 100 : 0, &ignored) == 0 && !waiting)
                        return;
                while (waiting && read(signals, &info, sizeof(info)) == (ssize_t) sizeof(info))
                        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
                                return;
        }
}

int run_session(struct session *session) {
        AUTO_CLOSE int signals = catch_signals();
        int status = 0;

        if (signals < 0)
                die_errno("cannot wait for signals");
        (void) signal(SIGPIPE, SIG_IGN);
        begin(session);
        if (session->options->detach)
                detach(session);
        /* It may have ended before anybody listened. */
        if (!has_ended(session, &status))
                while (serve(session, signals, -1, &status) >= 0)
                        ;
        drain(session, signals);
        terminal_restore();
        status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        if (session->record)
                keep_result(session->record, status);
        return status;
}
