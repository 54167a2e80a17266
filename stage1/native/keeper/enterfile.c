#include "enterfile.h"

#include <string.h>

#include "basic/pairs.h"
#include "basic/util.h"

/* One record of two words; NULL or what is wrong. */
static char *take_record(struct entry *entry, const char *name, char *value, bool first) {
        if (first != (strcmp(name, "version") == 0))
                return xstrdup("the first record, and no other, is 'version'");
        if (first)
                return strcmp(value, "1") == 0 ? NULL : xasprintf("version %s is not known", value);
        if (strcmp(name, "directory") == 0)
                entry->directory = value;
        else if (strcmp(name, "filters") == 0)
                entry->filters = value;
        else if (strcmp(name, "env") == 0 && strchr(value, '=') && *value != '=')
                entry->environment[entry->n_environment++] = value;
        else
                return xasprintf("'%s %s' is not known", name, value);
        return NULL;
}

char *entry_parse(struct entry *entry, char *text, size_t size) {
        char *next = text, *end = text + size;

        *entry = (struct entry){.environment = xalloc((size / 4 + 2) * sizeof(char *))};
        if (!ends_with_pair(text, size))
                return xstrdup("it does not end with a whole record");
        while (next < end) {
                bool first = next == text;
                char *name, *value;
                if (!take_pair(&next, end, &name, &value))
                        return xstrdup("a record is not two words");
                char *error = take_record(entry, name, value, first);
                if (error)
                        return error;
        }
        if (!entry->directory || entry->directory[0] != '/')
                return xstrdup("there is no 'directory'");
        return NULL;
}
