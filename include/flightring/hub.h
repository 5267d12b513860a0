/**
 * @file hub.h
 *
 * Generated from crates/capi/src/hub.rs by `cargo xtask headers`; edit that file.
 *
 * Hubs: monitors by name.
 *
 * A hub has one monitor (monitor.h) per process or subsystem, and one thread that reads all descriptors that are attached
 * to them. A server (server.h) shows a hub's monitors.
 */
#ifndef FLIGHTRING_HUB_H
#define FLIGHTRING_HUB_H

#include <flightring/base.h>
#include <flightring/monitor.h>

/**
 * A hub.
 *
 * Threads: all functions but flr_hub_destroy() may be called concurrently.
 */
typedef struct flr_hub flr_hub;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Creates a hub without monitors. Its thread starts with the first descriptor that is attached.
 *
 * The hub is the caller's, to be ended with flr_hub_destroy(). Errors: FLR_INVALID for a NULL `out`.
 */
FLR_API FLR_MUST_USE flr_status flr_hub_create(flr_hub **out) FLR_NOEXCEPT;

/**
 * The monitor named `name`, which is made if the hub has none. `options` may be NULL for the defaults; they are for making
 * a monitor, and one that exists stays as it is.
 *
 * `name` is not empty, in UTF-8, and may contain slashes. The handle is the caller's, to be given back with
 * flr_monitor_release(); the monitor itself stays in the hub until flr_hub_remove(). `sink_destroy` runs exactly once: here
 * if the options are not used, when the monitor is gone otherwise. Errors: FLR_INVALID, FLR_FORKED, FLR_TOO_LARGE for a
 * capacity beyond the address space, FLR_IO when `sink_fd` cannot be duplicated.
 */
FLR_API
FLR_MUST_USE
flr_status flr_hub_open(const flr_hub *hub,
                        const char *name,
                        const flr_monitor_options *options,
                        flr_monitor **out) FLR_NOEXCEPT;

/**
 * The monitor named `name`. The handle is the caller's, to be given back with flr_monitor_release().
 *
 * Errors: FLR_NOT_FOUND, FLR_INVALID, FLR_FORKED.
 */
FLR_API
FLR_MUST_USE
flr_status flr_hub_find(const flr_hub *hub,
                        const char *name,
                        flr_monitor **out) FLR_NOEXCEPT;

/**
 * Takes the monitor named `name` out of the hub and closes it, as flr_monitor_close() does. Handles to it stay valid.
 *
 * Errors: FLR_NOT_FOUND, FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_hub_remove(const flr_hub *hub,
                          const char *name) FLR_NOEXCEPT;

/**
 * Writes the names of all monitors to `dst`, sorted, each followed by a NUL, and how many bytes they take to `*needed`. `dst`
 * may be NULL when `cap` is 0.
 *
 * FLR_TRUNCATED: `cap` was too small; the names that fit whole were written. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_hub_list(const flr_hub *hub,
                        char *dst,
                        size_t cap,
                        size_t *needed) FLR_NOEXCEPT;

/**
 * Ends a hub: closes its monitors, unless a server still shows them, and then when that is stopped. Handles to monitors stay
 * valid. NULL is accepted and does nothing.
 */
FLR_API
void flr_hub_destroy(flr_hub *hub) FLR_NOEXCEPT;

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif /* FLIGHTRING_HUB_H */
