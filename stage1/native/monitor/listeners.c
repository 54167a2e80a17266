#include "listeners.h"

#include <fcntl.h>
#include <stdlib.h>

#include "basic/util.h"

#define MOST_LISTENERS 512

int count_listeners(pid_t owner) {
        const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
        uint64_t number, wanted;

        if (!pid || !count || !parse_number(pid, INT32_MAX, &wanted) || (pid_t) wanted != owner ||
            !parse_number(count, MOST_LISTENERS, &number))
                return 0;
        for (int fd = FIRST_LISTENER; fd < FIRST_LISTENER + (int) number; fd++)
                if (fcntl(fd, F_GETFD) < 0)
                        die("LISTEN_FDS is %s, but descriptor %d is not open", count, fd);
        return (int) number;
}

void close_listeners(int count) {
        for (int fd = FIRST_LISTENER; fd < FIRST_LISTENER + count; fd++)
                close(fd);
}
