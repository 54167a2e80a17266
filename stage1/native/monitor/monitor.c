/* monitor [--lock-fd N] [--ready-fd N] [--quiet] [--check] [--python PATH] DIR
 *
 * What `pod run` becomes: the parent of systemd-nspawn for a pod's whole life. It makes the pod's cgroups,
 * FIFOs and mounts as run/launch says, starts the supervisor, carries the apps' streams, passes signals on,
 * and ends with the status that the records say. Single-threaded, one event loop, a few hundred kilobytes.
 */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/files.h"
#include "basic/times.h"
#include "basic/util.h"
#include "cgroups.h"
#include "console.h"
#include "ending.h"
#include "listeners.h"
#include "living.h"
#include "messages.h"
#include "monitor/control/commands.h"
#include "monitor/control/control.h"
#include "monitor/propagation/sharing.h"
#include "monitor/streams/journal.h"
#include "readiness.h"
#include "stopping.h"

#define LOOKS_MAX 1000

/* Who looks whether the pod runs holds it for a moment as well, but not alone. */
static bool lock_alone(int fd) {
        for (int i = 0; i < LOOKS_MAX; i++) {
                if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                        return true;
                if (errno != EWOULDBLOCK || flock(fd, LOCK_SH | LOCK_NB) < 0)
                        return false;
                (void) flock(fd, LOCK_UN);
                (void) poll(NULL, 0, 1);
        }
        return false;
}

static void take_lock(struct options *options) {
        struct stat here, locked;

        if (options->lock_fd < 0)
                options->lock_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (stat(".", &here) < 0 || fstat(options->lock_fd, &locked) < 0)
                die_errno("cannot look at the lock of %s", options->directory);
        if (here.st_dev != locked.st_dev || here.st_ino != locked.st_ino)
                die("descriptor %d is not the pod directory %s", options->lock_fd, options->directory);
        if (!lock_alone(options->lock_fd))
                die("%s is already running: %s", options->directory, strerror(errno));
        (void) fcntl(options->lock_fd, F_SETFD, FD_CLOEXEC);
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
        watch_notices(&monitor);
        messages_open(&monitor.messages);
        control_open(commands, &monitor.apps);
        sharing_open(&monitor.launch);
        run(&monitor);
        return finish(&monitor);
}
