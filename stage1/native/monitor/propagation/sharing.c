#include "sharing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "basic/events.h"
#include "basic/inroot.h"
#include "basic/localsocket.h"
#include "basic/util.h"
#include "mountinfo.h"
#include "mounts/trees.h"

#define BACKLOG 4

/* An app, and its records: they stand in a row. */
struct sharing {
        struct source listener;
        const struct share_spec *shares;
        size_t n_shares;
};

/* The monitor may be in one of its own, as a unit of systemd often is, whose mounts only follow the host's.
 * Where PID 1 is out of reach, as in some containers, the monitor's own is taken. */
static void enter_host(void) {
        AUTO_CLOSE int host = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);

        if (host < 0 && (errno == EACCES || errno == EPERM))
                return;
        if (host < 0 || setns(host, CLONE_NEWNS) < 0)
                die_errno("cannot join the mount namespace of the host's PID 1");
}

static bool lies_on_a_shared_mount(const char *path, const char *mountinfo) {
        AUTO_CLOSE int source = open(path, O_PATH | O_CLOEXEC);
        const char *line = source < 0 ? NULL : mountinfo_find(mountinfo, source);

        if (source < 0)
                die_errno("cannot look at %s", path);
        return line && mountinfo_has(line, "shared:");
}

static void check_sources(const struct launch *launch) {
        AUTO_FREE char *mountinfo = mountinfo_read("/proc/self/mountinfo");

        if (!mountinfo)
                die_errno("cannot read /proc/self/mountinfo");
        for (size_t i = 0; i < launch->n_shares; i++)
                if (!lies_on_a_shared_mount(launch->shares[i].how.source, mountinfo))
                        die("%s lies on a mount of the host that is not shared: `mount --make-shared` it, "
                            "or say slave in place of shared",
                            launch->shares[i].how.source);
}

/* What a child has to say against it; NULL if nothing. The monitor itself stays where it is. */
static char *complaint(const struct launch *launch) {
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0)
                die_errno("cannot make a pipe");
        pid_t child = fork();
        if (child == 0) {
                die_through(ends[1]);
                enter_host();
                check_sources(launch);
                _exit(0);
        }
        if (child < 0)
                die_errno("cannot fork");
        close(ends[1]);
        char *error = last_words(ends[0]);
        close(ends[0]);
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
                continue;
        return error;
}

/* Over the mount that is there since the app's namespace is: it made the target, and is a slave. */
static void attach_peer(int tree, int root, const struct mount_spec *how) {
        AUTO_CLOSE int target = open_in_root(root, how->target, O_PATH);

        if (target < 0)
                die_errno("cannot find %s in the app", how->target);
        attach_tree(tree, target, how->source, how->target);
}

/* Whoever asked still waits, so the process with its number is still the one that asked. */
static bool still_waits(int client) {
        char byte;

        return recv(client, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static void share_with(const struct sharing *sharing, int client) {
        struct ucred peer;
        socklen_t size = sizeof(peer);
        AUTO_FREE int *trees = xalloc(sharing->n_shares * sizeof(int));

        if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                die_errno("cannot ask who asks");
        AUTO_FREE char *path = xasprintf("/proc/%d/root", (int) peer.pid);
        AUTO_CLOSE int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        AUTO_CLOSE int process = (int) syscall(SYS_pidfd_open, peer.pid, 0);
        if (root < 0 || process < 0 || !still_waits(client))
                die("the app that wants its shared mounts is gone");
        enter_host();
        /* with the propagation of the host's mounts, since none is asked for */
        for (size_t i = 0; i < sharing->n_shares; i++)
                trees[i] = clone_tree(sharing->shares[i].how.source, &sharing->shares[i].how, -1);
        if (setns(process, CLONE_NEWNS) < 0)
                die_errno("cannot join the app's mount namespace");
        for (size_t i = 0; i < sharing->n_shares; i++)
                attach_peer(trees[i], root, &sharing->shares[i].how);
        (void) write_all(client, "ok", 2);
}

/* A grandchild does it, which nobody has to wait for: a source may be a file system that does not answer. */
static void listener_ready(struct source *source, short events) {
        const struct sharing *sharing = source->owner;
        AUTO_CLOSE int client = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC);

        (void) events;
        if (client < 0)
                return;
        pid_t child = fork();
        if (child == 0) {
                die_through(client);
                if (fork() == 0)
                        share_with(sharing, client);
                _exit(0);
        }
        while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
                continue;
}

static void listen_for(const struct share_spec *shares, size_t count) {
        struct sharing *sharing = xalloc(sizeof(*sharing));
        AUTO_FREE char *path = xasprintf("run/streams/%s.share", shares->app);

        *sharing = (struct sharing){
                .listener = {.fd = listen_at(path, 0666, BACKLOG),
                             .events = POLLIN,
                             .ready = listener_ready},
                .shares = shares,
                .n_shares = count,
        };
        sharing->listener.owner = sharing;
        add_source(&sharing->listener);
}

void sharing_open(const struct launch *launch) {
        if (launch->n_shares == 0)
                return;
        AUTO_FREE char *error = complaint(launch);
        if (error)
                die("%s", error);
        for (size_t i = 0, end; i < launch->n_shares; i = end) {
                for (end = i + 1; end < launch->n_shares; end++)
                        if (strcmp(launch->shares[end].app, launch->shares[i].app) != 0)
                                break;
                listen_for(&launch->shares[i], end - i);
        }
}
