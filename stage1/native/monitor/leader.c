#include "leader.h"

#include <fcntl.h>
#include <string.h>

#include "basic/files.h"
#include "basic/times.h"
#include "basic/util.h"
#include "supervisor.h"
#include "watchdog.h"

void set_leader(struct monitor *monitor, pid_t leader) {
        uint64_t start = process_start_time(leader);
        AUTO_FREE char *text = xasprintf("%d %llu\n", (int) leader, (unsigned long long) start);
        int result;

        if (monitor->leader > 0 || start == 0)
                return;
        monitor->leader = leader;
        monitor->leader_start = start;
        result = write_file(AT_FDCWD, "run/leader", text);
        if (result < 0)
                warn("cannot write run/leader: %s", strerror(-result));
        watchdog_start(leader);
}

void look_for_leader(struct monitor *monitor) {
        pid_t leader = monitor->leader > 0 ? 0 : supervisor_find_leader(monitor->supervisor);
        if (leader > 0)
                set_leader(monitor, leader);
}

bool leader_lives(const struct monitor *monitor) {
        return monitor->leader > 0 && process_start_time(monitor->leader) == monitor->leader_start;
}
