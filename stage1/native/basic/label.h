/* Labels of a security module (LSM) of the kernel. */
#pragma once

#include <stdbool.h>

/* Of a program that was not executed, since SELinux does not let it have its label: systemd's own for that.
 */
#define STATUS_NO_LABEL 229

/* The program that this process executes next is to have it, or is not executed. AppArmor wants `exec
 * PROFILE`, SELinux a context, and a newline takes it back. False with errno: EINVAL if the module does not
 * know it. */
bool label_next_program(const char *text);
