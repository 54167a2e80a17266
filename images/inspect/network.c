/* Words about sockets. Names come from /etc/hosts alone: a static program has no other resolver. */
#include "inspect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef union Address {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
} Address;

static socklen_t address_length(const Address *address) {
        return address->any.sa_family == AF_INET6 ? sizeof address->v6 : sizeof address->v4;
}

static bool fill_address(Address *address, const char *host, in_port_t port) {
        *address = (Address){.v4 = {.sin_family = AF_INET, .sin_port = htons(port)}};
        if (inet_pton(AF_INET, host, &address->v4.sin_addr) == 1)
                return true;
        *address = (Address){.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)}};
        return inet_pton(AF_INET6, host, &address->v6.sin6_addr) == 1;
}

static bool find_host(Address *address, const char *host, in_port_t port) {
        AUTO_FREE char *hosts = read_file("/etc/hosts", NULL);
        char *rest = hosts;

        for (char *line; hosts && (line = strsep(&rest, "\n"));) {
                line[strcspn(line, "#")] = '\0';
                char *save = NULL, *number = strtok_r(line, " \t", &save);

                for (char *name; number && (name = strtok_r(NULL, " \t", &save));)
                        if (strcasecmp(name, host) == 0)
                                return fill_address(address, number, port);
        }
        return false;
}

static const char *describe(const Address *address, char text[static 128]) {
        char number[INET6_ADDRSTRLEN] = "";

        if (address->any.sa_family == AF_INET) {
                inet_ntop(AF_INET, &address->v4.sin_addr, number, sizeof number);
                snprintf(text, 128, "%s:%d", number, ntohs(address->v4.sin_port));
        } else if (address->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr)) {
                inet_ntop(AF_INET, &address->v6.sin6_addr.s6_addr[12], number, sizeof number);
                snprintf(text, 128, "%s:%d", number, ntohs(address->v6.sin6_port));
        } else if (address->any.sa_family == AF_INET6) {
                inet_ntop(AF_INET6, &address->v6.sin6_addr, number, sizeof number);
                snprintf(text, 128, "[%s]:%d", number, ntohs(address->v6.sin6_port));
        } else
                snprintf(text, 128, "unix");
        return text;
}

/* Waits for the peer to close: closing first, with its bytes unread, would reset the connection and lose the
 * answer. */
static void answer(int listener, const char *text) {
        Address peer = {0};
        socklen_t length = sizeof peer;
        AUTO_CLOSE int fd = accept4(listener, &peer.any, &length, SOCK_CLOEXEC);
        const struct timeval patience = {.tv_sec = 1};
        char name[128], unread[4096];

        if (fd < 0)
                return;
        dprintf(fd, "%s %s\n", text, describe(&peer, name));
        shutdown(fd, SHUT_WR);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        while (read(fd, unread, sizeof unread) > 0)
                ;
}

static void answer_datagram(int fd, const char *text) {
        Address peer = {0};
        socklen_t length = sizeof peer;
        char name[128], unread[4096], line[4096];

        if (recvfrom(fd, unread, sizeof unread, 0, &peer.any, &length) < 0)
                return;
        int size = snprintf(line, sizeof line, "%s %s\n", text, describe(&peer, name));

        sendto(fd, line, strnlen(line, (size_t) size), 0, &peer.any, length);
}

static int open_server(int type, in_port_t port) {
        const int on = 1, off = 0;
        Address address = {
                .v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_ANY_INIT}};
        int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);

        /* Without IPv6 in the kernel the same port serves IPv4 alone. */
        if (fd < 0 && errno == EAFNOSUPPORT) {
                address = (Address){.v4 = {.sin_family = AF_INET, .sin_port = htons(port)}};
                fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
        }
        if (fd < 0)
                return -1;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (address.any.sa_family == AF_INET6)
                setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
        if (bind(fd, &address.any, address_length(&address)) < 0 ||
            (type == SOCK_STREAM && listen(fd, 64) < 0)) {
                int error = errno;

                close(fd);
                errno = error;
                return -1;
        }
        return fd;
}

static int serve(char **arguments, int count) {
        AUTO_CLOSE int fd = open_server(SOCK_STREAM, (in_port_t) parse_number(arguments[0]));

        if (fd < 0)
                return complain("serve", arguments[0]);
        printf("serving %s\n", arguments[0]);
        fflush(stdout);
        for (;;)
                answer(fd, count > 1 ? arguments[1] : "hello");
}

static int serve_udp(char **arguments, int count) {
        AUTO_CLOSE int fd = open_server(SOCK_DGRAM, (in_port_t) parse_number(arguments[0]));

        if (fd < 0)
                return complain("serve-udp", arguments[0]);
        printf("serving %s/udp\n", arguments[0]);
        fflush(stdout);
        for (;;)
                answer_datagram(fd, count > 1 ? arguments[1] : "hello");
}

static int converse(const char *word, int type, char **arguments) {
        const struct timeval patience = {.tv_sec = 5};
        in_port_t port = (in_port_t) parse_number(arguments[1]);
        char buffer[4096];
        Address address;
        ssize_t got;

        if (!fill_address(&address, arguments[0], port) && !find_host(&address, arguments[0], port)) {
                errno = ENXIO;
                return complain(word, arguments[0]);
        }
        AUTO_CLOSE int fd = socket(address.any.sa_family, type | SOCK_CLOEXEC, 0);

        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (fd < 0 || connect(fd, &address.any, address_length(&address)) < 0)
                return complain(word, arguments[0]);
        if (type == SOCK_DGRAM && send(fd, "?\n", 2, 0) < 0)
                return complain(word, arguments[0]);
        do {
                got = read(fd, buffer, sizeof buffer);
                if (got > 0)
                        fwrite(buffer, 1, (size_t) got, stdout);
        } while (got > 0 && type == SOCK_STREAM);
        return got < 0 ? complain(word, arguments[0]) : 0;
}

static int connect_tcp(char **arguments, int count) {
        (void) count;
        return converse("connect", SOCK_STREAM, arguments);
}

static int connect_udp(char **arguments, int count) {
        (void) count;
        return converse("connect-udp", SOCK_DGRAM, arguments);
}

/* By the kernel's ping sockets, which need no right: it fills in the identifier and the checksum. */
static int ping(char **arguments, int count) {
        const struct timeval patience = {.tv_sec = 5};
        struct icmphdr question = {0}, answer;
        Address address;

        (void) count;
        if (!fill_address(&address, arguments[0], 0) && !find_host(&address, arguments[0], 0)) {
                errno = ENXIO;
                return complain("ping", arguments[0]);
        }
        bool six = address.any.sa_family == AF_INET6;
        AUTO_CLOSE int fd = socket(address.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC,
                                   six ? IPPROTO_ICMPV6 : IPPROTO_ICMP);

        question.type = six ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (fd < 0 ||
            sendto(fd, &question, sizeof question, 0, &address.any, address_length(&address)) < 0 ||
            read(fd, &answer, sizeof answer) < (ssize_t) sizeof answer)
                return complain("ping", arguments[0]);
        puts(answer.type == (six ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) ? "echo" : "something else");
        return 0;
}

/* A whole Ethernet frame, past everything the kernel would check. */
static int send_frame(char **arguments, int count) {
        AUTO_CLOSE int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
        struct sockaddr_ll place = {.sll_family = AF_PACKET,
                                    .sll_ifindex = (int) if_nametoindex(arguments[0])};
        const char *digits = arguments[1];
        unsigned char frame[1514];
        size_t length = 0;

        (void) count;
        for (unsigned byte; length < sizeof frame && sscanf(digits, "%2x", &byte) == 1; digits += 2)
                frame[length++] = (unsigned char) byte;
        if (fd < 0 || sendto(fd, frame, length, 0, (struct sockaddr *) &place, sizeof place) < 0)
                return complain("frame", arguments[0]);
        return 0;
}

/* The name of the nth passed descriptor; "" where LISTEN_FDNAMES has no more. */
static char *passed_name(unsigned long number) {
        const char *names = getenv("LISTEN_FDNAMES");

        for (; names && number > 0; number--) {
                names = strchr(names, ':');
                names = names ? names + 1 : NULL;
        }
        return names ? strndup(names, strcspn(names, ":")) : strdup("");
}

static int socket_type(int fd) {
        int type = 0;
        socklen_t length = sizeof type;

        return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0 ? 0 : type;
}

/* As an app that a socket starts: one client, one answer, a good end. */
static int accept_once(char **arguments, int count) {
        const char *passed = getenv("LISTEN_FDS");

        (void) arguments;
        (void) count;
        if (!passed || atoi(passed) < 1)
                return complain("accept", "LISTEN_FDS");
        struct pollfd listeners[16];
        nfds_t number = (nfds_t) atoi(passed) < 16 ? (nfds_t) atoi(passed) : 16;

        for (nfds_t i = 0; i < number; i++)
                listeners[i] = (struct pollfd){.fd = 3 + (int) i, .events = POLLIN};
        if (poll(listeners, number, -1) < 0)
                return complain("accept", "poll");
        for (nfds_t i = 0; i < number; i++) {
                AUTO_FREE char *label = passed_name(i);

                if (!listeners[i].revents)
                        continue;
                answer(listeners[i].fd, label);
                return 0;
        }
        return complain("accept", "poll");
}

static int listen_fds(char **arguments, int count) {
        const char *passed = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
        unsigned long number = passed ? parse_number(passed) : 0;
        struct pollfd polled[64];
        char name[128];

        (void) arguments;
        (void) count;
        printf("listen-fds %lu for-me %s\n", number, pid && atoi(pid) == getpid() ? "yes" : "no");
        if (number == 0 || number > 64)
                return 1;
        for (unsigned long i = 0; i < number; i++) {
                Address address = {0};
                socklen_t length = sizeof address;
                AUTO_FREE char *label = passed_name(i);

                polled[i] = (struct pollfd){.fd = 3 + (int) i, .events = POLLIN};
                getsockname(polled[i].fd, &address.any, &length);
                printf("fd %d name %s type %d address %s\n", polled[i].fd, label, socket_type(polled[i].fd),
                       describe(&address, name));
        }
        fflush(stdout);
        while (poll(polled, number, -1) >= 0 || errno == EINTR)
                for (unsigned long i = 0; i < number; i++) {
                        AUTO_FREE char *label = passed_name(i);

                        if (!(polled[i].revents & POLLIN))
                                continue;
                        if (socket_type(polled[i].fd) == SOCK_DGRAM)
                                answer_datagram(polled[i].fd, label);
                        else
                                answer(polled[i].fd, label);
                }
        return complain("listen-fds", "poll");
}

/* Until systemd has read what was said before (sd_notify_barrier(3)): it may not know the words of the dead.
 */
static int await_reading(void) {
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0)
                return complain("leave", "pipe");
        int status = notify_with("BARRIER=1", ends[1]);
        struct pollfd other = {.fd = ends[0]};
        close(ends[1]);
        if (status == 0 && poll(&other, 1, 60000) != 1)
                status = complain("leave", "barrier");
        close(ends[0]);
        return status;
}

/* A socket for the next run of this app, which finds it among LISTEN_FDS and leaves none again. */
static int leave(char **arguments, int count) {
        AUTO_FREE char *text = NULL;

        (void) count;
        if (getenv("LISTEN_FDS"))
                return 0;
        AUTO_CLOSE int fd = open_server(SOCK_STREAM, (in_port_t) parse_number(arguments[1]));
        if (fd < 0 || asprintf(&text, "FDSTORE=1\nFDNAME=%s", arguments[0]) < 0)
                return complain("leave", arguments[1]);
        int status = notify_with(text, fd);
        return status ? status : await_reading();
}

const Word network_words[] = {
        {"serve", 1, 1, serve, "PORT [TEXT] answer TCP connections with TEXT and the peer's address"},
        {"serve-udp", 1, 1, serve_udp, "PORT [TEXT] the same for datagrams"},
        {"connect", 2, 0, connect_tcp, "HOST PORT print what the server says"},
        {"connect-udp", 2, 0, connect_udp, "HOST PORT send a question, print the answer"},
        {"ping", 1, 0, ping, "HOST say `echo` when an echo comes back"},
        {"frame", 2, 0, send_frame, "INTERFACE HEX send an Ethernet frame"},
        {"accept", 0, 0, accept_once,
         "one connection on the descriptors of LISTEN_FDS, answered with its name"},
        {"leave", 2, 0, leave,
         "NAME PORT a listening socket to its service's store, unless one came from there"},
        {"listen-fds", 0, 0, listen_fds, "serve on the descriptors of LISTEN_FDS"},
        {NULL, 0, 0, NULL, NULL},
};
