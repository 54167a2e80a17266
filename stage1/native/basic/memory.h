/* A monitor waits most of its life: what it does not need meanwhile goes back to the kernel. */
#pragma once

#include <stddef.h>

/* Code comes back from the file when it runs again; a buffer's whole pages come back empty. */
void forget_code(void);
void forget_pages(void *start, size_t size);
