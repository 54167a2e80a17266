/* The word `report`: its parts that ask who the process is and what it may do. */
#include "inspect.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static const char *const capability_names[] = {
        "CHOWN",
        "DAC_OVERRIDE",
        "DAC_READ_SEARCH",
        "FOWNER",
        "FSETID",
        "KILL",
        "SETGID",
        "SETUID",
        "SETPCAP",
        "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE",
        "NET_BROADCAST",
        "NET_ADMIN",
        "NET_RAW",
        "IPC_LOCK",
        "IPC_OWNER",
        "SYS_MODULE",
        "SYS_RAWIO",
        "SYS_CHROOT",
        "SYS_PTRACE",
        "SYS_PACCT",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_NICE",
        "SYS_RESOURCE",
        "SYS_TIME",
        "SYS_TTY_CONFIG",
        "MKNOD",
        "LEASE",
        "AUDIT_WRITE",
        "AUDIT_CONTROL",
        "SETFCAP",
        "MAC_OVERRIDE",
        "MAC_ADMIN",
        "SYSLOG",
        "WAKE_ALARM",
        "BLOCK_SUSPEND",
        "AUDIT_READ",
        "PERFMON",
        "BPF",
        "CHECKPOINT_RESTORE",
};

#define N_CAPABILITIES (sizeof capability_names / sizeof capability_names[0])

static const struct {
        const char *name;
        int resource;
} limits[] = {
        {"AS", RLIMIT_AS},           {"CORE", RLIMIT_CORE},         {"CPU", RLIMIT_CPU},
        {"DATA", RLIMIT_DATA},       {"FSIZE", RLIMIT_FSIZE},       {"LOCKS", RLIMIT_LOCKS},
        {"MEMLOCK", RLIMIT_MEMLOCK}, {"MSGQUEUE", RLIMIT_MSGQUEUE}, {"NICE", RLIMIT_NICE},
        {"NOFILE", RLIMIT_NOFILE},   {"NPROC", RLIMIT_NPROC},       {"RSS", RLIMIT_RSS},
        {"RTPRIO", RLIMIT_RTPRIO},   {"RTTIME", RLIMIT_RTTIME},     {"SIGPENDING", RLIMIT_SIGPENDING},
        {"STACK", RLIMIT_STACK},
};

static const char *const namespaces[] = {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"};

static void put_set(const char *name, unsigned long long set, bool last) {
        const char *separator = "";

        printf("\n  \"%s\": {\"hex\": \"%016llx\", \"names\": [", name, set);
        for (unsigned i = 0; i < N_CAPABILITIES; i++)
                if (set >> i & 1) {
                        printf("%s\"CAP_%s\"", separator, capability_names[i]);
                        separator = ", ";
                }
        printf("]}%s", last ? "}" : ",");
}

void report_capabilities(void) {
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
        struct __user_cap_data_struct data[2] = {0};
        unsigned long long bounding = 0, ambient = 0;

        syscall(SYS_capget, &header, data);
        for (unsigned i = 0; i < N_CAPABILITIES; i++) {
                if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) > 0)
                        bounding |= 1ULL << i;
                if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) > 0)
                        ambient |= 1ULL << i;
        }
        fputs(",\n\"capabilities\": {", stdout);
        put_set("inheritable", (unsigned long long) data[1].inheritable << 32 | data[0].inheritable, false);
        put_set("permitted", (unsigned long long) data[1].permitted << 32 | data[0].permitted, false);
        put_set("effective", (unsigned long long) data[1].effective << 32 | data[0].effective, false);
        put_set("bounding", bounding, false);
        put_set("ambient", ambient, true);
}

static void put_ids(void) {
        uid_t uid, euid, suid;
        gid_t gid, egid, sgid, groups[1024];
        int count = getgroups(1024, groups);

        getresuid(&uid, &euid, &suid);
        getresgid(&gid, &egid, &sgid);
        printf(",\n\"uid\": %u, \"euid\": %u, \"suid\": %u, \"gid\": %u, \"egid\": %u, \"sgid\": "
               "%u,\n\"groups\": [",
               uid, euid, suid, gid, egid, sgid);
        for (int i = 0; i < count; i++)
                printf("%s%u", i ? ", " : "", groups[i]);
        putchar(']');
}

static void put_limit(rlim_t value) {
        if (value == RLIM_INFINITY)
                fputs("\"infinity\"", stdout);
        else
                printf("%llu", (unsigned long long) value);
}

static void put_limits(void) {
        const char *separator = "\n  ";

        fputs(",\n\"rlimits\": {", stdout);
        for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
                struct rlimit limit;

                if (getrlimit((__rlimit_resource_t) limits[i].resource, &limit) < 0)
                        continue;
                printf("%s\"%s\": {\"soft\": ", separator, limits[i].name);
                put_limit(limit.rlim_cur);
                fputs(", \"hard\": ", stdout);
                put_limit(limit.rlim_max);
                putchar('}');
                separator = ",\n  ";
        }
        putchar('}');
}

void report_process(void) {
        mode_t mask = umask(0);

        umask(mask);
        put_ids();
        printf(",\n\"umask\": \"%04o\", \"nice\": %d", mask, getpriority(PRIO_PROCESS, 0));
        put_limits();
}

/* One value of /proc/self/status: decimal ones as numbers, masks as text; null where the kernel has none. */
static void put_status(const char *status, const char *field, const char *key, bool number) {
        const char *line = status ? strstr(status, field) : NULL;

        printf(",\n\"%s\": ", key);
        if (!line) {
                fputs("null", stdout);
                return;
        }
        const char *value = line + strlen(field);

        value += strspn(value, " \t");
        if (number)
                printf("%d", atoi(value));
        else
                json_text(value, strcspn(value, "\n"));
}

void report_kernel(void) {
        AUTO_FREE char *status = read_file("/proc/self/status", NULL);
        AUTO_FREE char *score = read_file("/proc/self/oom_score_adj", NULL);

        put_status(status, "\nSeccomp:", "seccomp", true);
        put_status(status, "\nSeccomp_filters:", "seccomp_filters", true);
        put_status(status, "\nSigBlk:", "signals_blocked", false);
        put_status(status, "\nSigIgn:", "signals_ignored", false);
        printf(",\n\"no_new_privs\": %d, \"oom_score_adj\": ", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
        printf(score ? "%d" : "null", score ? atoi(score) : 0);
        fputs(",\n\"namespaces\": {", stdout);
        for (size_t i = 0; i < sizeof namespaces / sizeof namespaces[0]; i++) {
                char path[64], target[64];

                snprintf(path, sizeof path, "/proc/self/ns/%s", namespaces[i]);
                ssize_t length = readlink(path, target, sizeof target);

                printf("%s\"%s\": ", i ? ", " : "", namespaces[i]);
                if (length < 0)
                        fputs("null", stdout);
                else
                        json_text(target, (size_t) length);
        }
        putchar('}');
}
