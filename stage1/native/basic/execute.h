/* Running a program the way a shell finds it, without the C library's own ideas of PATH. */
#pragma once

#define STATUS_CANNOT_EXECUTE 126
#define STATUS_NOT_FOUND      127
#define PATH_DEFAULT          "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* The value of a variable in a list that ends with NULL, or NULL. */
const char *get_variable(char **environment, const char *name);

/* The program by its path, or each place in the PATH of its environment. Dies with 126 or 127. */
void execute(const char *program, char **argv, char **environment) __attribute__((noreturn));
