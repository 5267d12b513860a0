/**
 * @file replay.h
 *
 * Generated from crates/capi/src/replay.rs by `cargo xtask headers`; edit that file.
 *
 * Replay buffers: the newest bytes of a stream, each under an absolute offset, for any number of readers.
 *
 * The first byte ever written has offset 0, and offsets only grow. A reader is an offset that its owner keeps: it reads at
 * it, goes on at `span.start + span.len`, and may come back later, over another connection, with no byte doubled and none
 * missing unseen. What was evicted meanwhile is counted in `span.skipped`; an offset that the buffer never gave out is
 * FLR_FUTURE, so that a client from before a restart is not told that it is caught up.
 *
 * Readers never hold up a writer, nor each other, and a writer never waits for readers.
 */
#ifndef FLIGHTRING_REPLAY_H
#define FLIGHTRING_REPLAY_H

#include <flightring/base.h>

/**
 * A replay buffer.
 *
 * Threads: all functions but flr_replay_destroy() may be called concurrently. Reading and waiting never block a writer;
 * writers are serialised among themselves.
 */
typedef struct flr_replay flr_replay;

/**
 * What a read found. Start it from FLR_REPLAY_SPAN_INIT.
 */
typedef struct {
    /**
     * sizeof(flr_replay_span), set by FLR_REPLAY_SPAN_INIT.
     */
    uint32_t struct_size;
    /**
     * The offset of the first byte that was copied. The next read goes on at `start + len`.
     */
    uint64_t start;
    /**
     * How many bytes were copied. 0 with FLR_OK means caught up.
     */
    uint64_t len;
    /**
     * How many bytes between the offset that was asked for and `start` are gone.
     */
    uint64_t skipped;
    /**
     * How many bytes were ever written: the offset of the next one.
     */
    uint64_t total;
} flr_replay_span;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Creates an empty replay buffer that retains at most `capacity` bytes; 0 means 1 MiB. The memory is allocated by the first
 * write.
 *
 * The buffer is the caller's, to be ended with flr_replay_destroy(). Errors: FLR_INVALID for a NULL `out`; FLR_TOO_LARGE for
 * a capacity beyond the address space.
 */
FLR_API
FLR_MUST_USE
flr_status flr_replay_create(size_t capacity,
                             flr_replay **out) FLR_NOEXCEPT;

/**
 * Appends a copy of `len` bytes. The oldest bytes make room; of more than the capacity the last ones are retained, and all
 * of them are counted. Writing nothing does nothing.
 *
 * FLR_CLOSED: after flr_replay_close(). Errors: FLR_INVALID, FLR_FORKED, FLR_NO_MEMORY (for the first write), FLR_TOO_LARGE
 * when the offsets would pass 2^64.
 */
FLR_API
flr_status flr_replay_write(const flr_replay *replay,
                            const void *data,
                            size_t len) FLR_NOEXCEPT;

/**
 * How many bytes were ever written: the offset of the next one. 0 for a buffer that is NULL or of another process; the
 * message then says so.
 */
FLR_API
uint64_t flr_replay_total(const flr_replay *replay) FLR_NOEXCEPT;

/**
 * The offset of the oldest byte that is retained; equal to flr_replay_total() when there is none. 0 for a buffer that is
 * NULL or of another process; the message then says so.
 */
FLR_API
uint64_t flr_replay_oldest(const flr_replay *replay) FLR_NOEXCEPT;

/**
 * Copies retained bytes from `offset` on into `dst`, as many as `cap` allows, and describes them in `*span`. `dst` may be
 * NULL when `cap` is 0. Never waits and never allocates.
 *
 * FLR_OK: `span->len` bytes were copied; none when caught up, that is when `offset` is the total.
 * FLR_END: none were copied, and none will ever follow: the buffer is closed and everything was read.
 * FLR_FUTURE: `offset` is beyond the total, so it is not from this buffer's life; `*span` holds the total, and no bytes.
 * Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_replay_read(const flr_replay *replay,
                           uint64_t offset,
                           void *dst,
                           size_t cap,
                           flr_replay_span *span) FLR_NOEXCEPT;

/**
 * Waits until there is something to read at `offset`, for at most `timeout_ms` milliseconds; negative means without limit,
 * 0 means not at all. A write wakes all who wait, without polling.
 *
 * FLR_OK: there is something to read. FLR_TIMEOUT: there is not. FLR_END: there never will be. FLR_FUTURE: as for
 * flr_replay_read(). Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_replay_wait(const flr_replay *replay,
                           uint64_t offset,
                           int64_t timeout_ms) FLR_NOEXCEPT;

/**
 * Ends the stream: later writes return FLR_CLOSED, those who wait wake up, and readers who have read everything get FLR_END.
 * What is retained stays readable. Closing again does nothing.
 *
 * Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_replay_close(const flr_replay *replay) FLR_NOEXCEPT;

/**
 * Forgets what is retained and gives its memory back, also while others read and write. Offsets go on from where they
 * were, so that one from before is told what it missed.
 *
 * Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_replay_clear(const flr_replay *replay) FLR_NOEXCEPT;

/**
 * Ends a replay buffer and gives its memory back. Nobody may be waiting in it: close it and let them return first. NULL is
 * accepted and does nothing.
 */
FLR_API
void flr_replay_destroy(flr_replay *replay) FLR_NOEXCEPT;

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/** A flr_replay_span with every member zero, which means its default. */
#define FLR_REPLAY_SPAN_INIT \
    { (uint32_t)sizeof(flr_replay_span), 0, 0, 0, 0 }

#endif /* FLIGHTRING_REPLAY_H */
