/* Small files, whole, and the directories they lie in. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/* These return 0 or a negative errno, and stay silent. A file is written beside
 * its place and then put there. */
int write_file(int dir_fd, const char *path, const char *text);
int append_file(int dir_fd, const char *path, const char *text, off_t limit);
int make_dirs(const char *path, mode_t mode);

/* A file made only when it does not exist yet; -EEXIST otherwise. It appears whole. */
int create_file(int dir_fd, const char *path, const char *text);

/* A whole file, with a NUL added after it; NULL and errno when it cannot be read or is larger than max. */
char *read_file(int dir_fd, const char *path, size_t *size, size_t max);

/* By what stat(2) found, or by two descriptors; false also when they cannot be looked at. */
bool same_file(const struct stat *one, const struct stat *other);
bool is_same_file(int one, int other);
