#include "capabilities.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "basic/util.h"

#define SET_BITS 64

void limit_bounding_set(uint64_t kept) {
        for (unsigned i = 0; i < SET_BITS; i++)
                if (prctl(PR_CAPBSET_READ, i) == 1 && !(kept & CAPABILITY(i)) &&
                    prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
                        die_errno("cannot give up capability %u", i);
}

void set_capabilities(uint64_t permitted, uint64_t inheritable) {
        struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2] = {
                {(uint32_t) permitted, (uint32_t) permitted, (uint32_t) inheritable},
                {(uint32_t) (permitted >> 32), (uint32_t) (permitted >> 32),
                 (uint32_t) (inheritable >> 32)}};

        if (syscall(SYS_capset, &head, data) < 0)
                die_errno("cannot set capabilities");
}

void set_ambient(uint64_t ambient) {
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
                die_errno("cannot clear ambient capabilities");
        for (unsigned i = 0; i < SET_BITS; i++)
                if (ambient & CAPABILITY(i) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
                        die_errno("cannot raise ambient capability %u", i);
}
