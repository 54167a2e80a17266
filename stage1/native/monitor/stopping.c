#include "stopping.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/notify.h"
#include "basic/util.h"
#include "cgroups.h"
#include "console.h"
#include "leader.h"
#include "supervisor.h"
#include "terminal/front.h"

#define HALT_SIGNAL (SIGRTMIN + 3) /* to a systemd that is PID 1: start halt.target */

/* PID 1 of a pid namespace loses a signal it has not prepared for, and systemd-nspawn hands the stop on only
 * once: so the pod that is stopped while it boots gets the signal again, when it can hear it. */
void hand_on_halt(struct monitor *monitor) {
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

/* Without its network the pod ends by itself; this is why. */
void reap_wiring(struct monitor *monitor, bool now) {
        AUTO_FREE char *error = wiring_end(&monitor->wiring, now);

        if (error && !monitor->outcome.start_error)
                monitor->outcome.start_error = xstrdup(error);
}

static void reap(struct monitor *monitor) {
        int status;

        reap_wiring(monitor, false);
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

void catch_signals(struct monitor *monitor) {
        static const int caught[] = {SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH};
        sigset_t set;

        sigemptyset(&set);
        for (size_t i = 0; i < ARRAY_LEN(caught); i++)
                sigaddset(&set, caught[i]);
        /* The others are how commands tell us to stop the pod and to kill it, whoever started it. */
        if (is_ignored(SIGHUP))
                sigdelset(&set, SIGHUP);
        if (is_ignored(SIGINT))
                sigdelset(&set, SIGINT);
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
