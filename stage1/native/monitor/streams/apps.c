#include "apps.h"

#include <errno.h>
#include <string.h>

#include "basic/util.h"

/* On a terminal that belongs to one app lines of the others would only be in its way; they are in the log.
 */
static bool is_shown(const struct launch *launch, const struct app_spec *spec) {
        for (size_t i = 0; i < launch->n_apps; i++)
                if (launch->apps[i].stdin_kind == STDIN_TTY)
                        return spec == &launch->apps[i] || spec->out_kind == OUTPUT_STREAM;
        return true;
}

static void widen(struct apps *apps, const char *name) {
        int length = (int) strlen(name);

        if (length > apps->width)
                apps->width = length;
}

/* False and errno if its streams cannot be made. */
static bool append(struct apps *apps, const struct app_spec *spec, bool shown) {
        struct app_look look = {.out = shown ? apps->out : NULL,
                                .err = shown ? apps->err : NULL,
                                .width = apps->prefixed ? apps->width : 0,
                                .index = apps->opened};
        AUTO_FREE struct app *app = xalloc(sizeof(*app));

        if (!app_open(app, spec, apps->log_limit, &look))
                return false;
        apps->all = xrealloc(apps->all, (apps->count + 1) * sizeof(*apps->all));
        apps->all[apps->count++] = app;
        apps->opened++;
        app = NULL;
        return true;
}

void apps_open(struct apps *apps, const struct launch *launch, struct display *out, struct display *err) {
        *apps = (struct apps){.out = out, .err = err, .log_limit = launch->log_limit};
        apps->prefixed = launch->n_apps != 1;
        for (size_t i = 0; i < launch->n_apps; i++)
                widen(apps, launch->apps[i].name);
        for (size_t i = 0; i < launch->n_apps; i++) {
                const struct app_spec *spec = &launch->apps[i];
                if (!append(apps, spec, is_shown(launch, spec)))
                        die_errno("cannot make the streams of app %s", spec->name);
                if (spec->stdin_kind == STDIN_TTY)
                        apps->private = true;
        }
}

struct app *apps_find(const struct apps *apps, const char *name) {
        for (size_t i = 0; i < apps->count; i++)
                if (strcmp(apps->all[i]->spec->name, name) == 0)
                        return apps->all[i];
        return NULL;
}

static void free_spec(const struct app_spec *spec) {
        free((void *) (uintptr_t) spec->name);
        free((void *) (uintptr_t) spec);
}

char *apps_add(struct apps *apps, char **words) {
        struct app_spec read, *spec;
        char *error = app_spec_parse(&read, words);

        if (error)
                return error;
        if (read.stdin_kind != STDIN_NONE)
                return xasprintf("app %s: standard input is given to apps when the pod starts", read.name);
        if (apps_find(apps, read.name))
                return xasprintf("app %s has its streams already", read.name);
        spec = xalloc(sizeof(*spec));
        *spec = read;
        spec->name = xstrdup(read.name);
        spec->added = true;
        widen(apps, spec->name);
        apps->prefixed = true;
        if (append(apps, spec, !apps->private || spec->out_kind == OUTPUT_STREAM))
                return NULL;
        error = xasprintf("cannot make the streams of app %s: %s", spec->name, strerror(errno));
        free_spec(spec);
        return error;
}

void apps_remove(struct apps *apps, const char *name) {
        struct app *app = apps_find(apps, name);
        size_t at = 0;

        if (!app || app->out.terminal)
                return;
        while (apps->all[at] != app)
                at++;
        memmove(&apps->all[at], &apps->all[at + 1], (--apps->count - at) * sizeof(*apps->all));
        app_close(app);
        if (app->spec->added)
                free_spec(app->spec);
        free(app);
}

void apps_update(struct apps *apps) {
        for (size_t i = 0; i < apps->count; i++)
                app_update(apps->all[i]);
}

void apps_begin_drain(struct apps *apps) {
        for (size_t i = 0; i < apps->count; i++)
                app_begin_drain(apps->all[i]);
}

bool apps_are_drained(const struct apps *apps) {
        for (size_t i = 0; i < apps->count; i++)
                if (!app_is_drained(apps->all[i]))
                        return false;
        return true;
}

void apps_finish(struct apps *apps) {
        for (size_t i = 0; i < apps->count; i++)
                app_finish(apps->all[i]);
}
