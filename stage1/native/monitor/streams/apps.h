/* All apps of a pod, as the monitor has them: their streams and logs. They come and go while the pod runs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "display.h"
#include "launchfile/launchfile.h"
#include "streams.h"

struct apps {
        struct app **all; /* each keeps its place in memory: its streams are sources of events */
        size_t count;
        struct display *out, *err; /* NULL: only logged */
        uint64_t log_limit;
        bool prefixed; /* lines say whose they are */
        bool private;  /* the terminal belongs to one of them */
        int width;     /* of the longest name there ever was */
        unsigned opened;
};

/* The apps of run/launch. `out` and `err` NULL: quiet. */
void apps_open(struct apps *apps, const struct launch *launch, struct display *out, struct display *err);

/* NULL if there is none of this name. */
struct app *apps_find(const struct apps *apps, const char *name);

/* Makes room for one more while the pod runs; `words` as of an `app` record. Returns NULL or a sentence. */
char *apps_add(struct apps *apps, char **words);

/* What the app has written so far is read; then its streams go, and its log stays. */
void apps_remove(struct apps *apps, const char *name);

void apps_update(struct apps *apps);
void apps_begin_drain(struct apps *apps);
bool apps_are_drained(const struct apps *apps);
void apps_finish(struct apps *apps);
