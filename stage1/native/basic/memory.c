#include "memory.h"

#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

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
