#include "network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "basic/times.h"
#include "basic/util.h"
#include "netlink.h"

/* Not if_nametoindex(3): its socket belongs to the namespace that the thread is in, ours to the one it left.
 */
static int index_of(int netlink, const char *name) {
        struct ifinfomsg body = {.ifi_family = AF_UNSPEC};
        char answer[16384];
        const struct nlmsghdr *header = (const struct nlmsghdr *) (void *) answer;
        struct request request;

        request_begin(&request, RTM_GETLINK, 0, &body, sizeof(body));
        request.header.nlmsg_flags = NLM_F_REQUEST;
        request_add_text(&request, IFLA_IFNAME, name);
        if (send(netlink, &request, request.header.nlmsg_len, 0) < 0 ||
            recv(netlink, answer, sizeof(answer), 0) < (ssize_t) NLMSG_LENGTH(sizeof(body)))
                die_errno("cannot ask for interface %s", name);
        if (header->nlmsg_type != RTM_NEWLINK)
                die("there is no interface %s; `pod network reload` makes those of networks", name);
        return ((const struct ifinfomsg *) NLMSG_DATA(header))->ifi_index;
}

static void parse_mac(const char *text, unsigned char mac[static 6]) {
        unsigned bytes[6];

        if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &bytes[0], &bytes[1], &bytes[2], &bytes[3], &bytes[4],
                   &bytes[5]) != 6)
                die("'%s' is no hardware address", text);
        for (size_t i = 0; i < 6; i++)
                mac[i] = (unsigned char) bytes[i];
}

static void check(int result, const char *what, const char *name) {
        if (result < 0) {
                errno = -result;
                die_errno("cannot %s %s", what, name);
        }
}

/* A frame may leave through the port it came by: a pod that reaches itself through a published port. */
static void set_port(int netlink, int index, const struct link_spec *spec) {
        struct ifinfomsg body = {.ifi_family = AF_UNSPEC, .ifi_index = index};
        const unsigned char on = 1, off = 0;
        struct request request;

        request_begin(&request, RTM_NEWLINK, 0, &body, sizeof(body));
        struct rtattr *info = request_nest(&request, IFLA_LINKINFO, NULL, 0);
        request_add_text(&request, IFLA_INFO_SLAVE_KIND, "bridge");
        struct rtattr *data = request_nest(&request, IFLA_INFO_SLAVE_DATA, NULL, 0);
        request_add(&request, IFLA_BRPORT_MODE, &on, sizeof(on));
        if (spec->fixed)
                request_add(&request, IFLA_BRPORT_LEARNING, &off, sizeof(off));
        request_nest_end(&request, data);
        request_nest_end(&request, info);
        check(request_send(netlink, &request), "set up the bridge's side of", spec->name);
}

/* Bridges learn from frames to the addresses reserved for protocols between bridges, which no rule sees: who
 * may send those could take the frames of others. */
static void fix_address(int netlink, int index, const struct link_spec *spec,
                        const unsigned char mac[static 6]) {
        struct ndmsg body = {.ndm_family = AF_BRIDGE,
                             .ndm_ifindex = index,
                             .ndm_state = NUD_NOARP,
                             .ndm_flags = NTF_MASTER};
        struct request request;

        request_begin(&request, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &body, sizeof(body));
        request_add(&request, NDA_LLADDR, mac, 6);
        check(request_send(netlink, &request), "tell the bridge the address of", spec->name);
}

/* A pair of interfaces: one end on a bridge of the host, the other, by its final name, in the pod. */
static void make_link(int host, int namespace, const struct link_spec *spec) {
        struct ifinfomsg body = {.ifi_family = AF_UNSPEC, .ifi_flags = IFF_UP, .ifi_change = IFF_UP},
                         none = {0};
        unsigned char mac[6];
        struct request request;

        parse_mac(spec->mac, mac);
        request_begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));
        request_add_text(&request, IFLA_IFNAME, spec->host_name);
        request_add_number(&request, IFLA_MTU, spec->mtu);
        request_add_number(&request, IFLA_MASTER, (uint32_t) index_of(host, spec->bridge));
        struct rtattr *info = request_nest(&request, IFLA_LINKINFO, NULL, 0);
        request_add_text(&request, IFLA_INFO_KIND, "veth");
        struct rtattr *data = request_nest(&request, IFLA_INFO_DATA, NULL, 0);
        struct rtattr *peer = request_nest(&request, VETH_INFO_PEER, &none, sizeof(none));
        request_add_text(&request, IFLA_IFNAME, spec->name);
        request_add_number(&request, IFLA_MTU, spec->mtu);
        request_add(&request, IFLA_ADDRESS, mac, sizeof(mac));
        request_add_number(&request, IFLA_NET_NS_FD, (uint32_t) namespace);
        request_nest_end(&request, peer);
        request_nest_end(&request, data);
        request_nest_end(&request, info);
        int result = request_send(host, &request);

        if (result == -EOPNOTSUPP)
                die("cannot make interface %s: %s is no bridge, or the kernel has no veth", spec->name,
                    spec->bridge);
        check(result, "make interface", spec->name);
        int index = index_of(host, spec->host_name);
        set_port(host, index, spec);
        if (spec->fixed)
                fix_address(host, index, spec, mac);
}

static void set_up(int netlink, const char *name) {
        struct ifinfomsg body = {.ifi_family = AF_UNSPEC,
                                 .ifi_index = index_of(netlink, name),
                                 .ifi_flags = IFF_UP,
                                 .ifi_change = IFF_UP};
        struct request request;

        request_begin(&request, RTM_NEWLINK, 0, &body, sizeof(body));
        check(request_send(netlink, &request), "bring up interface", name);
}

struct address {
        unsigned char family, length;
        unsigned char bytes[16];
};

static struct address parse_address(const char *text) {
        AUTO_FREE char *copy = xstrdup(text);
        char *length = strchr(copy, '/');
        struct address address = {.family = strchr(copy, ':') ? AF_INET6 : AF_INET};
        uint64_t bits = address.family == AF_INET ? 32 : 128;

        if (length)
                *length++ = '\0';
        if (inet_pton(address.family, copy, address.bytes) != 1 ||
            (length && !parse_number(length, bits, &bits)))
                die("'%s' is no address", text);
        address.length = (unsigned char) bits;
        return address;
}

static size_t address_size(const struct address *address) {
        return address->family == AF_INET ? 4 : 16;
}

/* Duplicate address detection would keep an IPv6 address unusable for a second; the allocation knows better.
 */
static void add_address(int netlink, const struct address_spec *spec) {
        struct address address = parse_address(spec->address);
        struct ifaddrmsg body = {.ifa_family = address.family,
                                 .ifa_prefixlen = address.length,
                                 .ifa_flags = address.family == AF_INET6 ? IFA_F_NODAD : 0,
                                 .ifa_index = (uint32_t) index_of(netlink, spec->name)};
        struct request request;

        request_begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));
        request_add(&request, IFA_LOCAL, address.bytes, address_size(&address));
        request_add(&request, IFA_ADDRESS, address.bytes, address_size(&address));
        if (address.family == AF_INET && address.length < 31) {
                uint32_t mask = address.length ? htonl(~0U << (32 - address.length)) : 0, all;
                memcpy(&all, address.bytes, sizeof(all));
                all |= ~mask;
                request_add(&request, IFA_BROADCAST, &all, sizeof(all));
        }
        check(request_send(netlink, &request), "give the pod address", spec->address);
}

static void add_route(int netlink, const struct address_spec *spec) {
        struct address gateway = parse_address(spec->address);
        struct rtmsg body = {.rtm_family = gateway.family,
                             .rtm_table = RT_TABLE_MAIN,
                             .rtm_protocol = RTPROT_STATIC,
                             .rtm_scope = RT_SCOPE_UNIVERSE,
                             .rtm_type = RTN_UNICAST};
        struct request request;

        request_begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));
        request_add(&request, RTA_GATEWAY, gateway.bytes, address_size(&gateway));
        request_add_number(&request, RTA_OIF, (uint32_t) index_of(netlink, spec->name));
        check(request_send(netlink, &request), "make the pod's default route by", spec->address);
}

static void set_sysctl(const struct sysctl_spec *spec) {
        AUTO_FREE char *path = xasprintf("/proc/sys/%s", spec->path);
        AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
        int result = fd < 0 ? -errno : write_all(fd, spec->value, strlen(spec->value));

        check(result, "set", path);
}

static void join_namespace(const struct launch *launch) {
        AUTO_CLOSE int fd = open(launch->namespace_path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                die_errno("cannot open the network namespace %s", launch->namespace_path);
        /* The number of a process may be another's by now; what is open stays what it was. */
        if (launch->namespace_start &&
            process_start_time((pid_t) launch->namespace_pid) != launch->namespace_start)
                die("the pod whose network this one shares is gone");
        if (setns(fd, CLONE_NEWNET) < 0)
                die_errno("cannot join the network namespace %s", launch->namespace_path);
}

void enter_network(const struct launch *launch) {
        if (launch->network == NETWORK_JOIN)
                join_namespace(launch);
}

void make_network(const struct launch *launch, int host, int namespace) {
        AUTO_CLOSE int pod = -1;

        if (setns(namespace, CLONE_NEWNET) < 0)
                die_errno("cannot enter the pod's network namespace");
        pod = netlink_open();
        for (size_t i = 0; i < launch->n_links; i++)
                make_link(host, namespace, &launch->net_links[i]);
        /* Before the interfaces are up: some settings only count then. */
        for (size_t i = 0; i < launch->n_sysctls; i++)
                set_sysctl(&launch->sysctls[i]);
        set_up(pod, "lo");
        for (size_t i = 0; i < launch->n_links; i++)
                set_up(pod, launch->net_links[i].name);
        for (size_t i = 0; i < launch->n_addresses; i++)
                add_address(pod, &launch->addresses[i]);
        for (size_t i = 0; i < launch->n_routes; i++)
                add_route(pod, &launch->routes[i]);
}
