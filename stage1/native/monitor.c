/* monitor [--lock-fd N] [--ready-fd N] [--quiet] [--check] [--python PATH] DIR
 *
 * What `pod run` becomes: the parent of systemd-nspawn for a pod's whole life. It makes the pod's cgroups,
 * FIFOs and mounts as run/launch says, starts the supervisor, carries the apps' streams, passes signals on,
 * and ends with the status that the records say. Single-threaded, one event loop, a few hundred kilobytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "apps.h"
#include "attach.h"
#include "cgroups.h"
#include "commands.h"
#include "display.h"
#include "events.h"
#include "front.h"
#include "input.h"
#include "journal.h"
#include "launchfile.h"
#include "listeners.h"
#include "messages.h"
#include "network.h"
#include "notify.h"
#include "options.h"
#include "remove.h"
#include "result.h"
#include "streams.h"
#include "supervisor.h"
#include "terminal.h"
#include "util.h"
#include "watchdog.h"

#define LAUNCH_MAX       ((size_t) 4 << 20)
#define HALT_SIGNAL      (SIGRTMIN + 3) /* to a systemd that is PID 1: start halt.target */
#define HALT_RETRY_MS    10
#define IDLE_MS          500 /* nothing for so long: memory goes back */
#define TERMINAL_WAIT_MS 1000
#define WHO_MAX          4096

struct monitor {
        struct options options;
        struct launch launch;
        struct apps apps;
        struct display out, err;
        struct display *err_display; /* &out when both are one file, NULL when quiet */
        struct input input;
        struct terminal terminal;
        struct source notices, signals, messages;
        pid_t supervisor, leader;
        uint64_t leader_start;
        unsigned stops;
        int listeners;     /* sockets of the host for the pod */
        bool halt_pending; /* the pod's PID 1 may have been too young for the signal */
        int front;         /* to the process the user waits for, or -1 */
        bool ended;
        struct outcome outcome;
};

static bool has_terminal(const struct monitor *monitor) {
        return monitor->terminal.master >= 0;
}

static void set_leader(struct monitor *monitor, pid_t leader) {
        uint64_t start = process_start_time(leader);
        AUTO_FREE char *text = xasprintf("%d %llu\n", (int) leader, (unsigned long long) start);
        int result;

        if (monitor->leader > 0 || start == 0)
                return;
        monitor->leader = leader;
        monitor->leader_start = start;
        result = write_file(AT_FDCWD, "run/leader", text);
        if (result < 0)
                warn("cannot write run/leader: %s", strerror(-result));
        watchdog_start(leader);
}

static void look_for_leader(struct monitor *monitor) {
        pid_t leader = monitor->leader > 0 ? 0 : supervisor_find_leader(monitor->supervisor);
        if (leader > 0)
                set_leader(monitor, leader);
}

static bool leader_lives(const struct monitor *monitor) {
        return monitor->leader > 0 && process_start_time(monitor->leader) == monitor->leader_start;
}

static void pod_is_ready(struct monitor *monitor) {
        char stamp[TIME_TEXT_MAX + 1];
        int result;

        if (monitor->outcome.ready.tv_sec != 0)
                return;
        monitor->outcome.ready = time_now(CLOCK_REALTIME);
        format_time(stamp, &monitor->outcome.ready, 6);
        result = write_file(AT_FDCWD, "run/ready", strcat(stamp, "\n"));
        if (result < 0)
                warn("cannot write run/ready: %s", strerror(-result));
        if (monitor->options.ready_fd >= 0) {
                (void) write_all(monitor->options.ready_fd, "ready\n", 6);
                close(take_fd(&monitor->options.ready_fd));
        }
        AUTO_FREE char *text = xasprintf("READY=1\nMAINPID=%d", (int) getpid());
        notify_send(text);
        forget_code(); /* the start is over, and a pod that talks all the time is never idle */
}

/* By pod-reboot.service. */
static bool wants_reboot(void) {
        AUTO_FREE char *who = read_file(AT_FDCWD, "run/status/stopping", NULL, WHO_MAX);

        return who && strcmp(who, "reboot\n") == 0;
}

static void notices_ready(struct source *source, short events) {
        struct monitor *monitor = source->owner;
        struct notice notice;
        char data[4096];

        (void) events;
        while (notify_read(source->fd, data, sizeof(data), &notice)) {
                if (notice.leader > 0)
                        set_leader(monitor, notice.leader);
                look_for_leader(monitor);
                if (notice.status) {
                        AUTO_FREE char *text = xasprintf("STATUS=%s", notice.status);
                        notify_send(text);
                }
                if (notice.ready)
                        pod_is_ready(monitor);
                if (notice.stopping && !(monitor->options.python && wants_reboot()))
                        notify_send("STOPPING=1");
        }
}

static void stop_printing(struct monitor *monitor) {
        if (monitor->options.quiet)
                return;
        display_close(&monitor->out);
        display_close(&monitor->err);
}

/* PID 1 of a pid namespace loses a signal it has not prepared for, and systemd-nspawn hands the stop on only
 * once: so the pod that is stopped while it boots gets the signal again, when it can hear it. */
static void hand_on_halt(struct monitor *monitor) {
        look_for_leader(monitor);
        if (!leader_lives(monitor) || !process_heeds(monitor->leader, HALT_SIGNAL))
                return;
        (void) kill(monitor->leader, HALT_SIGNAL);
        monitor->halt_pending = false;
}

static void stop_in_order(struct monitor *monitor, int signal_number) {
        AUTO_FREE char *who = xasprintf("signal SIG%s", sigabbrev_np(signal_number));

        record_stopping(who);
        notify_send("STOPPING=1");
        look_for_leader(monitor);
        if (leader_lives(monitor))
                thaw_pod(monitor->leader); /* a pod that stands still cannot end in order */
        monitor->halt_pending = !leader_lives(monitor) || !process_heeds(monitor->leader, HALT_SIGNAL);
        (void) kill(monitor->supervisor, SIGTERM);
}

static void stop_hard(struct monitor *monitor) {
        monitor->outcome.killed = true;
        (void) kill(monitor->supervisor, SIGKILL);
        if (leader_lives(monitor))
                (void) kill(monitor->leader, SIGKILL);
        kill_cgroups(monitor->launch.cgroups, monitor->launch.n_cgroups);
}

static void stop_asked(struct monitor *monitor, int signal_number) {
        if (monitor->ended) /* only the user's own terminal or pipe keeps us now */
                stop_printing(monitor);
        else if (++monitor->stops == 1)
                stop_in_order(monitor, signal_number);
        else
                stop_hard(monitor);
}

static void reap(struct monitor *monitor) {
        int status;

        if (!monitor->ended && waitpid(monitor->supervisor, &status, WNOHANG) == monitor->supervisor) {
                monitor->outcome.supervisor = status;
                monitor->ended = true;
        }
}

static void signals_ready(struct source *source, short events) {
        struct monitor *monitor = source->owner;
        struct signalfd_siginfo info;

        (void) events;
        while (read(source->fd, &info, sizeof(info)) == (ssize_t) sizeof(info)) {
                if (info.ssi_signo == SIGCHLD)
                        reap(monitor);
                else if (info.ssi_signo == SIGHUP)
                        stop_printing(monitor);
                else if (info.ssi_signo == SIGWINCH) {
                        if (has_terminal(monitor))
                                terminal_copy_size(&monitor->terminal);
                } else if (info.ssi_signo == SIGQUIT && !monitor->ended)
                        stop_hard(monitor);
                else
                        stop_asked(monitor, (int) info.ssi_signo);
        }
}

static void catch_signals(struct monitor *monitor) {
        static const int caught[] = {SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH};
        sigset_t set;

        sigemptyset(&set);
        for (size_t i = 0; i < ARRAY_LEN(caught); i++)
                sigaddset(&set, caught[i]);
        (void) signal(SIGPIPE, SIG_IGN);
        (void) signal(SIGCHLD, SIG_DFL); /* ignored, it would eat the supervisor's status */
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                die_errno("cannot block signals");
        monitor->signals = (struct source){.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
                                           .events = POLLIN,
                                           .ready = signals_ready,
                                           .owner = monitor};
        if (monitor->signals.fd < 0)
                die_errno("cannot wait for signals");
        add_source(&monitor->signals);
}

static void take_lock(struct options *options) {
        struct stat here, locked;

        if (options->lock_fd < 0)
                options->lock_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (stat(".", &here) < 0 || fstat(options->lock_fd, &locked) < 0)
                die_errno("cannot look at the lock of %s", options->directory);
        if (here.st_dev != locked.st_dev || here.st_ino != locked.st_ino)
                die("descriptor %d is not the pod directory %s", options->lock_fd, options->directory);
        if (flock(options->lock_fd, LOCK_EX | LOCK_NB) < 0)
                die("%s is already running: %s", options->directory, strerror(errno));
        (void) fcntl(options->lock_fd, F_SETFD, FD_CLOEXEC);
}

static void read_launch(struct launch *launch) {
        size_t size;
        char *text = read_file(AT_FDCWD, "run/launch", &size, LAUNCH_MAX);
        char *error;

        if (!text)
                die_errno("cannot read run/launch");
        error = launch_parse(launch, text, size);
        if (error)
                die("run/launch: %s", error);
}

static void take_listeners(struct monitor *monitor) {
        monitor->listeners = count_listeners(getpid());
        if (monitor->listeners < monitor->launch.from_host)
                die("%s: the host is to pass %d listening sockets and passes %d: start the pod from a unit "
                    "that a .socket unit belongs to",
                    monitor->launch.label, monitor->launch.from_host, monitor->listeners);
}

static void make_run_directories(void) {
        static const char *const paths[] = {"run", "run/streams", "run/logs", "run/status"};

        for (size_t i = 0; i < ARRAY_LEN(paths); i++)
                if (mkdir(paths[i], 0755) < 0 && errno != EEXIST)
                        die_errno("cannot make %s", paths[i]);
}

static void say_who_we_are(void) {
        AUTO_FREE char *text =
                xasprintf("%d %llu\n", (int) getpid(), (unsigned long long) process_start_time(getpid()));
        int result = write_file(AT_FDCWD, "run/monitor", text);

        if (result < 0)
                die("cannot write run/monitor: %s", strerror(-result));
}

/* Two displays for one file would cut each other's lines: output and errors share one then. */
static void open_displays(struct monitor *monitor) {
        struct stat out, err;

        if (monitor->options.quiet)
                return;
        display_open(&monitor->out, STDOUT_FILENO);
        monitor->err_display = &monitor->out;
        if (fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0 && out.st_ino == err.st_ino &&
            out.st_dev == err.st_dev)
                return;
        display_open(&monitor->err, STDERR_FILENO);
        monitor->err_display = &monitor->err;
}

/* The user's terminal goes back and the pod goes on: who waits for us leaves, and nothing of it stays ours.
 */
static void detach(void *owner) {
        struct monitor *monitor = owner;
        const char *label = monitor->launch.label;
        AUTO_CLOSE int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
        AUTO_FREE char *line = xasprintf("\npod: %s goes on; `pod attach %s` comes back", label, label);

        terminal_restore();
        input_forget_user(&monitor->input);
        display_release(&monitor->out);
        if (monitor->err_display == &monitor->err)
                display_release(&monitor->err);
        monitor->options.quiet = true;
        (void) prctl(PR_SET_PDEATHSIG, 0);
        (void) setsid();
        for (int i = 0; nothing >= 0 && i <= STDERR_FILENO; i++)
                (void) dup2(nothing, i);
        announce(take_fd(&monitor->front), line);
}

/* With a terminal of the user's that can be given back another process is waited for than the one that
 * works. Not in a unit: its main process is the one that was started. */
static void split(struct monitor *monitor) {
        pid_t user = getpid();

        monitor->front = -1;
        if (monitor->options.quiet || monitor->options.keys.count == 0 || getenv("NOTIFY_SOCKET") ||
            !launch_has_terminal(&monitor->launch) || !isatty(STDIN_FILENO))
                return;
        monitor->front = split_front();
        /* as if the monitor itself was killed: the pod ends in order */
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != user)
                die("who waited for the pod is gone");
}

static void open_terminal(struct monitor *monitor, struct app *app) {
        terminal_open(&monitor->terminal);
        app_use_terminal(app, monitor->terminal.master);
        app->input = &monitor->input;
        if (monitor->options.quiet || !isatty(STDIN_FILENO)) {
                input_to_terminal(&monitor->input, monitor->terminal.master, -1);
                return;
        }
        terminal_make_raw();
        monitor->out.raw = monitor->out.terminal;
        monitor->err.raw = monitor->err.terminal;
        input_to_terminal(&monitor->input, monitor->terminal.master, STDIN_FILENO);
        monitor->input.keys = monitor->options.keys;
        monitor->input.owner = monitor;
        monitor->input.detach = monitor->front >= 0 ? detach : NULL;
}

static void open_streams(struct monitor *monitor) {
        bool quiet = monitor->options.quiet;

        apps_open(&monitor->apps, &monitor->launch, quiet ? NULL : &monitor->out,
                  quiet ? NULL : monitor->err_display);
        for (size_t i = 0; i < monitor->apps.count; i++) {
                struct app *app = monitor->apps.all[i];
                if (app->spec->stdin_kind == STDIN_TTY)
                        open_terminal(monitor, app);
                else if (app->spec->stdin_kind == STDIN_STREAM) {
                        app->input = &monitor->input;
                        input_to_fifo(&monitor->input, app->spec, quiet ? -1 : STDIN_FILENO);
                }
        }
}

static int earlier(int one, int other) {
        return one < 0 ? other : other < 0 ? one : one < other ? one : other;
}

/* One turn of the event loop. Returns how many sources were served. */
static int turn(struct monitor *monitor, int timeout_ms) {
        if (!monitor->options.quiet) {
                timeout_ms = earlier(timeout_ms, display_check(&monitor->out));
                timeout_ms = earlier(timeout_ms, display_check(&monitor->err));
        }
        timeout_ms = earlier(timeout_ms, journal_check());
        apps_update(&monitor->apps);
        attached_update();
        return serve_sources(timeout_ms);
}

static char *set_limits(const struct launch *launch) {
        char *error = NULL;

        for (size_t i = 0; !error && i < launch->n_limits; i++)
                error = write_limit(launch->limits[i].path, launch->limits[i].value);
        return error;
}

static void start(struct monitor *monitor) {
        int terminal = has_terminal(monitor) ? monitor->terminal.slave : -1;
        int *inherited = xalloc((2 * monitor->apps.count + (size_t) monitor->listeners + 2) * sizeof(int)),
            *next = inherited;

        *next++ = monitor->options.lock_fd;
        for (int i = 0; i < monitor->listeners; i++)
                *next++ = FIRST_LISTENER + i;
        for (size_t i = 0; i < monitor->apps.count; i++) {
                const struct app *app = monitor->apps.all[i];
                if (!app->out.terminal)
                        *next++ = app->out.source.fd;
                *next++ = app->err.source.fd;
        }
        *next = -1;
        monitor->outcome.started = time_now(CLOCK_REALTIME);
        monitor->supervisor = -1;
        monitor->outcome.start_error = set_limits(&monitor->launch);
        if (!monitor->outcome.start_error)
                monitor->supervisor = supervisor_start(&monitor->launch, inherited, terminal,
                                                       &monitor->outcome.start_error);
        monitor->ended = monitor->supervisor < 0;
        free(inherited);
        close_listeners(monitor->listeners);
}

static void run(struct monitor *monitor) {
        bool idle = false;

        start(monitor);
        while (!monitor->ended) {
                if (monitor->halt_pending)
                        hand_on_halt(monitor);
                if (turn(monitor, monitor->halt_pending ? HALT_RETRY_MS : idle ? -1 : IDLE_MS) != 0)
                        idle = false;
                else if (!idle) {
                        idle = true;
                        streams_forget();
                        forget_code();
                }
        }
        monitor->outcome.ended = time_now(CLOCK_REALTIME);
}

static bool is_printed(const struct monitor *monitor) {
        return monitor->options.quiet ||
               (!display_is_blocked(&monitor->out) && !display_is_blocked(&monitor->err));
}

static bool is_drained(const struct monitor *monitor) {
        return apps_are_drained(&monitor->apps) && is_printed(monitor);
}

/* A last line that never ended becomes one when its stream is finished. */
static void print_rest(struct monitor *monitor) {
        if (monitor->options.quiet)
                return;
        display_flush(&monitor->out);
        display_flush(&monitor->err);
        while (!is_printed(monitor))
                (void) turn(monitor, -1);
}

static void drain(struct monitor *monitor) {
        kill_cgroups(monitor->launch.cgroups, monitor->launch.n_cgroups);
        input_stop(&monitor->input);
        if (has_terminal(monitor))
                close(take_fd(&monitor->terminal.slave));
        apps_begin_drain(&monitor->apps);
        while (!is_drained(monitor))
                /* Only a terminal that someone else still holds open is silent and not at its end. */
                if (turn(monitor, TERMINAL_WAIT_MS) == 0 && is_printed(monitor))
                        break;
        apps_finish(&monitor->apps);
        journal_close();
        print_rest(monitor);
}

static void say_outcome(struct monitor *monitor) {
        const char *message = monitor->outcome.message;

        if (!message)
                return;
        if (monitor->options.quiet) {
                if (monitor->outcome.status == EXIT_RUNTIME)
                        warn("%s", message);
                return;
        }
        AUTO_FREE char *text = xasprintf("pod: %s%s\n", message, monitor->err_display->raw ? "\r" : "");
        display_bytes(monitor->err_display, text, strlen(text));
        print_rest(monitor);
}

static void fill_standard_descriptors(void) {
        int fd;

        /* A descriptor of ours must never become 0, 1 or 2. */
        while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO)
                ;
        if (fd > STDERR_FILENO)
                close(fd);
}

/* Python wants no directory for its standard input, which the lock of a pod in a transient unit is. */
static char *pass_on(int fd) {
        int passed = fd < 0 ? -1 : fcntl(fd, F_DUPFD, STDERR_FILENO + 1);

        if (fd >= 0 && fd <= STDERR_FILENO)
                close(fd);
        return passed < 0 ? xstrdup("-") : xasprintf("%d", passed);
}

/* A pod that asked for a reboot is rendered and started anew, as by `pod start`, in this process and under
 * this lock: for machined it goes and comes, for the service manager nothing has happened. Returns the
 * status if that fails. */
static int start_again(struct monitor *monitor) {
        struct options *options = &monitor->options;
        AUTO_FREE char *lock = pass_on(options->lock_fd);
        AUTO_FREE char *ready = pass_on(options->ready_fd);
        char *argv[] = {(char *) (uintptr_t) options->python,
                        "-P",
                        "-m",
                        "stage1",
                        "again",
                        lock,
                        ready,
                        options->quiet ? "quiet" : "-",
                        (char *) (uintptr_t) (options->keys_text ? options->keys_text : "-"),
                        ".",
                        NULL};

        fill_standard_descriptors(); /* one of them may have told that the pod was ready */
        (void) execv(argv[0], argv);
        warn("pod %s cannot be started again: %s: %s", monitor->launch.label, argv[0], strerror(errno));
        return EXIT_RUNTIME;
}

static int finish(struct monitor *monitor) {
        struct launch *launch = &monitor->launch;
        pid_t rules = rules_remove_begin(launch);

        launch->n_cgroups = more_cgroups("run/groups", &launch->cgroups, launch->n_cgroups);
        drain(monitor);
        attached_finish();
        outcome_decide(&monitor->outcome, monitor->launch.label);
        rules_remove_finish(&monitor->launch, rules);
        outcome_write(&monitor->outcome);
        remove_cgroups(monitor->launch.cgroups, monitor->launch.n_cgroups);
        say_outcome(monitor);
        terminal_restore();
        if (wants_reboot() && monitor->stops == 0 && !monitor->outcome.killed && monitor->options.python &&
            monitor->launch.from_host == 0)
                return start_again(monitor);
        if (monitor->launch.links)
                remove_pod(monitor->launch.links);
        return monitor->outcome.status;
}

int main(int argc, char **argv) {
        struct monitor monitor = {.terminal = {.master = -1, .slave = -1}};

        fill_standard_descriptors();
        monitor.options = parse_options(argc, argv);
        if (chdir(monitor.options.directory) < 0)
                die_errno("cannot enter the pod directory %s", monitor.options.directory);
        if (monitor.options.check) {
                read_launch(&monitor.launch);
                return 0;
        }
        take_lock(&monitor.options);
        read_launch(&monitor.launch);
        take_listeners(&monitor);
        split(&monitor);
        catch_signals(&monitor);
        make_run_directories();
        say_who_we_are();
        make_cgroups(monitor.launch.cgroups, monitor.launch.n_cgroups);
        open_displays(&monitor);
        journal_open(&monitor.launch);
        open_streams(&monitor);
        monitor.notices = (struct source){
                .fd = notify_open(), .events = POLLIN, .ready = notices_ready, .owner = &monitor};
        add_source(&monitor.notices);
        messages_open(&monitor.messages);
        control_open(commands, &monitor.apps);
        run(&monitor);
        return finish(&monitor);
}
