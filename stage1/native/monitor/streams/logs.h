/* run/logs/APP.log: one bounded log an app, in CRI's format. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log {
        char *path;
        int fd;
        uint64_t size;
        uint64_t half; /* size at which the log is put aside as APP.log.1 */
        bool failed;
};

/* A line may lie in two parts: what an earlier read left over, and what came now. */
struct line {
        const char *head, *tail;
        size_t head_size, tail_size;
        bool whole; /* false: the line goes on */
};

/* False and errno if it cannot be opened. */
bool log_open(struct log *log, const char *app, uint64_t limit);
void log_close(struct log *log);

/* Lines are gathered and written together: begin, lines, end. They share one time. */
void log_begin(void);
void log_line(struct log *log, const char *stream, const struct line *line);
void log_end(struct log *log);

/* Between batches: gives the memory of the batch back. */
void log_forget(void);
