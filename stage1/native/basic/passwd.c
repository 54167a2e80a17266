#include "passwd.h"

#include <string.h>

bool next_entry(char **rest, char *fields[static PASSWD_FIELDS]) {
        static char empty[] = "";
        char *line = *rest ? strsep(rest, "\n") : NULL;

        if (!line)
                return false;
        for (size_t i = 0; i < PASSWD_FIELDS; i++) {
                char *word = line ? strsep(&line, ":") : NULL;
                fields[i] = word ? word : empty;
        }
        return true;
}
