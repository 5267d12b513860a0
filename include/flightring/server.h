/**
 * @file server.h
 *
 * Generated from crates/capi/src/server.rs by `cargo xtask headers`; edit that file.
 *
 * Servers: a hub's monitors, a recorder and loggers over HTTP, with a page.
 *
 * A server answers GET /logs and /logs/stream (history, and history followed live, as text, server-sent events or NDJSON),
 * takes OTLP at POST /v1/traces, /v1/logs and /v1/metrics, answers queries on a recorder at GET /api/traces, /api/logs and
 * /api/metrics, tells the numbers and newest records of loggers at GET /api/loggers, and shows a page at /. It runs in a
 * few threads of its own, which block all signals, takes bounded memory, and never holds up a monitor: a client that is too
 * slow misses output and is told how much.
 *
 * It listens on loopback unless told otherwise, and elsewhere only with a token. Requests by a name other than localhost, an
 * IP address, or an allowed one are refused, and so are those of other sites' pages.
 */
#ifndef FLIGHTRING_SERVER_H
#define FLIGHTRING_SERVER_H

#include <flightring/base.h>
#include <flightring/hub.h>
#include <flightring/recorder.h>

/**
 * A server.
 *
 * Threads: all functions but flr_server_destroy() may be called concurrently.
 */
typedef struct flr_server flr_server;

/**
 * How a server is started. Start it from FLR_SERVER_OPTIONS_INIT; a member that is zero has its default.
 */
typedef struct {
    /**
     * sizeof(flr_server_options), set by FLR_SERVER_OPTIONS_INIT.
     */
    uint32_t struct_size;
    /**
     * Threads: 1 to 16. Default: 2.
     */
    uint32_t threads;
    /**
     * Clients at a time; further ones are refused. Default: 256.
     */
    uint32_t max_connections;
    /**
     * Where it listens: an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080; port 0 takes a free one. Default:
     * 127.0.0.1:0.
     */
    const char *address;
    /**
     * What every request must carry, as `Authorization: Bearer TOKEN`, or as `?token=TOKEN` when the page is opened: 8 to
     * 256 letters, digits and - . _ ~. Default: none, which is refused unless the address is loopback.
     */
    const char *token;
    /**
     * Names, separated by commas, by which the server may be reached besides localhost and IP addresses. Default: none.
     */
    const char *allowed_hosts;
    /**
     * Whose monitors it shows; it stays in use until the server is stopped, also when the hub is destroyed. Default: none.
     */
    const flr_hub *hub;
    /**
     * What it shows and takes in as OTLP at /v1/traces, /v1/logs and /v1/metrics; stays in use likewise. Default: none.
     */
    const flr_recorder *recorder;
} flr_server_options;

/**
 * What a server has done so far. Start it from FLR_SERVER_STATS_INIT.
 */
typedef struct {
    /**
     * sizeof(flr_server_stats), set by FLR_SERVER_STATS_INIT.
     */
    uint32_t struct_size;
    /**
     * The port that it listens on.
     */
    uint32_t port;
    /**
     * Clients connected now.
     */
    uint64_t active;
    /**
     * Connections accepted, refused ones included.
     */
    uint64_t accepted;
    /**
     * Connections refused because there were too many.
     */
    uint64_t refused;
    /**
     * Requests of which a whole head arrived.
     */
    uint64_t requests;
    /**
     * Clients dropped because they did not take what waited for them.
     */
    uint64_t stalled;
} flr_server_stats;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Starts a server. When this returns, it answers.
 *
 * `options` may be NULL for the defaults. The server is the caller's, to be ended with flr_server_destroy(). Errors: FLR_INVALID
 * for options that make no sense and for a public address without a token, FLR_FORKED for a hub or recorder of the parent process, FLR_IO
 * when the address cannot be listened on or no thread can be made.
 */
FLR_API
FLR_MUST_USE
flr_status flr_server_start(const flr_server_options *options,
                            flr_server **out) FLR_NOEXCEPT;

/**
 * Writes the port that the server listens on to `*port`.
 *
 * Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API flr_status flr_server_port(const flr_server *server, uint16_t *port) FLR_NOEXCEPT;

/**
 * Writes where the server is, such as `http://127.0.0.1:8080/`, to `dst` as a C string, and how many bytes that takes, the
 * terminating NUL included, to `*needed`. `dst` may be NULL when `cap` is 0.
 *
 * FLR_TRUNCATED: `cap` was too small; nothing was written to `dst`. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_server_url(const flr_server *server,
                          char *dst,
                          size_t cap,
                          size_t *needed) FLR_NOEXCEPT;

/**
 * Writes the counts so far to `*stats`. They stay readable until flr_server_destroy().
 *
 * Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API flr_status flr_server_get_stats(const flr_server *server, flr_server_stats *stats) FLR_NOEXCEPT;

/**
 * Shows a logger's numbers and newest records under `name`, on the page and at GET /api/loggers, instead of one that had the
 * name before. The logger is not kept open: it may be closed and destroyed at any time, and is shown until it is destroyed.
 *
 * Errors: FLR_INVALID when `name` is NULL, empty or not UTF-8; FLR_FORKED.
 */
FLR_API
flr_status flr_server_add_logger(const flr_server *server,
                                 const char *name,
                                 const flr_logger *logger) FLR_NOEXCEPT;

/**
 * Shows the logger of that name no more.
 *
 * Errors: FLR_NOT_FOUND when none has the name; FLR_INVALID, FLR_FORKED.
 */
FLR_API flr_status flr_server_remove_logger(const flr_server *server, const char *name) FLR_NOEXCEPT;

/**
 * Stops a server: closes its address, gives clients what there is for them at this moment (half a second at most), closes
 * every connection, and joins the threads. Stopping again does nothing.
 *
 * Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_server_stop(const flr_server *server) FLR_NOEXCEPT;

/**
 * Stops a server if it runs, and ends it. NULL is accepted and does nothing.
 */
FLR_API void flr_server_destroy(flr_server *server) FLR_NOEXCEPT;

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/** A flr_server_options with every member zero, which means its default. */
#define FLR_SERVER_OPTIONS_INIT \
    { (uint32_t)sizeof(flr_server_options), 0, 0, NULL, NULL, NULL, NULL, NULL }

/** A flr_server_stats with every member zero, which means its default. */
#define FLR_SERVER_STATS_INIT \
    { (uint32_t)sizeof(flr_server_stats), 0, 0, 0, 0, 0, 0 }

#endif /* FLIGHTRING_SERVER_H */
