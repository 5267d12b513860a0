/* Writes to a gigabyte of memory and gives it back: `rest`. A virtual machine is given its memory page by page, when it is first
 * written to, which takes many times as long as clearing the page does; so the programs that are measured next, all of which
 * get this memory again, do not pay for that. Half of it is in huge pages, as loggers may have their buffers in, and half in
 * the small pages that the kernel keeps files in. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void) {
    const size_t size = (size_t)512 << 20;
    char *const memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const int file = memfd_create("rest", MFD_CLOEXEC);
    if (memory == MAP_FAILED || file < 0)
        return 1;
    madvise(memory, size, MADV_HUGEPAGE);
    memset(memory, 'r', size);
    for (size_t written = 0; written < size;) {
        const ssize_t more = write(file, memory + written, size - written);
        if (more <= 0)
            return 1;
        written += (size_t)more;
    }
    return 0;
}
