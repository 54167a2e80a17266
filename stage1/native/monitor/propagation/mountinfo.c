#include "mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "basic/files.h"
#include "basic/util.h"

#define MOUNTINFO_MAX ((size_t) 64 << 20)

char *mountinfo_read(const char *path) {
        return read_file(AT_FDCWD, path, NULL, MOUNTINFO_MAX);
}

const char *mountinfo_next(const char *line) {
        const char *end = strchr(line, '\n');

        return end && end[1] ? end + 1 : NULL;
}

const char *mountinfo_find(const char *table, int fd) {
        struct statx found;

        if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &found) < 0)
                return NULL;
        AUTO_FREE char *start = xasprintf("%llu ", (unsigned long long) found.stx_mnt_id);
        for (const char *line = table; line; line = mountinfo_next(line))
                if (strncmp(line, start, strlen(start)) == 0)
                        return line;
        errno = ENOENT;
        return NULL;
}

bool mountinfo_has(const char *line, const char *field) {
        AUTO_FREE char *text = strndup(line, strcspn(line, "\n"));
        AUTO_FREE char *start = xasprintf(" %s", field);
        const char *word = text ? strstr(text, start) : NULL, *end = text ? strstr(text, " - ") : NULL;

        return word && end && word < end;
}

char *mountinfo_place(const char *line) {
        for (int words = 0; words < 4; words++) {
                line = strchr(line, ' ');
                if (!line)
                        return NULL;
                line++;
        }
        return strndup(line, strcspn(line, " \n"));
}

void mountinfo_unescape(char *text) {
        char *to = text;

        for (const char *from = text; *from; to++) {
                if (from[0] == '\\' && strspn(from + 1, "01234567") >= 3) {
                        *to = (char) ((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
                        from += 4;
                } else
                        *to = *from++;
        }
        *to = '\0';
}
