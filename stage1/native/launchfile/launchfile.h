/* run/launch: what the monitor is told to do. The file is read and judged as a whole before anything is
 * done. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "basic/idmap.h"

enum stdin_kind { STDIN_NONE, STDIN_STREAM, STDIN_TTY };
enum output_kind { OUTPUT_LOG, OUTPUT_STREAM, OUTPUT_NULL, OUTPUT_TTY };
enum mount_kind { MOUNT_OVERLAY, MOUNT_BIND, MOUNT_TMPFS, MOUNT_DEVICE, MOUNT_READ_ONLY };
enum credential_kind { CREDENTIAL_FILE, CREDENTIAL_ENCRYPTED, CREDENTIAL_UNIT };
enum network_kind { NETWORK_HOST, NETWORK_NEW, NETWORK_JOIN };

/* What entries of an app's lines in the host's journal say beside the line: NAME=VALUE. */
struct journal_spec {
        const char *app; /* "-": the pod itself */
        char **fields;   /* NULL at the end */
};

struct app_spec {
        const char *name;
        uid_t uid;
        gid_t gid;
        enum stdin_kind stdin_kind;
        enum output_kind out_kind, err_kind;
        bool added; /* while the pod ran: its memory is its own */
};

/* A limit of setrlimit(2) for systemd-nspawn and what it starts. */
struct ulimit_spec {
        const char *name;
        int resource;
        struct rlimit value;
};

struct limit_spec {
        const char *path, *value;
};

struct mount_spec {
        enum mount_kind kind;
        const char *target;
        const char *root;     /* where the target's links are followed in; NULL: in the pod's own root */
        const char *source;   /* of an overlay: the directory of its upper and work, NULL for none */
        char **lowers;        /* NULL at the end, uppermost first */
        char *options;        /* of a tmpfs */
        uint64_t attributes;  /* MOUNT_ATTR_… */
        uint64_t propagation; /* MS_PRIVATE, MS_SLAVE, or 0 */
        bool recursive;
        char *map;   /* the ids of its files one by one, NULL: as the pod's; see make_map() */
        bool mapped; /* its files belong to the pod's ids */
        mode_t mode; /* of a device's node, and whose it is in the pod */
        uid_t uid;
        gid_t gid;
};

/* A mount of the host that the app's own namespace gets as a peer: source, target, attributes, recursive. */
struct share_spec {
        const char *app;
        struct mount_spec how;
};

struct credential_spec {
        const char *id; /* APP.NAME */
        enum credential_kind kind;
        const char *source; /* a path, or what $CREDENTIALS_DIRECTORY calls it */
};

/* A pair of interfaces: name in the pod, host_name on the bridge. */
struct link_spec {
        const char *name, *host_name, *bridge, *mac;
        uint32_t mtu;
        bool fixed; /* the bridge learns nothing from it */
};

/* An address of an interface, or the gateway of a default route by it. */
struct address_spec {
        const char *name, *address;
};

struct sysctl_spec {
        const char *path, *value;
};

/* Files for the packet filter's program: made at the start, taken away at the end, the table itself. */
struct rules_spec {
        const char *program, *up, *down, *repair;
};

/* Every pointer points into words, whose strings lie in the file's text; lists end with NULL. */
struct launch {
        char **words;
        const char *label;
        const char **cgroups;
        size_t n_cgroups;
        struct id_range ids;
        struct limit_spec *limits; /* in their order: some files want to be written before others */
        size_t n_limits;
        struct ulimit_spec *ulimits;
        size_t n_ulimits;
        const char *oom_score; /* NULL: as it is */
        struct mount_spec *mounts;
        size_t n_mounts;
        struct mount_spec *follows; /* of those mounts: which follow the host's */
        size_t n_follows;
        struct share_spec *shares;
        size_t n_shares;
        struct app_spec *apps;
        size_t n_apps;
        struct credential_spec *credentials;
        size_t n_credentials;
        const char **environment;
        size_t n_environment;
        enum network_kind network;
        const char *namespace_path;
        uint64_t namespace_pid, namespace_start; /* of a process in it; 0: the path alone says it */
        struct link_spec *net_links;
        size_t n_links;
        struct address_spec *addresses, *routes;
        size_t n_addresses, n_routes;
        struct sysctl_spec *sysctls;
        size_t n_sysctls;
        struct rules_spec rules;
        const char **unlinks;
        size_t n_unlinks;
        uint64_t log_limit;
        struct journal_spec *journals;
        size_t n_journals;
        uint64_t journal_lines, journal_seconds; /* so many lines in so many seconds; 0 lines: any number */
        int from_host;                           /* listening sockets that the host has to pass */
        char **links;                            /* NULL: the pod stays when it is over */
        char **argv;
        size_t n_records;
};

#define LOG_LIMIT_DEFAULT (UINT64_C(64) << 20)
#define LOG_LIMIT_MIN     (UINT64_C(64) << 10)

/* Whether one of the apps has a terminal. */
bool launch_has_terminal(const struct launch *launch);

/* Takes text apart in place; both stay for the monitor's life. Returns NULL, or what is wrong. */
char *launch_parse(struct launch *launch, char *text, size_t size);

/* Reads and takes apart run/launch of the current directory, or ends the program. */
void read_launch(struct launch *launch);

/* The words of one `app` record, with NULL at their end; the name stays where it is. NULL, or what is wrong.
 */
char *app_spec_parse(struct app_spec *spec, char **words);

/* The words of a `journal` record; NULL, or what is wrong. The words stay where they are. */
char *journal_spec_parse(struct journal_spec *spec, char **words);
