/* mounter add [OPTION…] DIR APP SOURCE TARGET
 * mounter remove DIR APP TARGET ID
 * mounter install DIR APP, mounter uninstall DIR APP [KEPT…]
 * mounter hold DIR APP [VOLUME TARGET]…
 *
 * What comes to the running pod in DIR, and goes: trees of the host in its apps, whole apps. */
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "basic/util.h"
#include "holding.h"
#include "joining.h"
#include "livemount.h"

static struct request parse(int argc, char **argv) {
        static const struct option known[] = {{"app-runs", no_argument, NULL, 'a'},
                                              {"machine", required_argument, NULL, 'm'},
                                              {"note", required_argument, NULL, 'n'},
                                              {"propagate", no_argument, NULL, 'p'},
                                              {"read-only", no_argument, NULL, 'r'},
                                              {"recursive", no_argument, NULL, 'R'},
                                              {}};
        struct request request = {.machine = ""};
        int option;

        while ((option = getopt_long(argc, argv, "", known, NULL)) >= 0)
                if (option == '?')
                        exit(2);
                else if (option == 'm')
                        request.machine = optarg;
                else if (option == 'n')
                        request.note = optarg;
                else
                        *(option == 'a'   ? &request.app_runs
                          : option == 'p' ? &request.propagate
                          : option == 'r' ? &request.read_only
                                          : &request.recursive) = true;
        argv += optind;
        bool adds = argc - optind == 5 && strcmp(argv[0], "add") == 0;
        bool removes = argc - optind == 5 && strcmp(argv[0], "remove") == 0;
        if ((!adds && !removes) || strchr(argv[2], '/') || argv[2][0] == '.' ||
            (removes && !parse_number(argv[4], UINT64_MAX, &request.id))) {
                warn("usage: mounter add|remove [OPTION…] DIR APP SOURCE|TARGET TARGET|ID");
                exit(2);
        }
        request.directory = argv[1];
        request.app = argv[2];
        request.source = adds ? argv[3] : NULL;
        request.target = adds ? argv[4] : argv[3];
        return request;
}

static void enter_pod(const char *directory) {
        if (chdir(directory) < 0)
                die_errno("cannot enter the pod directory %s", directory);
}

int main(int argc, char **argv) {
        umask(022);
        if (argc >= 4 && strcmp(argv[1], "hold") == 0) {
                enter_pod(argv[2]);
                return hold(argv[3], argv + 4);
        }
        bool installs = argc == 4 && strcmp(argv[1], "install") == 0;
        if (installs || (argc >= 4 && strcmp(argv[1], "uninstall") == 0)) {
                if (strchr(argv[3], '/') || argv[3][0] == '.')
                        die("'%s' is no app name", argv[3]);
                enter_pod(argv[2]);
                return installs ? install_app(argv[3]) : uninstall_app(argv[3], argv + 4);
        }
        struct request request = parse(argc, argv);
        enter_pod(request.directory);
        return request.source ? add_mount(&request) : remove_mount(&request);
}
