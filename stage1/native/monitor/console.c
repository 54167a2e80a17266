#include "console.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/util.h"
#include "terminal/front.h"

bool has_terminal(const struct monitor *monitor) {
        return monitor->terminal.master >= 0;
}

void stop_printing(struct monitor *monitor) {
        if (monitor->options.quiet)
                return;
        display_close(&monitor->out);
        display_close(&monitor->err);
}

/* Two displays for one file would cut each other's lines: output and errors share one then. */
void open_displays(struct monitor *monitor) {
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

void split(struct monitor *monitor) {
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

void open_streams(struct monitor *monitor) {
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
