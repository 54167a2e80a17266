/* reaper [--root DIR] [--app-root DIR] [--program PATH]
 *        [--missing NAME] [--selinux CONTEXT] [--hooks] [--in-order]
 *        run APP | final APP | done APP | stop WHO | ready tcp:PORT [SECONDS] | await STATE APP |
 *        decide
 *
 * Runs inside the pod, in the pod's own root, and ends at once. `run` is an app's ExecStopPost and records
 * each run; `final` is started by its OnFailure and records that systemd will not start it again. Who finds
 * that the policy says so ends the pod: first the own record, then a look at all others, so that of several
 * at once the last sees all; and one file that can be made only once says who it was. */
#include "reaper.h"

#include <getopt.h>
#include <string.h>

#include "await.h"
#include "basic/util.h"
#include "deciding.h"
#include "listening.h"
#include "probe.h"
#include "runs.h"

#define READY_SECONDS 60

/* Somebody outside asked the pod's PID 1 to halt: first the mark, so that what ends now is known to be
 * stopped. */
static int verb_stop(struct reaper *reaper, char **words) {
        open_status(reaper);
        record_stopping(reaper, words[0]);
        if (!*reaper->root)
                ask_for_end(false);
        return 0;
}

/* An app has come to the pod while it ran, and may have ended before that was done. */
static int verb_decide(struct reaper *reaper, char **words) {
        (void) words;
        open_records(reaper);
        reaper->app = "";
        decide(reaper, NULL);
        return 0;
}

static int verb_ready(struct reaper *reaper, char **words) {
        uint64_t port, main_pid, seconds = READY_SECONDS;

        (void) reaper;
        if (strncmp(words[0], "tcp:", 4) != 0 || !parse_number(words[0] + 4, UINT16_MAX, &port) ||
            port == 0 || (words[1] && !parse_number(words[1], UINT32_MAX, &seconds)))
                die("'%s %s' is no readiness probe", words[0], words[1] ? words[1] : "");
        if (!parse_number(environment("MAINPID"), INT32_MAX, &main_pid))
                main_pid = 0;
        switch (wait_for_port((uint16_t) port, (unsigned) seconds, (pid_t) main_pid)) {
        case PORT_LISTENS:
                return 0;
        case APP_GONE:
                die("the app ended before it listened on TCP port %u", (unsigned) port);
        case PORT_SILENT:
                break;
        }
        die("nothing listens on TCP port %u after %u seconds", (unsigned) port, (unsigned) seconds);
}

static int verb_await(struct reaper *reaper, char **words) {
        open_pod(reaper, words[1]);
        if (strcmp(words[0], "finished") == 0)
                return await_finished(reaper->status_fd, reaper->app) ? 0 : 1;
        if (strcmp(words[0], "started") == 0)
                return await_started(reaper->status_fd, reaper->app) ? 0 : 1;
        die("'%s' is no state to wait for", words[0]);
}

static int verb_listen(struct reaper *reaper, char **words) {
        (void) words;
        open_status(reaper);
        listen_to_apps(reaper->status_fd);
        return 0;
}

/* Confined as an app and doing nothing: so that its system call filters can be read. */
static int verb_hold(struct reaper *reaper, char **words) {
        (void) reaper;
        (void) words;
        pause(); /* until a signal ends this process */
        return 0;
}

static const struct verb {
        const char *name;
        int least, most; /* words after the verb */
        int (*run)(struct reaper *reaper, char **words);
} verbs[] = {
        {"run", 1, 1, verb_run},   {"final", 1, 1, verb_final},   {"done", 1, 1, verb_done},
        {"stop", 1, 1, verb_stop}, {"ready", 1, 2, verb_ready},   {"await", 2, 2, verb_await},
        {"hold", 0, 0, verb_hold}, {"listen", 0, 0, verb_listen}, {"decide", 0, 0, verb_decide},
};

static void parse_options(struct reaper *reaper, int argc, char **argv) {
        static const struct option known[] = {
                {"root", required_argument, NULL, 'r'},    {"app-root", required_argument, NULL, 'a'},
                {"program", required_argument, NULL, 'p'}, {"hooks", no_argument, NULL, 'h'},
                {"in-order", no_argument, NULL, 'i'},      {"selinux", required_argument, NULL, 's'},
                {"missing", required_argument, NULL, 'm'}, {}};
        int option;

        while ((option = getopt_long(argc, argv, "", known, NULL)) >= 0)
                if (option == 'r')
                        reaper->root = optarg;
                else if (option == 'a')
                        reaper->app_root = optarg;
                else if (option == 'p')
                        reaper->program = optarg;
                else if (option == 'h')
                        reaper->hooks = true;
                else if (option == 'i')
                        reaper->in_order = true;
                else if (option == 's')
                        reaper->selinux = optarg;
                else if (option == 'm')
                        reaper->missing = optarg;
                else
                        exit(2);
}

/* PID 1 becomes this program instead of systemd-shutdown when every unit has stopped, with `exit
 * --exit-code=N` among its words. What systemd's own does then (kill, sync, unmount, detach) the kernel does
 * by itself when the last process of these namespaces is gone; leaving it out saves 10 to 20 ms a pod. */
static int finish(int argc, char **argv) {
        uint64_t code = 0;

        for (int i = 1; i < argc; i++)
                if (strncmp(argv[i], "--exit-code=", 12) == 0)
                        (void) parse_number(argv[i] + 12, 255, &code);
        return (int) code;
}

int main(int argc, char **argv) {
        struct reaper reaper = {.root = "", .program = "", .missing = "", .status_fd = -1};

        set_program("reaper", EXIT_RUNTIME);
        if (argc > 0 && strcmp(basename(argv[0]), "systemd-shutdown") == 0)
                return finish(argc, argv);
        parse_options(&reaper, argc, argv);
        for (size_t i = 0; optind < argc && i < ARRAY_LEN(verbs); i++) {
                int words = argc - optind - 1;
                if (strcmp(argv[optind], verbs[i].name) == 0 && words >= verbs[i].least &&
                    words <= verbs[i].most)
                        return verbs[i].run(&reaper, argv + optind + 1);
        }
        warn("usage: reaper [--root DIR] [--app-root DIR] [--program PATH] "
             "[--missing NAME] [--selinux CONTEXT] [--hooks] [--in-order] run APP | final APP | done APP | "
             "stop WHO | ready tcp:PORT [SECONDS] | await STATE APP | decide | hold | listen");
        return 2;
}
