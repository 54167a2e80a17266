#include "ending.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "basic/util.h"
#include "cgroups.h"
#include "console.h"
#include "living.h"
#include "monitor/control/attach.h"
#include "monitor/network/rules.h"
#include "monitor/streams/journal.h"
#include "readiness.h"
#include "remove.h"

#define TERMINAL_WAIT_MS 1000

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

int finish(struct monitor *monitor) {
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
