#include "journal.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "basic/times.h"
#include "basic/util.h"
#include "entries.h"

#define LINE_MAX_GATHERED ((size_t) 256 << 10) /* a longer line becomes several entries */
#define PRIORITY_OUT      6                    /* LOG_INFO */
#define PRIORITY_ERR      4                    /* LOG_WARNING */
#define END_MS            2000                 /* what the end of the pod waits for a journal that is slow */
#define LAST_WORD_MS      100
#define OWN_NAME          "-" /* who says what was left out: the pod, no app */

struct journal_stream {
        char *app;
        const char *kind;
        struct fields fields;
        int usual, priority; /* of all lines, and of this one */
        char *gathered;      /* the line so far, when it is longer than a piece */
        size_t size;
        bool inside; /* the line has begun in an earlier entry */
};

static struct journal_stream **streams; /* each keeps its place: entries in the queue point to its fields */
static size_t n_streams;
static const struct launch *rules;

/* The present interval of the rate limit. */
static struct timespec began;
static uint64_t lines, left_out, refused;

static struct journal_stream *find_or_make(const char *app, const char *kind) {
        struct journal_stream *stream = journal_of(app, kind);

        if (stream)
                return stream;
        stream = xalloc(sizeof(*stream));
        *stream = (struct journal_stream){.app = xstrdup(app), .kind = kind};
        streams = xrealloc(streams, (n_streams + 1) * sizeof(*streams));
        streams[n_streams++] = stream;
        return stream;
}

static void add_stream(const struct journal_spec *spec, const char *kind, int priority) {
        struct journal_stream *stream = find_or_make(spec->app, kind);

        stream->usual = priority;
        stream->fields.size = 0;
        for (char **field = spec->fields; *field; field++) {
                char *value = strchr(*field, '=');
                AUTO_FREE char *name = xasprintf("%.*s", (int) (value - *field), *field);
                fields_add(&stream->fields, name, value + 1);
        }
        if (strcmp(spec->app, OWN_NAME) != 0)
                fields_add(&stream->fields, "POD_STREAM", kind);
}

void journal_open(const struct launch *launch) {
        if (launch->n_journals == 0 || !entries_open())
                return;
        rules = launch;
        for (size_t i = 0; i < launch->n_journals; i++)
                journal_add(&launch->journals[i]);
}

void journal_add(const struct journal_spec *spec) {
        if (!rules)
                return;
        add_stream(spec, "stdout", PRIORITY_OUT);
        add_stream(spec, "stderr", PRIORITY_ERR);
}

struct journal_stream *journal_of(const char *app, const char *kind) {
        for (size_t i = 0; i < n_streams; i++)
                if (strcmp(streams[i]->app, app) == 0 && strcmp(streams[i]->kind, kind) == 0)
                        return streams[i];
        return NULL;
}

static long long since(const struct timespec *then) {
        struct timespec now = time_now(CLOCK_MONOTONIC);

        return (now.tv_sec - then->tv_sec) * 1000LL + (now.tv_nsec - then->tv_nsec) / 1000000LL;
}

static long long interval(void) {
        return (long long) rules->journal_seconds * 1000;
}

/* True if one more line may go now. */
static bool take_turn(void) {
        if (rules->journal_lines == 0)
                return true;
        if (lines == 0 || (lines >= rules->journal_lines && left_out == 0 && since(&began) >= interval())) {
                began = time_now(CLOCK_MONOTONIC);
                lines = 0;
        }
        if (lines < rules->journal_lines) {
                lines++;
                return true;
        }
        left_out++;
        return false;
}

/* The priority that a line begins with, as sd-daemon(3) has it; returns the length of that beginning. */
static size_t read_priority(struct journal_stream *stream, const struct line *line) {
        char first[3] = {};

        for (size_t i = 0; i < sizeof(first); i++)
                first[i] = i < line->head_size                     ? line->head[i]
                           : i < line->head_size + line->tail_size ? line->tail[i - line->head_size]
                                                                   : '\0';
        stream->priority = stream->usual;
        if (first[0] != '<' || first[1] < '0' || first[1] > '7' || first[2] != '>')
                return 0;
        stream->priority = first[1] - '0';
        return sizeof(first);
}

static struct line without(const struct line *line, size_t size) {
        struct line rest = *line;
        size_t of_head = size < line->head_size ? size : line->head_size;

        rest.head += of_head;
        rest.head_size -= of_head;
        rest.tail += size - of_head;
        rest.tail_size -= size - of_head;
        return rest;
}

/* The entries of one line count as one; the whole line goes, or none of it. */
static void put_entry(struct journal_stream *stream, const struct line *text, bool whole) {
        struct line rest = *text;

        if (!stream->inside)
                rest = without(text, read_priority(stream, text));
        if (!stream->inside && !take_turn())
                stream->priority = -1; /* left out, with what follows of it */
        if (stream->priority >= 0 && !entries_put(&stream->fields, stream->priority, !whole, &rest)) {
                entries_send();
                if (!entries_put(&stream->fields, stream->priority, !whole, &rest))
                        refused++;
        }
        stream->inside = !whole;
}

void journal_line(struct journal_stream *stream, const struct line *line) {
        size_t size = line->head_size + line->tail_size;

        if (!line->whole || stream->size > 0) {
                stream->gathered = xrealloc(stream->gathered, stream->size + size);
                if (line->head_size > 0)
                        memcpy(stream->gathered + stream->size, line->head, line->head_size);
                if (line->tail_size > 0)
                        memcpy(stream->gathered + stream->size + line->head_size, line->tail,
                               line->tail_size);
                stream->size += size;
        }
        if (!line->whole && stream->size < LINE_MAX_GATHERED)
                return;
        if (stream->size == 0) {
                put_entry(stream, line, line->whole);
                return;
        }
        struct line gathered = {.tail = stream->gathered, .tail_size = stream->size};
        put_entry(stream, &gathered, line->whole);
        free(stream->gathered);
        stream->gathered = NULL;
        stream->size = 0;
}

void journal_send(void) {
        if (n_streams > 0)
                entries_send();
}

static void say(const char *text) {
        struct journal_stream *own = journal_of(OWN_NAME, "stderr");
        struct line line = {.tail = text, .tail_size = strlen(text), .whole = true};

        if (own)
                (void) entries_put(&own->fields, own->usual, false, &line);
}

/* One line tells how many were too many when their interval is over, one how many the journal did not take.
 */
static void account(bool at_end) {
        refused += entries_lost();
        if (refused > 0 && (at_end || entries_are_sent())) {
                AUTO_FREE char *text = xasprintf("%llu lines of the pod are not here: the journal did not "
                                                 "take them; they are in its own logs",
                                                 (unsigned long long) refused);
                refused = 0;
                say(text);
        }
        if (left_out > 0 && (at_end || since(&began) >= interval())) {
                AUTO_FREE char *text =
                        xasprintf("%llu lines of the pod are not here: they were more than %llu in %llus; "
                                  "they are in its own logs",
                                  (unsigned long long) left_out, (unsigned long long) rules->journal_lines,
                                  (unsigned long long) rules->journal_seconds);
                left_out = lines = 0;
                say(text);
        }
        entries_send();
}

int journal_check(void) {
        int retry;
        long long left;

        if (n_streams == 0)
                return -1;
        if (left_out > 0 || refused > 0)
                account(false);
        retry = entries_check();
        if (left_out == 0)
                return retry;
        left = interval() - since(&began);
        left = left < 1 ? 1 : left;
        return retry >= 0 && retry < left ? retry : (int) left;
}

void journal_close(void) {
        if (n_streams == 0)
                return;
        refused += entries_finish(END_MS);
        account(true);
        (void) entries_finish(LAST_WORD_MS);
}

void journal_forget(void) {
        if (n_streams > 0)
                entries_forget();
}

bool is_journal(int fd) {
        const char *text = getenv("JOURNAL_STREAM");
        struct stat status;

        if (!text || fstat(fd, &status) < 0)
                return false;
        AUTO_FREE char *own = xasprintf("%llu:%llu", (unsigned long long) status.st_dev,
                                        (unsigned long long) status.st_ino);
        return strcmp(own, text) == 0;
}
