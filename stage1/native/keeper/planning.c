#include "planning.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>

#include "basic/util.h"
#include "enter/plan.h"

static void put_text(FILE *plan, const char *name, const char *value) {
        if (value)
                (void) fprintf(plan, "%s%c%s%c%c", name, 0, value, 0, 0);
}

static void put_number(FILE *plan, const char *name, uint64_t value) {
        (void) fprintf(plan, "%s%c%" PRIu64 "%c%c", name, 0, value, 0, 0);
}

static void put_rights(FILE *plan, const struct rights *rights) {
        for (int i = 0; i < 3; i++)
                put_number(plan, "uid", rights->uids[i]);
        for (int i = 0; i < 3; i++)
                put_number(plan, "gid", rights->gids[i]);
        for (size_t i = 0; i < rights->n_groups; i++)
                put_number(plan, "group", rights->groups[i]);
        put_number(plan, "permitted", rights->permitted);
        put_number(plan, "inheritable", rights->inheritable);
        put_number(plan, "bounding", rights->bounding);
        put_number(plan, "ambient", rights->ambient);
        put_number(plan, "no-new-privs", rights->no_new_privs);
}

static void put_subject(FILE *plan, const struct subject *subject) {
        put_number(plan, "process", (uint64_t) subject->process);
        put_number(plan, "namespaces", (uint64_t) subject->namespaces);
        put_number(plan, "root", (uint64_t) subject->root);
        put_number(plan, "umask", subject->umask);
        put_text(plan, "label", subject->label);
        for (int i = 0; i < RLIM_NLIMITS; i++) {
                put_number(plan, "limit", subject->limits[i].rlim_cur);
                put_number(plan, "limit", subject->limits[i].rlim_max);
        }
}

static void put_filters(FILE *plan, const struct command *command) {
        const struct filters *filters = command->filters;

        put_text(plan, "filters", command->filter_file);
        put_number(plan, "base-filters", filters->n_base);
        put_number(plan, "last-filter", command->rights->app_filters ? filters->count : filters->n_base);
}

int write_plan(const struct command *command) {
        AUTO_CLOSE int fd = memfd_create("plan", MFD_CLOEXEC);
        AUTO_FREE char *text = NULL;
        size_t size = 0;
        FILE *plan = open_memstream(&text, &size);

        if (fd < 0 || !plan)
                die_errno("cannot make a plan");
        put_subject(plan, command->subject);
        put_rights(plan, command->rights);
        put_filters(plan, command);
        put_number(plan, "preserved", (uint64_t) command->preserved);
        put_number(plan, "terminal", command->terminal);
        put_number(plan, "tools", command->tools < 0 ? NO_TOOLS : (uint64_t) command->tools);
        put_text(plan, "directory", command->directory);
        for (char **variable = command->environment; *variable; variable++)
                put_text(plan, "env", *variable);
        if (fclose(plan) != 0)
                die("out of memory");
        int result = write_all(fd, text, size);
        errno = -result;
        if (result < 0)
                die_errno("cannot write the plan");
        return take_fd(&fd);
}
