#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *program_name = "pod";
static int program_status = EXIT_RUNTIME;
static int die_fd = -1;

void free_pointer(void *pointer) {
        free(*(void **) pointer);
}

void close_descriptor(int *fd) {
        if (*fd >= 0)
                close(*fd);
}

int take_fd(int *fd) {
        int taken = *fd;
        *fd = -1;
        return taken;
}

void fill_standard_descriptors(void) {
        int fd;

        while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO)
                ;
        if (fd > STDERR_FILENO)
                close(fd);
}

void die_through(int fd) {
        die_fd = fd;
}

char *last_words(int fd) {
        char text[2048];
        size_t size = 0;
        ssize_t got;

        while (size < sizeof(text) - 1 && (got = read(fd, text + size, sizeof(text) - 1 - size)) != 0) {
                if (got < 0 && errno != EINTR)
                        break;
                size += got > 0 ? (size_t) got : 0;
        }
        text[size] = '\0';
        return size > 0 ? xstrdup(text) : NULL;
}

void set_program(const char *name, int status) {
        program_name = name;
        program_status = status;
}

void set_status(int status) {
        program_status = status;
}

void make_printable(char *text) {
        for (; *text; text++)
                if ((unsigned char) *text < ' ' || *text == 0x7f)
                        *text = '?';
}

static void say(const char *format, va_list arguments, int error) PRINTF_LIKE(1, 0);

static void say(const char *format, va_list arguments, int error) {
        char text[2048];
        int head = die_fd >= 0 ? 0 : snprintf(text, sizeof(text), "%s: ", program_name);
        int body = vsnprintf(text + head, sizeof(text) - (size_t) head - 256, format, arguments);
        size_t length = strlen(text);

        if (body >= 0 && error != 0)
                length += (size_t) snprintf(text + length, sizeof(text) - length, ": %s", strerror(error));
        make_printable(text);
        if (die_fd < 0)
                text[length++] = '\n';
        (void) write_all(die_fd >= 0 ? die_fd : STDERR_FILENO, text, length);
}

static void leave(void) __attribute__((noreturn));

static void leave(void) {
        if (die_fd >= 0)
                _exit(program_status);
        exit(program_status);
}

void die(const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        say(format, arguments, 0);
        va_end(arguments);
        leave();
}

void die_errno(const char *format, ...) {
        int error = errno;
        va_list arguments;
        va_start(arguments, format);
        say(format, arguments, error);
        va_end(arguments);
        leave();
}

void warn(const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        say(format, arguments, 0);
        va_end(arguments);
}

void *xalloc(size_t size) {
        void *pointer = calloc(1, size ? size : 1);
        if (!pointer)
                die("out of memory");
        return pointer;
}

void *xrealloc(void *pointer, size_t size) {
        void *grown = realloc(pointer, size ? size : 1);
        if (!grown)
                die("out of memory");
        return grown;
}

char *xstrdup(const char *text) {
        char *copy = strdup(text);
        if (!copy)
                die("out of memory");
        return copy;
}

char *xasprintf(const char *format, ...) {
        char *text;
        va_list arguments;
        va_start(arguments, format);
        if (vasprintf(&text, format, arguments) < 0)
                die("out of memory");
        va_end(arguments);
        return text;
}

int write_all(int fd, const void *data, size_t size) {
        const char *next = data;
        while (size > 0) {
                ssize_t written = write(fd, next, size);
                if (written < 0 && errno == EINTR)
                        continue;
                if (written < 0)
                        return -errno;
                next += written;
                size -= (size_t) written;
        }
        return 0;
}

bool parse_number(const char *text, uint64_t max, uint64_t *value) {
        uint64_t sum = 0;

        if (!*text)
                return false;
        for (; *text; text++) {
                unsigned digit = (unsigned) (*text - '0');
                if (*text < '0' || *text > '9' || sum > (UINT64_MAX - digit) / 10)
                        return false;
                sum = sum * 10 + digit;
        }
        *value = sum;
        return sum <= max;
}
