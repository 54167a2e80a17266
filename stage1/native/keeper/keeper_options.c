#include "keeper_options.h"

#include <fcntl.h>
#include <getopt.h>
#include <string.h>

#include "basic/util.h"
#include "capability_names.h"

#define PRESERVED_MAX 1024

static const struct option known[] = {{"add-cap", required_argument, NULL, 'c'},
                                      {"capture", required_argument, NULL, 'f'},
                                      {"detach", no_argument, NULL, 'd'},
                                      {"detach-keys", required_argument, NULL, 'k'},
                                      {"env", required_argument, NULL, 'e'},
                                      {"host-tools", no_argument, NULL, 'h'},
                                      {"input", no_argument, NULL, 'i'},
                                      {"pod", no_argument, NULL, 'p'},
                                      {"preserve-fds", required_argument, NULL, 'n'},
                                      {"privileged", no_argument, NULL, 'P'},
                                      {"terminal", no_argument, NULL, 't'},
                                      {"user", required_argument, NULL, 'u'},
                                      {"workdir", required_argument, NULL, 'w'},
                                      {}};

static void add_capability(struct keeper_options *options, const char *name) {
        int number = capability_number(name);

        if (number < 0)
                die("'%s' is no capability", name);
        options->added_capabilities |= UINT64_C(1) << number;
}

/* Each must be there: what is opened later would take the place of one that is not. */
static void set_preserved(struct keeper_options *options, const char *text) {
        uint64_t count;

        if (!parse_number(text, PRESERVED_MAX, &count))
                die("'%s' is no number of descriptors from 0 to %d", text, PRESERVED_MAX);
        options->preserved = (int) count;
        for (int fd = 3; fd < 3 + options->preserved; fd++)
                if (fcntl(fd, F_GETFD) < 0)
                        die("descriptor %d is not open", fd);
}

static void add_variable(struct keeper_options *options, char *text) {
        if (!strchr(text, '=') || *text == '=')
                die("'%s' is not KEY=VALUE", text);
        options->environment[options->n_environment++] = text;
}

static bool set_flag(struct keeper_options *options, int option) {
        bool *flag = option == 'd'   ? &options->detach
                     : option == 'h' ? &options->host_tools
                     : option == 'i' ? &options->input
                     : option == 'P' ? &options->privileged
                     : option == 't' ? &options->terminal
                                     : NULL;
        if (flag)
                *flag = true;
        return flag;
}

static void take_option(struct keeper_options *options, int option) {
        if (set_flag(options, option))
                return;
        switch (option) {
        case 'c':
                add_capability(options, optarg);
                break;
        case 'e':
                add_variable(options, optarg);
                break;
        case 'f':
                options->capture = optarg;
                break;
        case 'k':
                if (!parse_keys(&options->keys, optarg))
                        die("detach keys are up to %d numbers below 256", DETACH_KEYS_MAX);
                break;
        case 'n':
                set_preserved(options, optarg);
                break;
        case 'u':
                options->user = optarg;
                break;
        case 'w':
                if (*optarg == '\0')
                        die("'' is no directory");
                options->workdir = optarg;
                break;
        default: /* getopt has said what is wrong */
                exit(2);
        }
}

struct keeper_options parse_keeper_options(int argc, char **argv) {
        struct keeper_options options = {.environment = xalloc((size_t) argc * sizeof(char *) + 1)};
        bool pod = false;
        int option;

        while ((option = getopt_long(argc, argv, "+", known, NULL)) >= 0)
                if (option == 'p')
                        pod = true;
                else
                        take_option(&options, option);
        argc -= optind;
        argv += optind;
        if (argc < 2 + (options.capture ? 0 : 1) || *argv[1] == '\0') {
                warn("usage: keeper [OPTION…] DIR APP PROGRAM [ARGUMENT…]");
                exit(2);
        }
        options.directory = argv[0];
        options.app = pod ? NULL : argv[1];
        options.argv = argv + 2;
        if (strchr(argv[1], '/') || argv[1][0] == '.')
                die("'%s' is no app name", argv[1]);
        return options;
}
