/* Strings of any bytes as JSON. */
#include "inspect.h"

#include <string.h>

/* The length of the valid UTF-8 sequence at the start of `bytes`; 0 if there is none. */
static size_t sequence_length(const unsigned char *bytes, size_t left) {
        static const struct {
                unsigned char mask, lead;
                unsigned long lowest;
        } kinds[] = {{0x80, 0, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

        for (size_t kind = 0; kind < 4 && kind < left; kind++) {
                unsigned long point = bytes[0] & (unsigned char) ~kinds[kind].mask;
                size_t at = 1;

                if ((bytes[0] & kinds[kind].mask) != kinds[kind].lead)
                        continue;
                for (; at <= kind && (bytes[at] & 0xc0) == 0x80; at++)
                        point = point << 6 | (bytes[at] & 0x3f);
                /* Overlong forms, surrogates and what lies beyond Unicode are not UTF-8. */
                if (at <= kind || point < kinds[kind].lowest || point > 0x10ffff ||
                    (point >= 0xd800 && point <= 0xdfff))
                        return 0;
                return kind + 1;
        }
        return 0;
}

static bool is_utf8(const char *bytes, size_t length) {
        for (size_t at = 0, step; at < length; at += step) {
                step = sequence_length((const unsigned char *) bytes + at, length - at);
                if (step == 0)
                        return false;
        }
        return true;
}

void json_text(const char *bytes, size_t length) {
        putchar('"');
        for (size_t at = 0, step; at < length; at += step) {
                unsigned char byte = (unsigned char) bytes[at];

                step = sequence_length((const unsigned char *) bytes + at, length - at);
                if (step == 0) {
                        printf("\\udc%02x", byte);
                        step = 1;
                } else if (byte < 0x20 || byte == 0x7f || byte == '"' || byte == '\\')
                        printf("\\u%04x", byte);
                else
                        fwrite(bytes + at, 1, step, stdout);
        }
        putchar('"');
}

void json_string(const char *string) {
        if (string)
                json_text(string, strlen(string));
        else
                fputs("null", stdout);
}

static void put_base64(const char *bytes, size_t length) {
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

        for (size_t at = 0; at < length; at += 3) {
                unsigned long group = 0;

                for (size_t i = 0; i < 3; i++)
                        group = group << 8 | (at + i < length ? (unsigned char) bytes[at + i] : 0);
                for (size_t i = 0; i < 4; i++)
                        putchar(at + i > length ? '=' : digits[group >> (18 - 6 * i) & 63]);
        }
}

void json_bytes(const char *bytes, size_t length) {
        fputs("{\"text\": ", stdout);
        if (is_utf8(bytes, length))
                json_text(bytes, length);
        else
                fputs("null", stdout);
        fputs(", \"base64\": \"", stdout);
        put_base64(bytes, length);
        fputs("\"}", stdout);
}
