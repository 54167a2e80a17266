/* Files of records of two words, each with a NUL behind it and one more behind both. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Whether the text ends with a whole record. */
bool ends_with_pair(const char *text, size_t size);

/* Takes the record at *next, before end; false if it is none. */
bool take_pair(char **next, char *end, char **name, char **value);
