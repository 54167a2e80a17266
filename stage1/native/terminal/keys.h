/* Keys that give a terminal back while what runs on it goes on. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define DETACH_KEYS_MAX 16

struct detach_keys {
        unsigned char keys[DETACH_KEYS_MAX];
        size_t count, matched; /* how many of them were pressed last */
};

/* Bytes as numbers joined by commas: 16,17 is Ctrl-P Ctrl-Q; no text: no keys. False if it is nothing of the
 * kind. */
bool parse_keys(struct detach_keys *keys, char *text);

/* Takes the keys out of what was typed. Bytes that may still become the sequence are held back; if they do
 * not, they go on before what follows: `data` has room for DETACH_KEYS_MAX more. Returns the new size. */
size_t find_keys(struct detach_keys *keys, char *data, size_t size, bool *found);
