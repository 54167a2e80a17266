/* enter REPORT PLAN PROGRAM [ARGUMENT…]
 *
 * Joins an app of a running pod and executes a program there, as the plan says that the keeper made; REPORT
 * and PLAN are numbers of descriptors. The keeper started it in the app's cgroups, from a copy that no pod
 * can write to, with the command's standard streams. Single-threaded, straight on: it waits for nothing.
 */
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>

#include "basic/files.h"
#include "basic/util.h"
#include "confine.h"
#include "filters.h"
#include "plan.h"

#define PLAN_MAX ((size_t) 128 << 20)
#define SEALS    (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* A program of the pod's can be executed such that its process is still ours for the pod
 * (`#!/proc/self/exe`): it must not lead to a file of the host's that can be written. */
static void need_sealed(void) {
        AUTO_CLOSE int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        struct statvfs status;
        int seals = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);

        if (fd < 0 || fstatvfs(fd, &status) < 0)
                die_errno("cannot look at this program");
        if (!(status.f_flag & ST_RDONLY) && (seals < 0 || (seals & SEALS) != SEALS))
                die("enter runs only from a copy that no pod can write to; the keeper makes one");
}

static int take_descriptor(const char *text) {
        uint64_t fd;

        if (!parse_number(text, INT32_MAX, &fd) || fcntl((int) fd, F_SETFD, FD_CLOEXEC) < 0)
                die("'%s' is no open descriptor", text);
        return (int) fd;
}

static void read_plan(struct plan *plan, int fd) {
        AUTO_FREE char *path = xasprintf("/proc/self/fd/%d", fd);
        size_t size;
        char *text = read_file(AT_FDCWD, path, &size, PLAN_MAX);
        char *error;

        if (!text)
                die_errno("cannot read what is to be done");
        error = plan_parse(plan, text, size);
        if (error)
                die("what is to be done: %s", error);
}

int main(int argc, char **argv) {
        struct filters filters = {};
        struct plan plan;

        /* A process that is about to enter a pod: nothing of it can be read or stopped from there. */
        (void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        if (argc < 4) {
                warn("usage: enter REPORT PLAN PROGRAM [ARGUMENT…]");
                exit(2);
        }
        int report = take_descriptor(argv[1]);
        die_through(report);
        need_sealed();
        read_plan(&plan, take_descriptor(argv[2]));
        if (plan.filters)
                filters_read(&filters, plan.filters);
        if (filters.count < plan.last_filter || filters.n_base != plan.base_filters)
                die("the system call filters have changed meanwhile");
        join_and_bear(&plan, &filters, argv + 3, report);
}
