#include "options.h"

#include <fcntl.h>
#include <getopt.h>

#include "basic/util.h"

static int parse_fd(const char *text) {
        uint64_t fd;

        if (!parse_number(text, INT32_MAX, &fd) || fcntl((int) fd, F_SETFD, FD_CLOEXEC) < 0)
                die("'%s' is no open descriptor", text);
        return (int) fd;
}

struct options parse_options(int argc, char **argv) {
        static const struct option known[] = {{"detach-keys", required_argument, NULL, 'k'},
                                              {"lock-fd", required_argument, NULL, 'l'},
                                              {"ready-fd", required_argument, NULL, 'r'},
                                              {"quiet", no_argument, NULL, 'q'},
                                              {"check", no_argument, NULL, 'c'},
                                              {"python", required_argument, NULL, 'p'},
                                              {}};
        struct options options = {.lock_fd = -1, .ready_fd = -1};
        int option;

        while ((option = getopt_long(argc, argv, "", known, NULL)) >= 0)
                if (option == 'l')
                        options.lock_fd = parse_fd(optarg);
                else if (option == 'r')
                        options.ready_fd = parse_fd(optarg);
                else if (option == 'q')
                        options.quiet = true;
                else if (option == 'p')
                        options.python = optarg;
                else if (option == 'c')
                        options.check = true;
                else if (option != 'k')
                        exit(2);
                else if (options.keys_text = xstrdup(optarg), !parse_keys(&options.keys, optarg))
                        die("detach keys are up to %d numbers below 256", DETACH_KEYS_MAX);
        if (optind != argc - 1) {
                warn("usage: monitor [--lock-fd N] [--ready-fd N] [--quiet] [--detach-keys LIST] [--check] "
                     "[--python PATH] DIR");
                exit(2);
        }
        options.directory = argv[optind];
        return options;
}
