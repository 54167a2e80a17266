#include "times.h"

#include <fcntl.h>
#include <string.h>

#include "files.h"
#include "util.h"

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
