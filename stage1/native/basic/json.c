#include "json.h"

#include <stdio.h>
#include <string.h>

#include "util.h"

/* Length of the UTF-8 sequence at text, or 0 if it is none (overlong forms, surrogates and > U+10FFFF are
 * none). */
static size_t utf8_length(const unsigned char *text) {
        size_t length = text[0] < 0xc2   ? 0
                        : text[0] < 0xe0 ? 2
                        : text[0] < 0xf0 ? 3
                        : text[0] < 0xf5 ? 4
                                         : 0;

        for (size_t i = 1; i < length; i++)
                if ((text[i] & 0xc0) != 0x80)
                        return 0;
        if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
            (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
                return 0;
        return length;
}

char *json_quote(const char *text) {
        char *quoted = xalloc(strlen(text) * 6 + 1), *end = quoted;
        const unsigned char *next = (const unsigned char *) text;

        while (*next) {
                size_t sequence = utf8_length(next);
                if (sequence > 0) {
                        memcpy(end, next, sequence);
                        end += sequence;
                        next += sequence;
                        continue;
                }
                if (*next == '"' || *next == '\\')
                        end += sprintf(end, "\\%c", *next);
                else if (*next < 0x20 || *next >= 0x7f)
                        end += sprintf(end, "\\u%04x", *next < 0x80 ? *next : 0xfffd);
                else
                        *end++ = (char) *next;
                next++;
        }
        *end = '\0';
        return quoted;
}
