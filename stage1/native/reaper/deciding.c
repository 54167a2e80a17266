#include "deciding.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "basic/files.h"
#include "basic/room.h"
#include "basic/util.h"
#include "sentence.h"

#define EXIT_SIGNAL  (SIGRTMIN + 6)  /* systemd starts kexec.target, which stage1 links to exit.target */
#define LEAVE_SIGNAL (SIGRTMIN + 13) /* systemd stops nothing and leaves at once */

void record_stopping(const struct reaper *reaper, const char *who) {
        AUTO_FREE char *text = xasprintf("%s\n", who);
        int result = room_write(create_file, reaper->status_fd, "", "stopping", text);

        /* The pod has to end, also where that cannot be noted. */
        if (result < 0 && result != -EEXIST)
                warn("cannot write status/stopping: %s", strerror(-result));
}

/* Where no app is left there is nothing to stop in order, and the jobs for it would cost 20 ms. */
void ask_for_end(bool nothing_left) {
        if (kill(1, nothing_left ? LEAVE_SIGNAL : EXIT_SIGNAL) < 0)
                die_errno("cannot ask the pod to end");
}

static void end_pod(const struct reaper *reaper, const struct record *decider, bool nothing_left) {
        bool own = strcmp(decider->app, reaper->app) == 0;
        AUTO_FREE char *sentence = record_sentence(decider, own ? reaper->program : "",
                                                   own ? reaper->missing : "", own && reaper->gave_up);
        AUTO_FREE char *verdict = xasprintf("%d %s %s\n", decider->status, decider->app, sentence);
        AUTO_FREE char *who = xasprintf("app %s", decider->app);
        int result = room_write(create_file, reaper->status_fd, "", "verdict", verdict);

        if (result == -EEXIST)
                return; /* another was first, and ends the pod */
        if (result < 0)
                warn("cannot write status/verdict: %s", strerror(-result));
        /* Before the signal: what ends from now on ends because of it. */
        record_stopping(reaper, who);
        if (*reaper->root)
                printf("end %d %s\n", decider->status, decider->app);
        else
                ask_for_end(nothing_left && !reaper->in_order);
}

void decide(const struct reaper *reaper, const struct record *own) {
        AUTO_FREE struct record *records = xalloc((reaper->policy.n_apps + 1) * sizeof(*records));
        const struct record *decider = NULL;
        bool nothing_left = true;

        for (size_t i = 0; i < reaper->policy.n_apps; i++) {
                record_load(&records[i], reaper->status_fd, reaper->policy.apps[i].name);
                /* one that was stopped by hand may run again */
                nothing_left = nothing_left && records[i].final && !records[i].stopping;
        }
        if (own)
                decider = policy_decide(&reaper->policy, records, own);
        for (size_t i = 0; !own && !decider && i < reaper->policy.n_apps; i++)
                decider = policy_decide(&reaper->policy, records, &records[i]);
        if (decider)
                end_pod(reaper, decider, nothing_left);
}
