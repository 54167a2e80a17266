/* Records of run/launch: the network namespace and what is in it. */
#include <string.h>

#include "basic/util.h"
#include "launch_records.h"

char *take_netns(struct launch *launch, char **words) {
        bool joins = strcmp(words[0], "new") != 0;

        if (launch->network != NETWORK_HOST)
                return xstrdup("there are two network namespaces");
        if (joins && words[0][0] != '/')
                return xasprintf("netns '%s' is neither new nor an absolute path", words[0]);
        launch->network = joins ? NETWORK_JOIN : NETWORK_NEW;
        launch->namespace_path = words[0];
        if (words[1] && (!words[2] || !parse_number(words[1], INT32_MAX, &launch->namespace_pid) ||
                         !parse_number(words[2], UINT64_MAX - 1, &launch->namespace_start)))
                return xstrdup("netns PATH PID STARTTIME takes two numbers");
        return NULL;
}

char *take_link(struct launch *launch, char **words) {
        uint64_t mtu;

        if (!parse_number(words[4], 65535, &mtu))
                return xasprintf("link %s: '%s' is no MTU", words[0], words[4]);
        if (words[5] && strcmp(words[5], "fixed") != 0)
                return xasprintf("link %s: '%s' is not fixed", words[0], words[5]);
        if (strlen(words[0]) > 15 || strlen(words[1]) > 15)
                return xasprintf("link %s: the names of interfaces have at most 15 letters", words[0]);
        launch->net_links[launch->n_links++] = (struct link_spec){.name = words[0],
                                                                  .host_name = words[1],
                                                                  .bridge = words[2],
                                                                  .mac = words[3],
                                                                  .mtu = (uint32_t) mtu,
                                                                  .fixed = words[5] != NULL};
        return NULL;
}

char *take_address(struct launch *launch, char **words) {
        launch->addresses[launch->n_addresses++] =
                (struct address_spec){.name = words[0], .address = words[1]};
        return NULL;
}

char *take_route(struct launch *launch, char **words) {
        launch->routes[launch->n_routes++] = (struct address_spec){.name = words[0], .address = words[1]};
        return NULL;
}

char *take_sysctl(struct launch *launch, char **words) {
        if (strncmp(words[0], "net/", 4) != 0 || strstr(words[0], ".."))
                return xasprintf("sysctl '%s' is not below net/", words[0]);
        launch->sysctls[launch->n_sysctls++] = (struct sysctl_spec){.path = words[0], .value = words[1]};
        return NULL;
}

char *take_rules(struct launch *launch, char **words) {
        launch->rules = (struct rules_spec){
                .program = words[0], .up = words[1], .down = words[2], .repair = words[3]};
        return NULL;
}

char *take_unlink(struct launch *launch, char **words) {
        launch->unlinks[launch->n_unlinks++] = words[0];
        return NULL;
}
