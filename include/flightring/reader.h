/**
 * @file reader.h
 *
 * Generated from crates/capi/src/reader.rs by `cargo xtask headers`; edit that file.
 *
 * Readers: the records of a log file, verified, in bounded memory.
 *
 * A reader takes the files of this library and those of the formats before it. Every block with a checksum is verified
 * before its records are handed out, so a record is what was logged or it does not come: what is torn, flipped, missing or
 * doubled is skipped and counted (flr_reader_get_stats()), or reported if the caller asks for that. Memory is bounded by
 * the largest block of the file.
 *
 * Files that are compressed, by gzip or zstd, are read as they are. A log that is compressed is not followed, but one that is
 * followed may have its finished files compressed.
 *
 * A log may be read while it is written. With `follow` a reader goes on at the end when there is more, through rotations:
 * also with several logs at once, as one stream in the order of time.
 */
#ifndef FLIGHTRING_READER_H
#define FLIGHTRING_READER_H

#include <flightring/base.h>

/**
 * What blocks without a trailer, as earlier formats have them, are taken for.
 */
enum flr_dialect
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Find out: the default.
     */
    FLR_DIALECT_AUTO = 0,
    /**
     * There are none: such a block is damage.
     */
    FLR_DIALECT_CURRENT = 1,
    /**
     * `valid` counts record bytes; records are a length and bytes.
     */
    FLR_DIALECT_V1 = 2,
    /**
     * As V1, but `valid` counts the header too.
     */
    FLR_DIALECT_V2 = 3,
    /**
     * As V1, with a time in front of each record.
     */
    FLR_DIALECT_TIMED = 4,
    /**
     * As V1, but a block ends at the next multiple of 512 after its records.
     */
    FLR_DIALECT_PACKED = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_dialect flr_dialect;
#else
typedef int32_t flr_dialect;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Why records were dropped, as markers report it.
 */
enum flr_drop_cause
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * There was no room.
     */
    FLR_DROP_CAUSE_FULL = 0,
    /**
     * There was no room in time.
     */
    FLR_DROP_CAUSE_TIMED_OUT = 1,
    /**
     * The record can never fit.
     */
    FLR_DROP_CAUSE_TOO_LARGE = 2,
    /**
     * A signal handler had interrupted a call.
     */
    FLR_DROP_CAUSE_REENTERED = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_drop_cause flr_drop_cause;
#else
typedef int32_t flr_drop_cause;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The order of the records.
 */
enum flr_order
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * As in the file, and one file after the other: the default.
     */
    FLR_ORDER_FILE = 0,
    /**
     * By time: the records of all threads and files as one stream, those of one thread in their order.
     */
    FLR_ORDER_TIME = 1,
    /**
     * By the number of a record in its log: for rotated files, given in any order.
     */
    FLR_ORDER_SEQUENCE = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_order flr_order;
#else
typedef int32_t flr_order;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A reader of one log, or of several as one stream.
 *
 * Threads: one thread at a time, which may be another one at each call.
 */
typedef struct flr_reader flr_reader;

/**
 * How a log is read. Start it from FLR_READER_OPTIONS_INIT; a member that is zero has its default.
 */
typedef struct {
    /**
     * sizeof(flr_reader_options), set by FLR_READER_OPTIONS_INIT.
     */
    uint32_t struct_size;
    /**
     * A flr_dialect. Default: find out.
     */
    int32_t dialect;
    /**
     * Not 0: the file is being written. At its end flr_reader_next() returns FLR_TIMEOUT instead of FLR_END, and goes on
     * when there is more, also in the files that follow after rotations; flr_reader_open_files() follows several logs. In
     * the order of the files, records come as they are found. In another order each is held back for `hold_ms`. After a
     * crash, records that its recovery cuts off and writes again come twice; none is left out.
     */
    uint32_t follow;
    /**
     * Not 0: flr_reader_next() returns FLR_CORRUPT, once for each range that it skips, with a message that says where and
     * why; the next call goes on after it. Default: skipped ranges are only counted.
     */
    uint32_t report_damage;
    /**
     * A flr_order. Default: as in the file.
     */
    int32_t order;
    /**
     * At least this severe, a flr_level of logger.h. Default: all.
     */
    int32_t level;
    /**
     * Only records of this thread. Default: of all.
     */
    uint32_t thread;
    /**
     * The bound on the size of a block, in MiB, at most 4096. Default: 512.
     */
    uint32_t max_block_mib;
    /**
     * Bytes of records to look ahead for an order other than that of the file. Twice the buffer of the logger that wrote
     * the log gives the exact order. Default: 128 MiB.
     */
    uint64_t window;
    /**
     * Not before this time, in Unix nanoseconds. Default: from the beginning.
     */
    uint64_t since_ns;
    /**
     * Before this time, in Unix nanoseconds. Default: to the end.
     */
    uint64_t until_ns;
    /**
     * Only from about so many records before the end: from the beginning of the block that holds the first of them.
     * Default, and always for a compressed file: the whole log.
     */
    uint64_t last_records;
    /**
     * Only records that contain this text. It is copied. Default, NULL: all.
     */
    const char *text;
    /**
     * With `follow` and an order other than that of the files: milliseconds for which a record is held back, so that earlier
     * ones of other threads and files can come before it. The order is exact if no logger takes longer to write a record
     * (`flush_interval_ms`); a record that comes too late is delivered late, and counted. Default: 11,000, a second more than
     * the loggers' default interval.
     */
    uint32_t hold_ms;
    /**
     * Must be 0.
     */
    uint32_t reserved;
} flr_reader_options;

/**
 * One record. Start it from FLR_RECORD_INIT.
 */
typedef struct {
    /**
     * sizeof(flr_record), set by FLR_RECORD_INIT.
     */
    uint32_t struct_size;
    /**
     * What was logged, byte for byte and without a terminating NUL; valid until the next call on the reader. Never NULL.
     */
    const void *data;
    /**
     * How many bytes it has.
     */
    size_t len;
    /**
     * When it was logged, in Unix nanoseconds; 0 = not known.
     */
    uint64_t time_ns;
    /**
     * A flr_level of logger.h.
     */
    int32_t level;
    /**
     * The kernel's id of the thread that logged it; 0 = not known.
     */
    uint32_t thread;
    /**
     * Its number in the log: how many records were written before it, over restarts and rotations.
     */
    uint64_t sequence;
    /**
     * Its number among the records of its shard in one run of the logger; 0 if not known.
     */
    uint64_t shard_sequence;
    /**
     * The shard that it went through. Of a marker: the shard that was full; UINT32_MAX = several, or none.
     */
    uint32_t shard;
    /**
     * Not 0: no record of a user, but a report of the logger that it dropped `dropped` records; `data` says so in words.
     */
    uint32_t is_marker;
    /**
     * How many records a marker reports as dropped.
     */
    uint64_t dropped;
    /**
     * Which of the reader's files it is from, counted from 0 as they were given.
     */
    uint32_t file;
    /**
     * Why a marker's records were dropped, a flr_drop_cause; a later version may know more.
     */
    int32_t drop_cause;
    /**
     * The beginning of the time in which a marker's records were dropped, Unix nanoseconds; it ends at `time_ns`.
     */
    uint64_t since_ns;
} flr_record;

/**
 * What a reader has met so far, by whole blocks. Start it from FLR_READER_STATS_INIT.
 */
typedef struct {
    /**
     * sizeof(flr_reader_stats), set by FLR_READER_STATS_INIT.
     */
    uint32_t struct_size;
    /**
     * What blocks without a trailer were taken for, a flr_dialect.
     */
    int32_t dialect;
    /**
     * Good blocks.
     */
    uint64_t blocks;
    /**
     * Records in them, whether chosen or not; markers are not counted.
     */
    uint64_t records;
    /**
     * Markers: reports of the logger about dropped records.
     */
    uint64_t markers;
    /**
     * The sum of those reports.
     */
    uint64_t dropped;
    /**
     * Bytes of records, without framing.
     */
    uint64_t payload_bytes;
    /**
     * Bytes of the files that were looked at.
     */
    uint64_t file_bytes;
    /**
     * Places at which a file is not as it was written. 0 means that it is sound, so far.
     */
    uint64_t damages;
    /**
     * Bytes that were skipped there.
     */
    uint64_t skipped_bytes;
    /**
     * Blocks that are missing, as their sequence numbers show.
     */
    uint64_t missing_blocks;
    /**
     * Records that were in them.
     */
    uint64_t missing_records;
    /**
     * Blocks that were there before, and were skipped.
     */
    uint64_t repeated_blocks;
    /**
     * Earliest time, in Unix nanoseconds; 0 = none is known.
     */
    uint64_t first_ns;
    /**
     * Latest time, in Unix nanoseconds; 0 = none is known.
     */
    uint64_t last_ns;
    /**
     * Records that came after later ones because the window was too small.
     */
    uint64_t late;
    /**
     * How often a log that is followed was rotated.
     */
    uint64_t rotations;
} flr_reader_stats;

/**
 * What flr_log_recover() found and did. Start it from FLR_RECOVER_REPORT_INIT.
 */
typedef struct {
    /**
     * sizeof(flr_recover_report), set by FLR_RECOVER_REPORT_INIT.
     */
    uint32_t struct_size;
    /**
     * Bytes of good blocks: the size of the log now.
     */
    uint64_t sound_bytes;
    /**
     * Bytes after them that were torn. They are in `<path>.damaged-<Unix seconds>` now, unless they were all zero.
     */
    uint64_t set_aside_bytes;
    /**
     * Records that a killed logger with FLR_STAGING_SHARED had accepted and not written, and that are in the log now.
     */
    uint64_t recovered;
} flr_recover_report;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Opens the log at `path` for reading. `options` may be NULL, for all defaults.
 *
 * The reader is the caller's, to be ended with flr_reader_destroy(). Errors: FLR_INVALID, also for a compressed log
 * with `follow`; FLR_NOT_FOUND when there is no such file; FLR_IO when it is a directory or may not be read.
 */
FLR_API
FLR_MUST_USE
flr_status flr_reader_open(const char *path,
                           const flr_reader_options *options,
                           flr_reader **out) FLR_NOEXCEPT;

/**
 * Opens `count` logs for reading as one stream, in the order that the options say. `options` may be NULL, for all defaults.
 *
 * The reader is the caller's, to be ended with flr_reader_destroy(). Errors: as for flr_reader_open(); FLR_INVALID also for no
 * file at all.
 */
FLR_API
FLR_MUST_USE
flr_status flr_reader_open_files(const char *const *paths,
                                 size_t count,
                                 const flr_reader_options *options,
                                 flr_reader **out) FLR_NOEXCEPT;

/**
 * Describes the next record in `*record`. What its `data` points to is valid until the next call on this reader.
 *
 * FLR_OK: there is one. FLR_END: there is none. FLR_TIMEOUT: there is none for now (with the option `follow`); ask again
 * later. FLR_CORRUPT: a range was skipped (with the option `report_damage`); call again for what follows it. Errors:
 * FLR_INVALID, FLR_FORKED, FLR_IO.
 */
FLR_API
FLR_MUST_USE
flr_status flr_reader_next(flr_reader *reader,
                           flr_record *record) FLR_NOEXCEPT;

/**
 * Copies what was met so far into `*stats`. The file is sound if, after FLR_END, `damages` is 0.
 *
 * Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API flr_status flr_reader_get_stats(const flr_reader *reader, flr_reader_stats *stats) FLR_NOEXCEPT;

/**
 * Ends a reader and closes its files. NULL is accepted and does nothing.
 */
FLR_API void flr_reader_destroy(flr_reader *reader) FLR_NOEXCEPT;

/**
 * Brings the log at `path` back to a sound state after a crash, as the next opening for logging would do: what was torn
 * by an append that did not end is set aside, never deleted. What loggers with FLR_STAGING_SHARED left is looked for in
 * /dev/shm; with another `staging_folder`, open the log with that, or use `flightring recover --staging-folder`. Any thread
 * may call it.
 *
 * FLR_OK: the log is sound now, and `*report` says what was done. Errors: FLR_INVALID, also for a file that is no log, which
 * is then left alone; FLR_NOT_FOUND; FLR_BUSY when a logger has it open; FLR_IO.
 */
FLR_API
flr_status flr_log_recover(const char *path,
                           flr_recover_report *report) FLR_NOEXCEPT;

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/** A flr_reader_options with every member zero, which means its default. */
#define FLR_READER_OPTIONS_INIT \
    { (uint32_t)sizeof(flr_reader_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, 0, 0 }

/** A flr_record with every member zero, which means its default. */
#define FLR_RECORD_INIT \
    { (uint32_t)sizeof(flr_record), NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/** A flr_reader_stats with every member zero, which means its default. */
#define FLR_READER_STATS_INIT \
    { (uint32_t)sizeof(flr_reader_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/** A flr_recover_report with every member zero, which means its default. */
#define FLR_RECOVER_REPORT_INIT \
    { (uint32_t)sizeof(flr_recover_report), 0, 0, 0 }

#endif /* FLIGHTRING_READER_H */
