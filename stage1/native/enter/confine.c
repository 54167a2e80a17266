#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "basic/execute.h"
#include "basic/files.h"
#include "basic/label.h"
#include "basic/util.h"
#include "capabilities.h"
#include "tools.h"

/* AppArmor wants a verb before the profile, SELinux takes the context as it is; unconfined is neither. */
static void take_label(const struct plan *plan) {
        AUTO_FREE char *own = read_file(AT_FDCWD, "/proc/self/attr/current", NULL, 4096);
        AUTO_FREE char *label = plan->label ? xstrdup(plan->label) : NULL;

        if (!label || !own || strcmp(own, label) == 0)
                return;
        label[strcspn(label, "\n")] = '\0';
        bool selinux = strchr(label, ':') != NULL && strstr(label, " (") == NULL;
        label[selinux ? strlen(label) : strcspn(label, " ")] = '\0';
        AUTO_FREE char *text = xasprintf("%s%s", selinux ? "" : "exec ", label);
        if (!label_next_program(text))
                die_errno("cannot take on the security label %s", label);
}

/* While we still are root of the host. What the host itself may not raise stays lower: never more than the
 * app's. */
static void take_limits(const struct plan *plan) {
        for (unsigned i = 0; i < RLIM_NLIMITS; i++) {
                struct rlimit wanted = {plan->limits.all[2 * i], plan->limits.all[2 * i + 1]}, own;
                if (getrlimit(i, &own) < 0 || setrlimit(i, &wanted) == 0)
                        continue;
                if (errno != EPERM)
                        die_errno("cannot set limit %u", i);
                wanted.rlim_max = wanted.rlim_max < own.rlim_max ? wanted.rlim_max : own.rlim_max;
                wanted.rlim_cur = wanted.rlim_cur < wanted.rlim_max ? wanted.rlim_cur : wanted.rlim_max;
                if (setrlimit(i, &wanted) < 0)
                        die_errno("cannot set limit %u", i);
        }
}

static void enter_root(const struct plan *plan) {
        if (plan->tools != NO_TOOLS)
                make_tool_root((int) plan->tools, (int) plan->root);
        else if (fchdir((int) plan->root) < 0 || chroot(".") < 0 || chdir("/") < 0)
                die_errno("cannot enter the root");
}

/* Nothing stays open but the standard streams, what is to be preserved, and after those the way to report.
 */
static int keep_descriptors(const struct plan *plan, int report) {
        int last = 3 + (int) plan->preserved;

        if (report != last && dup3(report, last, O_CLOEXEC) < 0)
                die_errno("cannot keep the way to report");
        die_through(last);
        if (close_range((unsigned) last + 1, ~0U, 0) < 0)
                die_errno("cannot close what is the host's");
        return last;
}

static void take_identity(const struct plan *plan) {
        const uint64_t *uid = plan->uids.all, *gid = plan->gids.all;
        gid_t *groups = xalloc(plan->groups.count * sizeof(gid_t));

        for (size_t i = 0; i < plan->groups.count; i++)
                groups[i] = (gid_t) plan->groups.all[i];
        limit_bounding_set(plan->bounding);
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
                die_errno("cannot keep capabilities");
        if (setgroups(plan->groups.count, groups) < 0 ||
            setresgid((gid_t) gid[0], (gid_t) gid[1], (gid_t) gid[2]) < 0 ||
            setresuid((uid_t) uid[0], (uid_t) uid[1], (uid_t) uid[2]) < 0)
                die_errno("cannot become user %u of group %u", (uid_t) uid[1], (gid_t) gid[1]);
        if (plan->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                die_errno("cannot give up new privileges");
        free(groups);
}

/* To put filters on itself without no_new_privs a process needs CAP_SYS_ADMIN. It lasts until the program is
 * executed, as in systemd itself: what is not in the bounding set no program gets. */
static void take_capabilities(const struct plan *plan) {
        bool needed = !plan->no_new_privs && plan->last_filter > plan->base_filters;

        set_capabilities(plan->permitted | (needed ? CAPABILITY(CAP_SYS_ADMIN) : 0), plan->inheritable);
        set_ambient(plan->ambient);
        (void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static void reset_signals(void) {
        struct sigaction usual = {.sa_handler = SIG_DFL};
        sigset_t none;

        for (int i = 1; i < NSIG; i++)
                (void) sigaction(i, &usual, NULL);
        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Whoever reads the reports is the command's parent, and its life is the command's. */
static void tie_to_keeper(int report) {
        struct pollfd keeper = {.fd = report};

        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
                die_errno("cannot tie the command's life to ours");
        if (poll(&keeper, 1, 0) != 0)
                _exit(EXIT_RUNTIME); /* it had gone before */
}

/* Born in the pod, visible there, and no more than the app. */
static void run_inside(const struct plan *plan, const struct filters *filters, char **argv, int report)
        __attribute__((noreturn));

static void run_inside(const struct plan *plan, const struct filters *filters, char **argv, int report) {
        if (setsid() < 0 || (plan->terminal && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0))
                die_errno("cannot make a session");
        tie_to_keeper(report);
        reset_signals();
        set_status(STATUS_CANNOT_EXECUTE);
        if (chdir(plan->directory) < 0)
                die_errno("cannot enter %s", plan->directory);
        set_status(EXIT_RUNTIME);
        filters_install(filters, (unsigned) plan->base_filters, (unsigned) plan->last_filter);
        execute(argv[0], argv, plan->environment);
}

/* A child not of ours but of our parent. */
static pid_t bear(void) {
        struct clone_args arguments = {.flags = CLONE_PARENT};

        return (pid_t) syscall(SYS_clone3, &arguments, sizeof(arguments));
}

void join_and_bear(const struct plan *plan, const struct filters *filters, char **argv, int report) {
        take_limits(plan);
        take_label(plan);
        if (setns((int) plan->process, (int) plan->namespaces) < 0)
                die_errno("cannot join the namespaces");
        enter_root(plan);
        report = keep_descriptors(plan, report);
        filters_install(filters, 0, (unsigned) plan->base_filters);
        umask((mode_t) plan->umask);
        take_identity(plan);
        take_capabilities(plan);
        pid_t child = bear();
        if (child < 0)
                die_errno("cannot start a process in the pod");
        if (child == 0)
                run_inside(plan, filters, argv, report);
        char message[1 + sizeof(child)] = {BORN};
        memcpy(message + 1, &child, sizeof(child));
        (void) write_all(report, message, sizeof(message));
        _exit(0);
}
