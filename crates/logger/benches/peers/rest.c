/* Writes to 512 MiB of memory and gives it back: `rest`. A virtual machine is given its memory page by page, when it is first
 * written to, which takes many times as long as clearing the page does; so the programs that are measured next, all of which
 * get this memory again, do not pay for that. */
#include <string.h>
#include <sys/mman.h>

int main(void) {
    const size_t size = (size_t)512 << 20;
    void *const memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 1;
    madvise(memory, size, MADV_HUGEPAGE);
    memset(memory, 'r', size);
    return 0;
}
