/**
 * @file ring.h
 *
 * Generated from crates/capi/src/ring.rs by `cargo xtask headers`; edit that file.
 *
 * Byte rings: the last `capacity` bytes of everything that was written.
 *
 * A ring is one allocation. Writing never allocates and never fails for lack of room: the oldest bytes make way. Bytes
 * have no boundaries, so the history may begin in the middle of a line or of a UTF-8 sequence.
 *
 * A ring has no lock. Where several threads share one, they agree on who calls it, or use a replay buffer (replay.h).
 */
#ifndef FLIGHTRING_RING_H
#define FLIGHTRING_RING_H

#include <flightring/base.h>

/**
 * A byte ring.
 *
 * Threads: functions that take a pointer to const may run concurrently with each other; the others need the ring for
 * themselves.
 */
typedef struct flr_ring flr_ring;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Creates a ring that holds at most `capacity` bytes, at least 1. Its memory is reserved here, and used as data reaches
 * it.
 *
 * The ring is the caller's, to be ended with flr_ring_destroy(). Errors: FLR_INVALID for a capacity of 0 or a NULL
 * `out`; FLR_TOO_LARGE for a capacity beyond the address space; FLR_NO_MEMORY.
 */
FLR_API
FLR_MUST_USE
flr_status flr_ring_create(size_t capacity,
                           flr_ring **out) FLR_NOEXCEPT;

/**
 * Appends a copy of `len` bytes. The oldest bytes make room; of more than the capacity, the last ones are kept. Writing
 * nothing does nothing.
 *
 * Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_ring_write(flr_ring *ring,
                          const void *data,
                          size_t len) FLR_NOEXCEPT;

/**
 * Copies what is held into `dst`, oldest first, and sets `*needed` to how many bytes are held. `dst` may be NULL when
 * `cap` is 0, which asks for the size alone.
 *
 * FLR_TRUNCATED: `cap` was smaller than `*needed`, and the oldest `cap` bytes were copied. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_ring_history(const flr_ring *ring,
                            void *dst,
                            size_t cap,
                            size_t *needed) FLR_NOEXCEPT;

/**
 * How many bytes are held: 0 to the capacity. 0 for a ring that is NULL or of another process; the message then says
 * so.
 */
FLR_API
size_t flr_ring_len(const flr_ring *ring) FLR_NOEXCEPT;

/**
 * The most bytes that the ring can hold. 0 for a ring that is NULL or of another process; the message then says so.
 */
FLR_API
size_t flr_ring_capacity(const flr_ring *ring) FLR_NOEXCEPT;

/**
 * Forgets everything that was written. The memory stays reserved.
 *
 * Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API flr_status flr_ring_clear(flr_ring *ring) FLR_NOEXCEPT;

/**
 * Ends a ring and gives its memory back. NULL is accepted and does nothing.
 */
FLR_API void flr_ring_destroy(flr_ring *ring) FLR_NOEXCEPT;

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif /* FLIGHTRING_RING_H */
