/**
 * @file recorder_stats.h
 *
 * Generated from crates/capi/src/recorder_stats.rs by `cargo xtask headers`; edit that file.
 *
 * Statistics of recorders: cheap to read at any time, without stopping anybody.
 */
#ifndef FLIGHTRING_RECORDER_STATS_H
#define FLIGHTRING_RECORDER_STATS_H

#include <flightring/base.h>
#include <flightring/recorder.h>

/**
 * A store's numbers. Start it from FLR_RECORDER_STATS_INIT. `added = count + evicted + cleared`.
 */
typedef struct {
    /**
     * sizeof(flr_recorder_stats), set by FLR_RECORDER_STATS_INIT.
     */
    uint32_t struct_size;
    /**
     * The most records held.
     */
    uint64_t capacity;
    /**
     * Records held.
     */
    uint64_t count;
    /**
     * Distinct traces, services and names held.
     */
    uint64_t traces;
    /**
     * Distinct services held.
     */
    uint64_t services;
    /**
     * Distinct names held.
     */
    uint64_t names;
    /**
     * Number of the oldest held record; equal to `next_sequence` if there is none.
     */
    uint64_t first_sequence;
    /**
     * Number of the next record.
     */
    uint64_t next_sequence;
    /**
     * Records ever added.
     */
    uint64_t added;
    /**
     * Records that made room: by count, bytes and age.
     */
    uint64_t evicted;
    /**
     * Of these, because there were `capacity`.
     */
    uint64_t evicted_by_count;
    /**
     * Of these, because they took too many bytes.
     */
    uint64_t evicted_by_bytes;
    /**
     * Of these, because they were too old.
     */
    uint64_t evicted_by_age;
    /**
     * Records removed by flr_recorder_clear().
     */
    uint64_t cleared;
    /**
     * Records refused because their trace held as many as it may.
     */
    uint64_t refused_by_trace;
    /**
     * Records that left a placeholder.
     */
    uint64_t oversize;
    /**
     * Bytes of the held records.
     */
    uint64_t live_bytes;
    /**
     * Heap bytes reserved for records.
     */
    uint64_t reserved_bytes;
    /**
     * Heap bytes of the indexes.
     */
    uint64_t index_bytes;
    /**
     * Heap bytes of names and resources.
     */
    uint64_t dictionary_bytes;
    /**
     * Evicted records of which the callback was not told, because it evicted them itself.
     */
    uint64_t unreported;
} flr_recorder_stats;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The numbers of a signal's store (a flr_signal), without stopping anybody. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_recorder_get_stats(const flr_recorder *recorder,
                                  int32_t signal,
                                  flr_recorder_stats *stats) FLR_NOEXCEPT;

/**
 * All numbers as JSON, for each of "traces", "logs" and "metrics". Copies as much as fits into `dst`, without a final NUL, and
 * sets `*needed` (which may be NULL) to the whole length.
 *
 * FLR_TRUNCATED: not all of it fitted. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_recorder_stats_json(const flr_recorder *recorder,
                                   char *dst,
                                   size_t cap,
                                   size_t *needed) FLR_NOEXCEPT;

/**
 * Which services, names and classes (statuses of spans, severity numbers of log records, types of metric points) the held
 * records of a signal (a flr_signal) have, each with how many records: {"services": {"api": 3}, "names": {}, "classes": {}}.
 * The counts of services sum to the number of records, and so do those of classes; records without a name have none. Copies
 * as much as fits into `dst`, without a final NUL, and sets `*needed` (which may be NULL) to the whole length.
 *
 * FLR_TRUNCATED: not all of it fitted. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_recorder_summary_json(const flr_recorder *recorder,
                                     int32_t signal,
                                     char *dst,
                                     size_t cap,
                                     size_t *needed) FLR_NOEXCEPT;

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/** A flr_recorder_stats with every member zero, which means its default. */
#define FLR_RECORDER_STATS_INIT \
    { (uint32_t)sizeof(flr_recorder_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

#endif /* FLIGHTRING_RECORDER_STATS_H */
