/* inspect: a program for the inside of a container that tells exactly what it sees. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ALL_THE_REST -1

/* One word of the command line with its arguments. A word returns 0, or an exit status that is remembered.
 */
typedef struct Word {
        const char *name;
        int required;
        int optional;
        int (*run)(char **arguments, int count);
        const char *help;
} Word;

/* Each file's table of words ends with a word without a name. */
extern const Word output_words[];
extern const Word process_words[];
extern const Word file_words[];
extern const Word network_words[];
extern const Word probe_words[];

extern int main_argc;
extern char **main_argv;

int complain(const char *word, const char *what);
const char *errno_name(int error);
unsigned long parse_number(const char *text);
int parse_signal(const char *text);
char *read_file(const char *path, size_t *length);

/* Text keeps any bytes: those that are not UTF-8 become lone surrogates, as Python's surrogateescape has it.
 */
void json_text(const char *bytes, size_t length);
void json_string(const char *string);
/* An object with "text" (null unless UTF-8) and "base64". */
void json_bytes(const char *bytes, size_t length);

int report(char **arguments, int count);
/* Says text to NOTIFY_SOCKET, with a descriptor unless it is negative. */
int notify_with(const char *text, int passed);
void report_capabilities(void);
void report_process(void);
void report_kernel(void);

static inline void close_fd(int *fd) {
        if (*fd >= 0)
                close(*fd);
}

static inline void free_memory(void *pointer) {
        free(*(void **) pointer);
}

#define AUTO_CLOSE __attribute__((cleanup(close_fd)))
#define AUTO_FREE  __attribute__((cleanup(free_memory)))
