#include "label.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "util.h"

bool label_next_program(const char *text) {
        AUTO_CLOSE int fd = open("/proc/self/attr/exec", O_WRONLY | O_CLOEXEC);
        int result = fd < 0 ? -errno : write_all(fd, text, strlen(text));

        errno = -result;
        return result == 0;
}
