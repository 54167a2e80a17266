/* What every small program here needs: one way to fail, owned resources, memory, numbers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#define EXIT_RUNTIME 125 /* the runtime failed, not the app; Python has the same number */

#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#define AUTO_FREE                __attribute__((cleanup(free_pointer)))
#define AUTO_CLOSE               __attribute__((cleanup(close_descriptor)))
#define ARRAY_LEN(array)         (sizeof(array) / sizeof((array)[0]))

void free_pointer(void *pointer);
void close_descriptor(int *fd);

/* Hands a descriptor over: the variable forgets it, so that its cleanup does nothing. */
int take_fd(int *fd);

/* A descriptor of ours must never become 0, 1 or 2: opens those that are closed. */
void fill_standard_descriptors(void);

/* A message is one line `pod: …` on stderr. After die_through(fd), die() writes the bare text to fd instead
 * and leaves without running exit handlers: a forked child must not undo what its parent set up. */
void die_through(int fd);

/* What a child says so, to its end; NULL if it is silent. */
char *last_words(int fd);

void die(const char *format, ...) __attribute__((noreturn)) PRINTF_LIKE(1, 2);
void die_errno(const char *format, ...) __attribute__((noreturn)) PRINTF_LIKE(1, 2);
void warn(const char *format, ...) PRINTF_LIKE(1, 2);

/* The name messages begin with and the status die() leaves with; the launcher has others. */
void set_program(const char *name, int status);
void set_status(int status);

void *xalloc(size_t size);
void *xrealloc(void *pointer, size_t size);
char *xstrdup(const char *text);
char *xasprintf(const char *format, ...) PRINTF_LIKE(1, 2);

/* All of it; 0 or a negative errno. */
int write_all(int fd, const void *data, size_t size);

/* A path may hold any byte, and a message stays one line: control characters become `?`. */
void make_printable(char *text);

bool parse_number(const char *text, uint64_t max, uint64_t *value);
