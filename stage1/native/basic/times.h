/* What time it is, how it is written, and since when a process is there. */
#pragma once

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* RFC 3339 in UTC; digits of the second's fraction: 6 or 9. */
#define TIME_TEXT_MAX 40
void format_time(char text[static TIME_TEXT_MAX], const struct timespec *when, int digits);
struct timespec time_now(clockid_t clock);

/* When a process was started, in ticks since boot (field 22 of its stat); 0 if there is no such process. */
uint64_t process_start_time(pid_t pid);
