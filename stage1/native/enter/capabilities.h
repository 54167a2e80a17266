/* Capability sets of this process. */
#pragma once

#include <stdint.h>

#define CAPABILITY(number) (UINT64_C(1) << (number))

/* None of these returns when it fails. */
void limit_bounding_set(uint64_t kept);
void set_capabilities(uint64_t permitted, uint64_t inheritable);
void set_ambient(uint64_t ambient);
