#include "util.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

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

static void say(const char *format, va_list arguments, int error) PRINTF_LIKE(1, 0);

static void say(const char *format, va_list arguments, int error) {
        char text[2048];
        int head = die_fd >= 0 ? 0 : snprintf(text, sizeof(text), "%s: ", program_name);
        int body = vsnprintf(text + head, sizeof(text) - (size_t) head - 256, format, arguments);
        size_t length = strlen(text);

        if (body >= 0 && error != 0)
                length += (size_t) snprintf(text + length, sizeof(text) - length, ": %s", strerror(error));
        /* A path may hold any byte, a message stays one line. */
        for (size_t i = 0; i < length; i++)
                if ((unsigned char) text[i] < ' ' || text[i] == 0x7f)
                        text[i] = '?';
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

/* Writes text beside path under a name no other process uses, which the caller then puts in its place. */
static int write_beside(int dir_fd, const char *path, const char *text, char **beside) {
        AUTO_CLOSE int fd = -1;
        unsigned unique;
        int result;

        /* Not the PID: the monitor's and a reaper's come from different namespaces, and may be the same. */
        if (getrandom(&unique, sizeof(unique), 0) != (ssize_t) sizeof(unique))
                return -errno;
        *beside = xasprintf("%s.%08x~", path, unique);
        fd = openat(dir_fd, *beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        result = write_all(fd, text, strlen(text));
        if (result < 0)
                (void) unlinkat(dir_fd, *beside, 0);
        return result;
}

int write_file(int dir_fd, const char *path, const char *text) {
        AUTO_FREE char *beside = NULL;
        int result = write_beside(dir_fd, path, text, &beside);

        if (result < 0)
                return result;
        if (renameat(dir_fd, beside, dir_fd, path) < 0) {
                result = -errno;
                (void) unlinkat(dir_fd, beside, 0);
        }
        return result;
}

int create_file(int dir_fd, const char *path, const char *text) {
        AUTO_FREE char *beside = NULL;
        int result = write_beside(dir_fd, path, text, &beside);

        if (result < 0)
                return result;
        if (linkat(dir_fd, beside, dir_fd, path, 0) < 0)
                result = -errno;
        (void) unlinkat(dir_fd, beside, 0);
        return result;
}

int append_file(int dir_fd, const char *path, const char *text, off_t limit) {
        AUTO_CLOSE int fd =
                openat(dir_fd, path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
        struct stat status;

        if (fd < 0 || fstat(fd, &status) < 0)
                return -errno;
        if (limit > 0 && status.st_size + (off_t) strlen(text) > limit)
                return -EFBIG;
        return write_all(fd, text, strlen(text));
}

int make_dirs(const char *path, mode_t mode) {
        AUTO_FREE char *copy = xstrdup(path);

        for (char *slash = strchr(copy + 1, '/');; slash = strchr(slash + 1, '/')) {
                if (slash)
                        *slash = '\0';
                if (mkdir(copy, mode) < 0 && errno != EEXIST)
                        return -errno;
                if (!slash)
                        return 0;
                *slash = '/';
        }
}

static char *read_descriptor(int fd, size_t *size, size_t max) {
        AUTO_FREE char *data = NULL;
        size_t used = 0, room = 0;
        ssize_t got;

        do {
                if (room - used < 2048)
                        data = xrealloc(data, room = room ? room * 2 : 4096);
                got = read(fd, data + used, room - used - 1);
                if (got < 0)
                        return NULL;
                used += (size_t) got;
                if (used > max) {
                        errno = EFBIG;
                        return NULL;
                }
        } while (got > 0);
        data[used] = '\0';
        if (size)
                *size = used;
        char *whole = data;
        data = NULL;
        return whole;
}

char *read_file(int dir_fd, const char *path, size_t *size, size_t max) {
        AUTO_CLOSE int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        return fd < 0 ? NULL : read_descriptor(fd, size, max);
}

static char *put_digits(char *text, long value, int digits) {
        for (int i = digits; i-- > 0; value /= 10)
                text[i] = (char) ('0' + value % 10);
        return text + digits;
}

static char *put_parts(char *text, const long parts[3], const char *separators, int first_digits) {
        for (int i = 0; i < 3; i++) {
                text = put_digits(text, parts[i], i == 0 ? first_digits : 2);
                *text++ = separators[i];
        }
        return text;
}

/* By hand: gmtime(3) reads the host's time zone, and strftime(3) and printf(3) keep 100 kB of code resident.
 */
void format_time(char text[static TIME_TEXT_MAX], const struct timespec *when, int digits) {
        long days = (long) (when->tv_sec / 86400), second = (long) (when->tv_sec % 86400);
        /* The calendar repeats every 400 years of 146097 days; a year begins in March, so that the leap day
         * is its last and the months before it follow one rule. 719468 days lie between 0000-03-01 and
         * 1970-01-01. */
        long era_day = (days + 719468) % 146097, era = (days + 719468) / 146097;
        long year = (era_day - era_day / 1460 + era_day / 36524 - era_day / 146096) / 365;
        long year_day = era_day - (365 * year + year / 4 - year / 100);
        long month = (5 * year_day + 2) / 153;
        const long date[] = {era * 400 + year + (month >= 10), month < 10 ? month + 3 : month - 9,
                             year_day - (153 * month + 2) / 5 + 1};
        const long hour[] = {second / 3600, second / 60 % 60, second % 60};

        text = put_parts(text, date, "--T", 4);
        text = put_parts(text, hour, "::.", 2);
        text = put_digits(text, digits == 9 ? when->tv_nsec : when->tv_nsec / 1000, digits);
        memcpy(text, "Z", 2);
}

struct timespec time_now(clockid_t clock) {
        struct timespec now;
        clock_gettime(clock, &now);
        return now;
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

uint64_t process_start_time(pid_t pid) {
        AUTO_FREE char *path = xasprintf("/proc/%d/stat", (int) pid);
        AUTO_FREE char *text = read_file(AT_FDCWD, path, NULL, 4096);
        /* The second field may hold anything, spaces and parentheses too: count from the last parenthesis.
         */
        char *next = text ? strrchr(text, ')') : NULL;

        for (int field = 2; next && field < 22; field++)
                next = strchr(next + 1, ' ');
        return next ? strtoull(next + 1, NULL, 10) : 0;
}

void forget_pages(void *start, size_t size) {
        uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE),
                  first = ((uintptr_t) start + page - 1) & ~(page - 1);
        uintptr_t end = ((uintptr_t) start + size) & ~(page - 1);

        if (end > first)
                (void) madvise((void *) first, end - first, MADV_DONTNEED);
}

extern const ElfW(Ehdr)
        __ehdr_start; /* from the linker: the beginning of the program, wherever it was loaded */

void forget_code(void) {
        const ElfW(Phdr) *header = (const ElfW(Phdr) *) getauxval(AT_PHDR);
        uintptr_t base = 0;

        for (unsigned long left = header ? getauxval(AT_PHNUM) : 0; left-- > 0; header++) {
                if (header->p_type != PT_LOAD)
                        continue;
                if (header->p_offset == 0)
                        base = (uintptr_t) &__ehdr_start - header->p_vaddr;
                /* Only what is never written, and so is the same as in the file: relocations touch none of
                 * it. */
                if (!(header->p_flags & PF_W))
                        forget_pages((void *) (base + header->p_vaddr), header->p_memsz);
        }
}
