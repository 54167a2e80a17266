#include "keys.h"

#include <stdint.h>
#include <string.h>

#include "basic/util.h"

bool parse_keys(struct detach_keys *keys, char *text) {
        uint64_t key;

        *keys = (struct detach_keys){};
        for (char *rest = text, *word; *text && (word = strsep(&rest, ","));) {
                if (keys->count == DETACH_KEYS_MAX || !parse_number(word, UINT8_MAX, &key))
                        return false;
                keys->keys[keys->count++] = (unsigned char) key;
        }
        return true;
}

size_t find_keys(struct detach_keys *keys, char *data, size_t size, bool *found) {
        AUTO_FREE char *in = xalloc(size);
        char *out = data;

        *found = false;
        memcpy(in, data, size);
        for (size_t i = 0; i < size && !*found; i++) {
                unsigned char key = (unsigned char) in[i];
                while (keys->matched > 0 && key != keys->keys[keys->matched]) {
                        /* The longest end of what was pressed that begins the sequence as well. */
                        size_t before = keys->matched, kept = before - 1;
                        while (kept > 0 && memcmp(keys->keys + before - kept, keys->keys, kept) != 0)
                                kept--;
                        memcpy(out, keys->keys, before - kept);
                        out += before - kept;
                        keys->matched = kept;
                }
                if (keys->count > 0 && key == keys->keys[keys->matched])
                        *found = ++keys->matched == keys->count;
                else
                        *out++ = (char) key;
        }
        return (size_t) (out - data);
}
