/* Measurements of the logger by itself, through dlopen: `alone LIBRARY FOLDER`. Prints lines of a name, a tab and a number.
 * Pairs that are compared are measured in turns; each number is a median. */
#define _GNU_SOURCE
#include <flightring/flightring.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static flr_status (*open_logger)(const flr_logger_options *, flr_logger **);
static flr_status (*write_record)(const flr_logger *, const void *, size_t);
static flr_status (*flush_logger)(const flr_logger *, int64_t);
static flr_status (*close_logger)(const flr_logger *);
static void (*destroy_logger)(flr_logger *);

static char path[4096];
static char record[4096];

static void need(int holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "alone: %s failed\n", what);
        exit(1);
    }
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, ascending);
    return values[count / 2];
}

static void print(const char *name, double value) { printf("%s\t%.6g\n", name, value); }

static flr_logger *open_log(int staging, int overflow) {
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    flr_logger *log;
    options.path = path;
    options.staging = staging;
    options.overflow = overflow;
    unlink(path);
    need(open_logger(&options, &log) == FLR_OK, "flr_logger_open");
    return log;
}

static void end_log(flr_logger *log) {
    need(close_logger(log) == FLR_OK, "flr_logger_close");
    destroy_logger(log);
    unlink(path);
}

enum { BURST = 4000, BURSTS = 200 };

static char window[1 << 20];
static size_t window_at, window_tail;

/* A burst of what no logger can do without: copies of the same bytes and a release store. */
static double floor_burst(size_t length) {
    const double begin = now();
    for (int i = 0; i < BURST; i++) {
        size_t n = length;
        __asm__ volatile("" : "+r"(n) : "r"(record) : "memory");
        if (window_at + 4 + n > sizeof window)
            window_at = 0;
        const uint32_t prefix = (uint32_t)n;
        memcpy(window + window_at, &prefix, 4);
        memcpy(window + window_at + 4, record, n);
        window_at += 4 + n;
        __atomic_store_n(&window_tail, window_at, __ATOMIC_RELEASE);
    }
    return (now() - begin) / BURST;
}

static double log_burst(const flr_logger *log, size_t length) {
    const double begin = now();
    for (int i = 0; i < BURST; i++) {
        __asm__ volatile("" : : "r"(record) : "memory");
        need(write_record(log, record, length) == FLR_OK, "flr_logger_write");
    }
    return (now() - begin) / BURST;
}

/* The calls alone, in bursts that fit the memory. */
static void hot(void) {
    static const size_t lengths[] = {8, 100, 500};
    static double floors[BURSTS], calls[BURSTS], shared[BURSTS];
    memset(window, 'y', sizeof window);
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        char name[64];
        flr_logger *log = open_log(FLR_STAGING_PRIVATE, FLR_OVERFLOW_DROP_NEWEST);
        for (int i = 0; i < BURSTS; i++) {
            floors[i] = floor_burst(lengths[l]);
            calls[i] = log_burst(log, lengths[l]);
            need(flush_logger(log, 10000) == FLR_OK, "flr_logger_flush");
        }
        end_log(log);
        snprintf(name, sizeof name, "floor_%zu", lengths[l]);
        print(name, median(floors, BURSTS));
        snprintf(name, sizeof name, "call_%zu", lengths[l]);
        print(name, median(calls, BURSTS));
    }
    /* Two logs at once have two files. */
    flr_logger *private_log = open_log(FLR_STAGING_PRIVATE, FLR_OVERFLOW_DROP_NEWEST);
    const size_t end = strlen(path);
    strcat(path, ".shared");
    flr_logger *shared_log = open_log(FLR_STAGING_SHARED, FLR_OVERFLOW_DROP_NEWEST);
    for (int i = 0; i < BURSTS; i++) {
        calls[i] = log_burst(private_log, 100);
        shared[i] = log_burst(shared_log, 100);
        need(flush_logger(private_log, 10000) == FLR_OK, "flr_logger_flush");
        need(flush_logger(shared_log, 10000) == FLR_OK, "flr_logger_flush");
    }
    end_log(shared_log);
    path[end] = 0;
    end_log(private_log);
    print("private_100", median(calls, BURSTS));
    print("shared_100", median(shared, BURSTS));
}

struct first {
    const flr_logger *log;
    double took;
};

static void *first_call(void *argument) {
    struct first *const first = argument;
    const double begin = now();
    const flr_status status = write_record(first->log, record, 100);
    first->took = now() - begin;
    need(status == FLR_OK, "flr_logger_write");
    return NULL;
}

static double resident_kib(void) {
    unsigned long total = 0, resident = 0;
    FILE *const file = fopen("/proc/self/statm", "r");
    need(file != NULL && fscanf(file, "%lu %lu", &total, &resident) == 2, "/proc/self/statm");
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static void threads(void) {
    enum { MANY = 10000, FEW = 1000 };
    static double took[MANY];
    flr_logger *log = open_log(FLR_STAGING_PRIVATE, FLR_OVERFLOW_DROP_NEWEST);
    /* What the flusher prepares after opening is there by then. */
    need(flush_logger(log, 10000) == FLR_OK, "flr_logger_flush");
    double after_few = 0;
    for (int i = 0; i < MANY; i++) {
        struct first first = {log, 0};
        pthread_t thread;
        need(pthread_create(&thread, NULL, first_call, &first) == 0, "pthread_create");
        pthread_join(thread, NULL);
        took[i] = first.took;
        if (i == FEW)
            after_few = resident_kib();
    }
    print("first_call", median(took, MANY));
    print("threads_growth_kib", resident_kib() - after_few);
    end_log(log);
}

static void idle(void) {
    flr_logger *log = open_log(FLR_STAGING_PRIVATE, FLR_OVERFLOW_DROP_NEWEST);
    need(write_record(log, record, 100) == FLR_OK, "flr_logger_write");
    need(flush_logger(log, 10000) == FLR_OK, "flr_logger_flush");
    sleep(1);
    const double used = cpu_seconds();
    sleep(4);
    print("idle_percent", (cpu_seconds() - used) / 4 * 100);
    end_log(log);
}

/* The least that a durable flush by another thread can take: it is woken, writes 4 KiB, and wakes. */
static struct {
    uint32_t asked, done;
    int file;
    off_t at;
    char *sector;
} helper;

static void futex(uint32_t *word, int what, uint32_t value) { syscall(SYS_futex, word, what, value, NULL, NULL, 0); }

static void wait_while(uint32_t *word, uint32_t value) {
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value)
        futex(word, FUTEX_WAIT_PRIVATE, value);
}

static void *help(void *unused) {
    for (uint32_t turn = 0;; turn++) {
        wait_while(&helper.asked, turn);
        if (helper.sector == NULL)
            return unused;
        need(pwrite(helper.file, helper.sector, 4096, helper.at) == 4096, "pwrite");
        helper.at += 4096;
        __atomic_store_n(&helper.done, turn + 1, __ATOMIC_RELEASE);
        futex(&helper.done, FUTEX_WAKE_PRIVATE, 1);
    }
}

static int open_direct(const char *name, int flags) {
    int file = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_DIRECT | flags, 0644);
    if (file < 0)
        file = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | flags, 0644);
    need(file >= 0, "open");
    return file;
}

static void flushes(void) {
    enum { TIMES = 300 };
    static double floors[TIMES], took[TIMES];
    char other[4104];
    snprintf(other, sizeof other, "%s.floor", path);
    helper.file = open_direct(other, O_DSYNC);
    need(posix_memalign((void **)&helper.sector, 4096, 4096) == 0, "posix_memalign");
    memset(helper.sector, 'z', 4096);
    pthread_t thread;
    need(pthread_create(&thread, NULL, help, NULL) == 0, "pthread_create");
    flr_logger *log = open_log(FLR_STAGING_PRIVATE, FLR_OVERFLOW_DROP_NEWEST);
    for (uint32_t i = 0; i < TIMES; i++) {
        double begin = now();
        __atomic_store_n(&helper.asked, i + 1, __ATOMIC_RELEASE);
        futex(&helper.asked, FUTEX_WAKE_PRIVATE, 1);
        wait_while(&helper.done, i);
        floors[i] = now() - begin;
        begin = now();
        need(write_record(log, record, 100) == FLR_OK, "flr_logger_write");
        need(flush_logger(log, 10000) == FLR_OK, "flr_logger_flush");
        took[i] = now() - begin;
    }
    end_log(log);
    helper.sector = NULL;
    __atomic_store_n(&helper.asked, TIMES + 1, __ATOMIC_RELEASE);
    futex(&helper.asked, FUTEX_WAKE_PRIVATE, 1);
    pthread_join(thread, NULL);
    close(helper.file);
    unlink(other);
    print("flush_floor_us", median(floors, TIMES) / 1e3);
    print("flush_us", median(took, TIMES) / 1e3);
}

/* Bytes of the file for a byte of payload at a steady rate. */
static void framing(void) {
    static const int rates[] = {100000, 1000000, 2000000};
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
        flr_logger *log = open_log(FLR_STAGING_PRIVATE, FLR_OVERFLOW_BLOCK);
        const double begin = now(), every = 1e9 * 100 / rates[r];
        double written = 0;
        for (double next = begin; next < begin + 1e9; next += every) {
            while (now() < next) {
                struct timespec pause = {0, 20000};
                nanosleep(&pause, NULL);
            }
            for (int i = 0; i < 100; i++)
                need(write_record(log, record, 100) == FLR_OK, "flr_logger_write");
            written += 100 * 100;
        }
        struct stat found;
        need(close_logger(log) == FLR_OK, "flr_logger_close");
        need(stat(path, &found) == 0, "stat");
        destroy_logger(log);
        unlink(path);
        char name[64];
        snprintf(name, sizeof name, "framing_%d", rates[r]);
        print(name, (double)found.st_size / written);
    }
}

/* What the disk takes: direct writes of 1 MiB. */
static void disk(void) {
    enum { MIB = 1 << 20, COUNT = 128 };
    char *data;
    need(posix_memalign((void **)&data, 2 << 20, MIB) == 0, "posix_memalign");
    memset(data, 'd', MIB);
    const int file = open_direct(path, 0);
    const double begin = now();
    for (off_t i = 0; i < COUNT; i++)
        need(pwrite(file, data, MIB, i * MIB) == MIB, "pwrite");
    need(fdatasync(file) == 0, "fdatasync");
    print("disk_mb_s", (double)COUNT * MIB / (now() - begin) * 1e3);
    close(file);
    unlink(path);
    free(data);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: alone LIBRARY FOLDER\n");
        return 2;
    }
    void *const library = dlopen(argv[1], RTLD_NOW);
    need(library != NULL, "dlopen");
    *(void **)&open_logger = dlsym(library, "flr_logger_open");
    *(void **)&write_record = dlsym(library, "flr_logger_write");
    *(void **)&flush_logger = dlsym(library, "flr_logger_flush");
    *(void **)&close_logger = dlsym(library, "flr_logger_close");
    *(void **)&destroy_logger = dlsym(library, "flr_logger_destroy");
    need(open_logger && write_record && flush_logger && close_logger && destroy_logger, "dlsym");
    snprintf(path, sizeof path - 16, "%s/alone.log", argv[2]);
    memset(record, 'x', sizeof record);
    hot();
    threads();
    idle();
    flushes();
    framing();
    disk();
    return 0;
}
