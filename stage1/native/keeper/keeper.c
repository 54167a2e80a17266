/* keeper [OPTION…] DIR APP PROGRAM [ARGUMENT…]
 *
 * Runs a command inside an app of the running pod in DIR: finds the app's process, reads what it is and has,
 * decides what the command gets, and lets enter join. It stays outside itself: it is the command's parent,
 * holds the user's terminal and the streams, and passes signals on. Single-threaded. Ends with the command's
 * status, 128 + N for a signal; 125, 126, 127 as documented. `--capture FILE DIR APP` reads system call
 * filters.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "basic/execute.h"
#include "basic/files.h"
#include "basic/util.h"
#include "capturing.h"
#include "enterfile.h"
#include "sealed.h"
#include "session.h"
#include "starting.h"
#include "terminal/front.h"

#define ENTRY_MAX ((size_t) 64 << 20)

static void read_entry(struct entry *entry, const char *app) {
        AUTO_FREE char *path = xasprintf("run/enter/%s", app);
        size_t size;
        char *text = read_file(AT_FDCWD, path, &size, ENTRY_MAX);
        char *error;

        if (!text)
                die("the pod has no app %s, or was started by an older version", app);
        error = entry_parse(entry, text, size);
        if (error)
                die("%s: %s", path, error);
}

/* A process with fewer filters than its unit has is not yet the app; the kernel counts what systemd put on.
 */
static void choose_filters(struct filters *filters, const struct subject *subject,
                           const struct entry *entry) {
        *filters = (struct filters){};
        if (entry->filters && (subject->app || subject->n_filters > 0))
                filters_read(filters, entry->filters);
        if (!subject->app)
                filters->count = filters->n_base;
        if (filters->count > subject->n_filters || filters->n_base != subject->n_leader_filters ||
            (subject->n_filters > 0 && !entry->filters))
                die("%s%s has %u system call filters, of which the pod's PID 1 has %u; recorded are %u and "
                    "%u",
                    subject->app ? "app " : "the pod", subject->app ? subject->app : "", subject->n_filters,
                    subject->n_leader_filters, filters->count, filters->n_base);
}

static void set_variable(char **environment, size_t *count, char *assignment) {
        size_t length = strcspn(assignment, "=") + 1;

        for (size_t i = 0; i < *count; i++)
                if (strncmp(environment[i], assignment, length) == 0) {
                        environment[i] = assignment;
                        return;
                }
        environment[(*count)++] = assignment;
}

/* The app's own variables, those of a terminal or of another user, and what was asked for. */
static char **make_environment(const struct keeper_options *options, const struct entry *entry,
                               const struct rights *rights) {
        char **environment = xalloc((entry->n_environment + options->n_environment + 4) * sizeof(char *));
        size_t count = 0;
        const char *terminal = getenv("TERM");

        for (size_t i = 0; i < entry->n_environment; i++)
                environment[count++] = entry->environment[i];
        if (options->host_tools)
                set_variable(environment, &count, xstrdup("PATH=" PATH_DEFAULT));
        if (options->terminal)
                set_variable(environment, &count, xasprintf("TERM=%s", terminal ? terminal : "xterm"));
        if (rights->home && *rights->home)
                set_variable(environment, &count, xasprintf("HOME=%s", rights->home));
        for (size_t i = 0; i < options->n_environment; i++)
                set_variable(environment, &count, options->environment[i]);
        return environment;
}

static int capture(const struct keeper_options *options) {
        struct subject subject;
        struct filters filters = {};

        find_subject(&subject, options->app, false);
        read_subject(&subject);
        filters.n_base = subject.n_leader_filters;
        if (subject.n_filters > 0)
                filters_take(&filters, subject.pid);
        filters_write(&filters, options->capture);
        return 0;
}

static int take_host_tools(void) {
        int tools = clone_read_only("/usr", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);

        if (tools < 0)
                die_errno("cannot take the host's /usr along");
        return tools;
}

static int keep(const struct keeper_options *options) {
        struct entry entry = {.directory = "/"};
        struct session session = {.options = options, .app = options->app, .front = -1};
        struct subject subject;
        struct filters filters;
        struct rights rights;

        if (options->detach || (options->terminal && options->keys.count > 0))
                session.front = split_front();
        if (options->app)
                read_entry(&entry, options->app);
        find_subject(&subject, options->app, true);
        read_subject(&subject);
        choose_filters(&filters, &subject, &entry);
        choose_rights(&rights, &subject, options);
        open_session(&session, subject.root, rights.owner);
        struct command command = {.subject = &subject,
                                  .rights = &rights,
                                  .filters = &filters,
                                  .filter_file = filters.programs ? entry.filters : NULL,
                                  .argv = options->argv,
                                  .environment = make_environment(options, &entry, &rights),
                                  .terminal = options->terminal,
                                  .preserved = options->preserved,
                                  .tools = options->host_tools ? take_host_tools() : -1};
        command.directory = options->workdir      ? options->workdir
                            : options->host_tools ? "/app"
                                                  : entry.directory;
        memcpy(command.streams, session.child_streams, sizeof(command.streams));
        session.child = start_command(&command);
        return run_session(&session);
}

int main(int argc, char **argv) {
        fill_standard_descriptors();
        struct keeper_options options = parse_keeper_options(argc, argv);
        if (chdir(options.directory) < 0)
                die_errno("cannot enter the pod directory %s", options.directory);
        return options.capture ? capture(&options) : keep(&options);
}
