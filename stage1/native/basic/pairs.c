#include "pairs.h"

#include <string.h>

bool ends_with_pair(const char *text, size_t size) {
        return size >= 2 && text[size - 1] == '\0' && text[size - 2] == '\0';
}

bool take_pair(char **next, char *end, char **name, char **value) {
        *name = *next;
        *value = *name + strlen(*name) + 1;
        if (**name == '\0' || *value >= end || **value == '\0')
                return false;
        *next = *value + strlen(*value) + 2;
        return *next <= end && (*next)[-1] == '\0';
}
