/* The command line: words are carried out from left to right, each takes its own arguments. */
#include "inspect.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int main_argc;
char **main_argv;

static int help(char **arguments, int count);

static const Word own_words[] = {
        {"help", 0, 0, help, "this list"},
        {"report", 0, 1, report, "[--json] everything about this process, as JSON"},
        {NULL, 0, 0, NULL, NULL},
};

static const Word *const tables[] = {own_words,  output_words,  process_words,
                                     file_words, network_words, probe_words};

#define N_TABLES (sizeof tables / sizeof tables[0])

int complain(const char *word, const char *what) {
        int error = errno;

        fflush(stdout);
        fprintf(stderr, "inspect: %s %s: %s\n", word, what, errno_name(error));
        return 1;
}

const char *errno_name(int error) {
        const char *name = strerrorname_np(error);

        return name ? name : "unknown";
}

/* A number in any base of C, with an optional K, M or G. */
unsigned long parse_number(const char *text) {
        static const struct {
                const char *suffix;
                unsigned long factor;
        } units[] = {{"", 1}, {"K", 1UL << 10}, {"M", 1UL << 20}, {"G", 1UL << 30}};
        char *end;

        errno = 0;
        unsigned long value = strtoul(text, &end, 0);

        for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
                if (errno == 0 && end != text && strcasecmp(end, units[i].suffix) == 0)
                        return value * units[i].factor;
        fprintf(stderr, "inspect: %s is no number\n", text);
        exit(2);
}

int parse_signal(const char *text) {
        if (isdigit((unsigned char) text[0]))
                return (int) parse_number(text);
        if (strncasecmp(text, "SIG", 3) == 0)
                text += 3;
        if (strncasecmp(text, "RTMIN+", 6) == 0)
                return SIGRTMIN + (int) parse_number(text + 6);
        for (int number = 1; number < NSIG; number++) {
                const char *name = sigabbrev_np(number);

                if (name && strcasecmp(name, text) == 0)
                        return number;
        }
        fprintf(stderr, "inspect: no signal is called %s\n", text);
        exit(2);
}

static int help(char **arguments, int count) {
        (void) arguments;
        (void) count;
        puts("usage: inspect WORD [ARGUMENT…] [WORD …]: words are carried out from left to right");
        for (size_t i = 0; i < N_TABLES; i++)
                for (const Word *word = tables[i]; word->name; word++)
                        printf("  %-15s %s\n", word->name, word->help);
        return 0;
}

static const Word *find_word(const char *name) {
        for (size_t i = 0; i < N_TABLES; i++)
                for (const Word *word = tables[i]; word->name; word++)
                        if (strcmp(word->name, name) == 0)
                                return word;
        return NULL;
}

/* Optional arguments end where the next known word begins; ALL_THE_REST does not. */
static int count_arguments(const Word *word, char **rest, int left) {
        int count = word->required;

        if (left < count)
                return -1;
        if (word->optional == ALL_THE_REST)
                return left;
        while (count < word->required + word->optional && count < left && !find_word(rest[count]))
                count++;
        return count;
}

static int run_words(int argc, char **argv) {
        int status = 0;

        for (int at = 1, count; at < argc; at += 1 + count) {
                const Word *word = find_word(argv[at]);

                count = word ? count_arguments(word, argv + at + 1, argc - at - 1) : -1;
                if (count < 0) {
                        fprintf(stderr, "inspect: %s: %s\n", argv[at],
                                word ? "needs more arguments" : "is no word of mine, see: inspect help");
                        return 2;
                }
                int result = word->run(argv + at + 1, count);

                /* Tests read the output while a later word still runs. */
                if (fflush(stdout) != 0)
                        result = complain(word->name, "stdout");
                if (result != 0)
                        status = result;
        }
        return status;
}

int main(int argc, char **argv) {
        char *alone[] = {argv[0], (char[]){"report"}, NULL};

        main_argc = argc;
        main_argv = argv;
        return argc > 1 ? run_words(argc, argv) : run_words(2, alone);
}
