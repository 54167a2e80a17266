/* Where a mount goes in a root that an image has filled: what a path means inside, never what it means
 * outside. */
#pragma once

#include <stdbool.h>

/* openat2(2) in the root; links, also magic ones, are refused: the path is a real one. -1 and errno. */
int open_place(int root, const char *real, int flags);

/* The path without its links, which stay inside the root and may lead to what is not there yet; to be freed.
 * NULL and errno when they lead nowhere (ELOOP) or are too long. */
char *real_place(int root, const char *path);

/* Opens a real path with O_PATH. What is missing is made: directories, and last a directory or empty file.
 */
int make_place(int root, const char *real, bool directory);
