/**
 * @file base.h
 * What every part of flightring's C interface shares: statuses, messages, versions.
 *
 * Terms. A *handle* is a pointer to an opaque struct; it is made by a `create`, `open` or `start` function and ended by
 * the `destroy`, `release` or `stop` function of the same noun, which accepts NULL and does nothing. A *status* is an
 * int32_t: 0 is success, a negative value is an error, a positive value is an ordinary outcome that is not success.
 *
 * Calls. A function that can fail returns a status, and writes its outputs only when that is FLR_OK or an outcome whose
 * description says so; `create` and `open` set `*out` to NULL otherwise. An error leaves a message for the calling
 * thread, see flr_last_error(); an outcome leaves none. NULL is accepted only where a parameter's description says so, and
 * is FLR_INVALID elsewhere. A pair of a NULL pointer and the length 0 is empty input. Structs whose first member is
 * `struct_size` are started from their FLR_..._INIT macro: zero means the default, and callers that were compiled against
 * an older or a newer header keep working.
 *
 * Threads. Every type says in its description which of its functions may be called concurrently. Where the handle is a
 * pointer to const, concurrent calls are allowed. Nothing may run concurrently with the call that ends a handle.
 *
 * fork. A handle belongs to the process that made it. In a child made by fork(), calls on it return FLR_FORKED; ending
 * it there is safe, and leaves the parent's data alone. New handles may be made in the child.
 *
 * The library installs no signal handlers and has no allocator of its own, and its threads block all signals. It may be
 * loaded with dlopen(); dlclose() leaves it mapped, because threads that have called it still point into it.
 */
#ifndef FLIGHTRING_BASE_H
#define FLIGHTRING_BASE_H

#include <stddef.h>
#include <stdint.h>

#define FLR_VERSION_MAJOR 0
#define FLR_VERSION_MINOR 1
#define FLR_VERSION_PATCH 0

/** The version as one number: major * 1000000 + minor * 1000 + patch. */
#define FLR_VERSION_NUMBER \
    (FLR_VERSION_MAJOR * 1000000 + FLR_VERSION_MINOR * 1000 + FLR_VERSION_PATCH)

#if defined(__GNUC__)
#define FLR_API __attribute__((visibility("default")))
#define FLR_MUST_USE __attribute__((warn_unused_result))
#define FLR_PRINTF(format_index, first_argument) \
    __attribute__((format(printf, format_index, first_argument)))
#else
#define FLR_API
#define FLR_MUST_USE
#define FLR_PRINTF(format_index, first_argument)
#endif

#if defined(__cplusplus)
#define FLR_NOEXCEPT noexcept
#else
#define FLR_NOEXCEPT
#endif

/** What a call came to; one of the FLR_... values below. */
typedef int32_t flr_status;

/**
 * The values of flr_status. A value is never given another meaning in a later version, and a later version may return
 * values that are not in this list: treat an unknown negative value as an error and an unknown positive one as an
 * outcome.
 */
enum {
    /** Success. */
    FLR_OK = 0,

    /** An argument is not allowed: NULL, out of range, an unknown enum value, an uninitialised struct. */
    FLR_INVALID = -1,
    /** The operating system refused or failed; flr_last_errno() is its reason. */
    FLR_IO = -2,
    /** Stored bytes are damaged. */
    FLR_CORRUPT = -3,
    /** The data is larger than the place it should go to can ever hold. */
    FLR_TOO_LARGE = -4,
    /** Nothing has that name, path or id. */
    FLR_NOT_FOUND = -5,
    /** The handle was made by another process: this one is its forked child. */
    FLR_FORKED = -6,
    /** A defect inside flightring was caught; please report the message. */
    FLR_PANIC = -7,
    /** This system or build cannot do it. */
    FLR_UNSUPPORTED = -8,
    /** There is not enough memory. */
    FLR_NO_MEMORY = -9,
    /** It is in use by someone else, for example a log file by another process. */
    FLR_BUSY = -10,

    /** The record was not accepted because there was no room; it is counted. */
    FLR_DROPPED = 1,
    /** There is nothing more, and there never will be. */
    FLR_END = 2,
    /** The time given was over first. */
    FLR_TIMEOUT = 3,
    /**
     * It is too large to fit whole. Of what a function writes for the caller, the full size was reported, and as much of it was
     * written as the function says; of a record that is larger than a record may be, a placeholder is held.
     */
    FLR_TRUNCATED = 4,
    /** The offset lies beyond everything written: it is from another life of the buffer. */
    FLR_FUTURE = 5,
    /** The object was closed before. */
    FLR_CLOSED = 6
};

#if defined(__cplusplus)
extern "C" {
#endif

/** Ends what a callback's `user_data` points to. Runs exactly once, in the thread that uses it last. */
typedef void (*flr_user_data_destroy_fn)(void *user_data);

/**
 * What a status means, in a few English words. Never NULL, also for values that no version defines. The text is static.
 * Any thread may call it.
 */
FLR_API const char *flr_status_text(int32_t status) FLR_NOEXCEPT;

/**
 * What went wrong in the last call of this thread that returned an error, and what to do about it: UTF-8, at most 511
 * bytes, the empty string when no call of this thread has failed. A call that succeeds, or that returns an outcome,
 * leaves it as it is. The text stays valid until the thread ends or its next failing call.
 */
FLR_API const char *flr_last_error(void) FLR_NOEXCEPT;

/**
 * The errno behind flr_last_error(), or 0 where the operating system had no part in it.
 */
FLR_API int32_t flr_last_errno(void) FLR_NOEXCEPT;

/**
 * The version of the library that is loaded, in the form of FLR_VERSION_NUMBER. Any thread may call it.
 */
FLR_API uint32_t flr_version_number(void) FLR_NOEXCEPT;

#if defined(__cplusplus)
} /* extern "C" */
#endif

#endif /* FLIGHTRING_BASE_H */
