#include "rules.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "basic/util.h"

/* Runs `PROGRAM -f FILE`; what it says goes to run/console.log. */
static pid_t run_rules(const char *program, const char *file) {
        pid_t pid = fork();

        if (pid != 0)
                return pid;
        AUTO_CLOSE int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        AUTO_CLOSE int console =
                open("run/console.log", O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (null >= 0 && console >= 0 && dup2(null, STDIN_FILENO) >= 0 &&
            dup2(console, STDOUT_FILENO) >= 0 && dup2(console, STDERR_FILENO) >= 0)
                execl(program, program, "-f", file, NULL);
        _exit(127);
}

static bool succeeded(pid_t pid) {
        int status = 0;

        if (pid < 0)
                return false;
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return false;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

pid_t rules_begin(const struct launch *launch) {
        return launch->rules.program ? run_rules(launch->rules.program, launch->rules.up) : 0;
}

char *rules_finish(const struct launch *launch, pid_t pid) {
        const struct rules_spec *rules = &launch->rules;

        if (!rules->program || succeeded(pid))
                return NULL;
        if (succeeded(run_rules(rules->program, rules->repair)) &&
            succeeded(run_rules(rules->program, rules->up)))
                return NULL;
        return xasprintf("%s does not take the pod's rules, run/console.log says why; `pod network reload` "
                         "makes all rules anew",
                         rules->program);
}

pid_t rules_remove_begin(const struct launch *launch) {
        return launch->rules.program ? run_rules(launch->rules.program, launch->rules.down) : 0;
}

void rules_remove_finish(const struct launch *launch, pid_t pid) {
        if (launch->rules.program)
                (void) succeeded(pid);
        for (size_t i = 0; i < launch->n_unlinks; i++)
                (void) unlink(launch->unlinks[i]);
}
