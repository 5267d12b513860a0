/**
 * @file normaliser.h
 *
 * Generated from crates/capi/src/normaliser.rs by `cargo xtask headers`; edit that file.
 *
 * Normalisers: log lines into patterns.
 *
 * A pattern is a line with its values taken out, so lines of one kind have one pattern:
 *
 * `03-17 16:13:38 1702 D Pm: lock=189667585, tag="*launch*"`
 *
 * - shape:  `Y-Y Y:Y:Y Y Y Y: Y=Y, Y="X"`
 * - digits: `#-# #:#:# # D Pm: lock=#, tag="*launch*"`
 * - tokens: `# # # D Pm: # tag="*launch*"`
 * - typed:  `<date> <time> <num> D Pm: lock=<num>, tag="*launch*"`
 *
 * It depends on the line alone, never on lines before it: the same line gives the same pattern in every run and on every
 * machine. A line feed ends a line; text of several lines is masked line by line.
 *
 * Levels of use: flr_normalise_line() for a line; a flr_normaliser for another mode and for rules; flr_normalise_file() for
 * whole files and summaries; a flr_pattern_counter for what a process writes while it does.
 */
#ifndef FLIGHTRING_NORMALISER_H
#define FLIGHTRING_NORMALISER_H

#include <flightring/base.h>
#include <flightring/monitor.h>

/**
 * What is taken out of a line.
 */
enum flr_normaliser_mode
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Words become `Y`, what is quoted or in brackets becomes `X`: the coarsest, and the default.
     */
    FLR_NORMALISER_MODE_SHAPE = 0,
    /**
     * Each run of digits becomes `#`: the fastest.
     */
    FLR_NORMALISER_MODE_DIGITS = 1,
    /**
     * Each token (between white space) with a digit in it becomes `#`.
     */
    FLR_NORMALISER_MODE_TOKENS = 2,
    /**
     * Addresses, times, numbers, paths and so on become the name of what they are, such as `<ip>`: the most telling.
     */
    FLR_NORMALISER_MODE_TYPED = 3,
    /**
     * Nothing. For rules that are to work alone.
     */
    FLR_NORMALISER_MODE_KEEP = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_normaliser_mode flr_normaliser_mode;
#else
typedef int32_t flr_normaliser_mode;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A mode, and rules if there are any, made ready to be used on any number of lines.
 *
 * Threads: all functions but flr_normaliser_destroy() may be called concurrently.
 */
typedef struct flr_normaliser flr_normaliser;

/**
 * Counts the patterns of a stream while it is written.
 *
 * Threads: all functions but flr_pattern_counter_destroy() may be called concurrently; they wait for each other.
 */
typedef struct flr_pattern_counter flr_pattern_counter;

/**
 * A rule of the caller: what matches becomes `<name>`.
 */
typedef struct {
    /**
     * 1 to 64 letters, digits, `_`, `-` or `.`.
     */
    const char *name;
    /**
     * A regular expression, in the syntax of Rust's regex crate. A match never spans lines.
     */
    const char *expression;
} flr_normaliser_rule;

/**
 * How a normaliser works. Start it from FLR_NORMALISER_OPTIONS_INIT; a member that is zero has its default.
 */
typedef struct {
    /**
     * sizeof(flr_normaliser_options), set by FLR_NORMALISER_OPTIONS_INIT.
     */
    uint32_t struct_size;
    /**
     * A flr_normaliser_mode. Default: FLR_NORMALISER_MODE_SHAPE, which takes no rules.
     */
    int32_t mode;
    /**
     * Rules, tried before the mode: the leftmost match wins, then the rule that comes first. They are copied.
     */
    const flr_normaliser_rule *rules;
    /**
     * How many rules there are.
     */
    size_t rule_count;
    /**
     * For counters: most patterns that are counted by themselves. Default: 10,000.
     */
    size_t max_patterns;
} flr_normaliser_options;

/**
 * How files are normalised. Start it from FLR_NORMALISE_OPTIONS_INIT; a member that is zero has its default.
 */
typedef struct {
    /**
     * sizeof(flr_normalise_options), set by FLR_NORMALISE_OPTIONS_INIT.
     */
    uint32_t struct_size;
    /**
     * A flr_normaliser_mode. Default: FLR_NORMALISER_MODE_SHAPE, which takes no rules.
     */
    int32_t mode;
    /**
     * Rules, as in flr_normaliser_options.
     */
    const flr_normaliser_rule *rules;
    /**
     * How many rules there are.
     */
    size_t rule_count;
    /**
     * Paths of text files, plain, gzip or zstd, which is found out from their bytes; `-` is standard input.
     */
    const char *const *inputs;
    /**
     * How many inputs there are: at least one.
     */
    size_t input_count;
    /**
     * Where the pattern of every line goes, in order; `-` is standard output. Default, NULL: nowhere.
     */
    const char *output;
    /**
     * Where a summary goes, as JSON. Default, NULL: nowhere.
     */
    const char *summary_json;
    /**
     * Where a summary goes, as comma-separated values. Default, NULL: nowhere.
     */
    const char *summary_csv;
    /**
     * Where a summary goes, as a page with plots. Default, NULL: nowhere.
     */
    const char *summary_html;
    /**
     * Threads that mask, at most 256. Default: as many as there are processors, at most 8.
     */
    uint32_t workers;
    /**
     * Threads that write, at most 256. Default: 1.
     */
    uint32_t writers;
    /**
     * Bytes of text in one buffer, 4 KiB to 1 GiB. There are `workers` + `writers` + 2 of them. Default: 256 KiB.
     */
    size_t buffer_size;
    /**
     * Most patterns that a summary counts by themselves. Default: 10,000.
     */
    size_t max_patterns;
} flr_normalise_options;

/**
 * What flr_normalise_file() did. Start it from FLR_NORMALISE_REPORT_INIT.
 */
typedef struct {
    /**
     * sizeof(flr_normalise_report), set by FLR_NORMALISE_REPORT_INIT.
     */
    uint32_t struct_size;
    /**
     * Lines masked.
     */
    uint64_t lines;
    /**
     * Bytes of text, uncompressed.
     */
    uint64_t bytes_in;
    /**
     * Bytes of patterns.
     */
    uint64_t bytes_out;
    /**
     * Lines that were longer than a buffer.
     */
    uint64_t long_lines;
    /**
     * Patterns that were counted by themselves; 0 without a summary.
     */
    uint64_t patterns;
    /**
     * Lines of other patterns, for which there was no room; 0 without a summary.
     */
    uint64_t other_lines;
    /**
     * How long it took, in nanoseconds.
     */
    uint64_t elapsed_ns;
} flr_normalise_report;

/**
 * What a counter has counted. Start it from FLR_PATTERN_COUNTER_STATS_INIT.
 */
typedef struct {
    /**
     * sizeof(flr_pattern_counter_stats), set by FLR_PATTERN_COUNTER_STATS_INIT.
     */
    uint32_t struct_size;
    /**
     * Lines: the sum of the counts of all patterns and `other_lines`.
     */
    uint64_t lines;
    /**
     * Patterns that are counted by themselves, each exactly.
     */
    uint64_t patterns;
    /**
     * Lines of other patterns, for which there was no room.
     */
    uint64_t other_lines;
} flr_pattern_counter_stats;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Writes the pattern of a line, in mode shape, to `dst`, without a terminating NUL, and its length to `*needed` (which may
 * be NULL). Takes time in proportion to the line, allocates nothing, and may be called from any thread at any time.
 *
 * FLR_TRUNCATED: `dst` has too little room; `*needed` is then a size that is enough, and what is in `dst` means nothing. A
 * buffer of FLR_NORMALISE_BOUND(len) bytes is always enough: the pattern has at most 1.5 times the bytes of a line that is
 * UTF-8, and three times of any other, and the rest is room for nested brackets. `dst` must not overlap `line`. Errors:
 * FLR_INVALID.
 */
FLR_API
flr_status flr_normalise_line(const void *line,
                              size_t len,
                              void *dst,
                              size_t cap,
                              size_t *needed) FLR_NOEXCEPT;

/**
 * The number of a pattern: XXH3-64 with seed 0 of its bytes. It is the same in every process, on every machine and in every
 * version. 0 when `pattern` is NULL and `len` is not 0; the message then says so.
 */
FLR_API
uint64_t flr_pattern_id(const void *pattern,
                        size_t len) FLR_NOEXCEPT;

/**
 * Creates a normaliser; `options` may be NULL for mode shape.
 *
 * It is the caller's, to be ended with flr_normaliser_destroy(). Errors: FLR_INVALID, also for a rule that is not a valid
 * expression or matches the empty text, with a message that names it.
 */
FLR_API
FLR_MUST_USE
flr_status flr_normaliser_create(const flr_normaliser_options *options,
                                 flr_normaliser **out) FLR_NOEXCEPT;

/**
 * Writes the pattern of a line to `dst`, as flr_normalise_line() does.
 *
 * FLR_TRUNCATED: `*needed` is a size that is enough, as flr_normaliser_bound() gives it. Allocates nothing, except that rules
 * do when a thread uses them first. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_normaliser_line(const flr_normaliser *normaliser,
                               const void *line,
                               size_t len,
                               void *dst,
                               size_t cap,
                               size_t *needed) FLR_NOEXCEPT;

/**
 * How large a buffer has to be for a line of `len` bytes, whatever they are. 0 for a normaliser that is NULL or of another
 * process; the message then says so.
 */
FLR_API
size_t flr_normaliser_bound(const flr_normaliser *normaliser,
                            size_t len) FLR_NOEXCEPT;

/**
 * Ends a normaliser. NULL is accepted.
 */
FLR_API void flr_normaliser_destroy(flr_normaliser *normaliser) FLR_NOEXCEPT;

/**
 * Masks files, one after the other, into one output, summarises them, or both, and says in `*report` (which may be NULL) what
 * was done. Returns when all is done. Order is kept, memory is bounded by the options, and lines may have any length.
 *
 * It starts threads, which take no signals and are gone when it returns. Errors, with a message that names the file and the
 * line: FLR_INVALID for options, also when the output is one of the inputs; FLR_NOT_FOUND and FLR_IO for files; FLR_CORRUPT
 * for damaged compressed data; FLR_TOO_LARGE for a line that is longer than a buffer when there are rules. The output then
 * has whole lines from the beginning.
 */
FLR_API
flr_status flr_normalise_file(const flr_normalise_options *options,
                              flr_normalise_report *report) FLR_NOEXCEPT;

/**
 * Creates a counter that has counted nothing; `options` may be NULL for mode shape.
 *
 * Feed it what a monitor or a logger is given. Memory is bounded: each pattern takes its text, samples and a few kilobytes.
 * It is the caller's, to be ended with flr_pattern_counter_destroy(). Errors: FLR_INVALID, as flr_normaliser_create().
 */
FLR_API
FLR_MUST_USE
flr_status flr_pattern_counter_create(const flr_normaliser_options *options,
                                      flr_pattern_counter **out) FLR_NOEXCEPT;

/**
 * Counts the lines that `data` ends; what follows the last line feed waits for the next call. Of a line longer than 16 KiB
 * only the beginning is looked at.
 *
 * Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_pattern_counter_feed(const flr_pattern_counter *counter,
                                    const void *data,
                                    size_t len) FLR_NOEXCEPT;

/**
 * Says in `*stats` what was counted. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_pattern_counter_get_stats(const flr_pattern_counter *counter,
                                         flr_pattern_counter_stats *stats) FLR_NOEXCEPT;

/**
 * Writes the `most` most frequent patterns to `dst`, as JSON without a terminating NUL: an array of objects with `id` (16
 * hexadecimal digits), `pattern` and `count`, most frequent first. `*needed` (which may be NULL) is the length of the text.
 *
 * FLR_TRUNCATED: `cap` is less than that; nothing was written. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_pattern_counter_top_json(const flr_pattern_counter *counter,
                                        size_t most,
                                        void *dst,
                                        size_t cap,
                                        size_t *needed) FLR_NOEXCEPT;

/**
 * Counts the patterns of all lines of a monitor, from the oldest retained on, until the monitor is closed; a server shows
 * them on its page. `options` may be NULL for mode shape. A second call changes nothing.
 *
 * Writers are not held up: a thread of its own follows the output. Errors: FLR_INVALID, as flr_normaliser_create();
 * FLR_FORKED; FLR_IO when there is no thread.
 */
FLR_API
flr_status flr_monitor_count_patterns(const flr_monitor *monitor,
                                      const flr_normaliser_options *options) FLR_NOEXCEPT;

/**
 * Writes the `most` most frequent patterns of a monitor to `dst`, as flr_pattern_counter_top_json() does.
 *
 * FLR_TRUNCATED: `cap` is less than `*needed`; nothing was written. FLR_END: patterns of this monitor are not counted. Errors:
 * FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_monitor_patterns_json(const flr_monitor *monitor,
                                     size_t most,
                                     void *dst,
                                     size_t cap,
                                     size_t *needed) FLR_NOEXCEPT;

/**
 * Ends a counter. NULL is accepted.
 */
FLR_API void flr_pattern_counter_destroy(flr_pattern_counter *counter) FLR_NOEXCEPT;

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/** A flr_normaliser_rule with every member zero, which means its default. */
#define FLR_NORMALISER_RULE_INIT \
    { NULL, NULL }

/** A flr_normaliser_options with every member zero, which means its default. */
#define FLR_NORMALISER_OPTIONS_INIT \
    { (uint32_t)sizeof(flr_normaliser_options), 0, NULL, 0, 0 }

/** A flr_normalise_options with every member zero, which means its default. */
#define FLR_NORMALISE_OPTIONS_INIT \
    { (uint32_t)sizeof(flr_normalise_options), 0, NULL, 0, NULL, 0, NULL, NULL, NULL, NULL, 0, 0, 0, 0 }

/** A flr_normalise_report with every member zero, which means its default. */
#define FLR_NORMALISE_REPORT_INIT \
    { (uint32_t)sizeof(flr_normalise_report), 0, 0, 0, 0, 0, 0, 0 }

/** A flr_pattern_counter_stats with every member zero, which means its default. */
#define FLR_PATTERN_COUNTER_STATS_INIT \
    { (uint32_t)sizeof(flr_pattern_counter_stats), 0, 0, 0 }

/**
 * A buffer of so many bytes is enough for the pattern of a line of `len` bytes, for every mode and without rules; see
 * flr_normaliser_bound() for rules.
 */
#define FLR_NORMALISE_BOUND(len) ((size_t)(len) * 4 + 64)

#endif /* FLIGHTRING_NORMALISER_H */
