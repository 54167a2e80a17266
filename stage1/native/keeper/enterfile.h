/* run/enter/APP: what entering an app needs and its process cannot be trusted to tell. */
#pragma once

#include <stddef.h>

struct entry {
        const char *directory, *filters; /* filters: the file they are kept in */
        char **environment;              /* NULL at the end */
        size_t n_environment;
};

/* Takes text apart in place; it stays for the entry's life. Returns NULL, or what is wrong. */
char *entry_parse(struct entry *entry, char *text, size_t size);
