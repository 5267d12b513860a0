//! Servers: a hub's monitors, a recorder and loggers over HTTP, with a page.
//!
//! A server answers GET /logs and /logs/stream (history, and history followed live, as text, server-sent events or NDJSON),
//! takes OTLP at POST /v1/traces, /v1/logs and /v1/metrics, answers queries on a recorder at GET /api/traces, /api/logs and
//! /api/metrics, tells the numbers and newest records of loggers at GET /api/loggers, and shows a page at /. It runs in a
//! few threads of its own, which block all signals, takes bounded memory, and never holds up a monitor: a client that is too
//! slow misses output and is told how much.
//!
//! It listens on loopback unless told otherwise, and elsewhere only with a token. Requests by a name other than localhost, an
//! IP address, or an allowed one are refused, and so are those of other sites' pages.

use std::ffi::{CStr, c_char, c_void};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use flightring_serve::http::{Options, Server, StartError, Token};
use flightring_serve::{App, Loggers};

use crate::buffer::{fitted, output, required};
use crate::flr_status;
use crate::guard::guard;
use crate::handle::{self, Opaque, Out};
use crate::hub::flr_hub;
use crate::logger::flr_logger;
use crate::recorder::flr_recorder;
use crate::sized::{self, SizedStruct};
use crate::status::{fail, fail_io, invalid};

/// A server.
///
/// Threads: all functions but flr_server_destroy() may be called concurrently.
pub struct flr_server {
    _opaque: [u8; 0],
}

impl Opaque for flr_server {
    type Inner = Serving;
    const NAME: &'static str = "flr_server";
}

/// A server, and what can be added to what it shows.
pub(crate) struct Serving {
    server: Server,
    loggers: Arc<Loggers>,
}

/// How a server is started. Start it from FLR_SERVER_OPTIONS_INIT; a member that is zero has its default.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_server_options {
    /// sizeof(flr_server_options), set by FLR_SERVER_OPTIONS_INIT.
    pub struct_size: u32,
    /// Threads: 1 to 16. Default: 2.
    pub threads: u32,
    /// Clients at a time; further ones are refused. Default: 256.
    pub max_connections: u32,
    /// Where it listens: an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080; port 0 takes a free one. Default:
    /// 127.0.0.1:0.
    pub address: *const c_char,
    /// What every request must carry, as `Authorization: Bearer TOKEN`, or as `?token=TOKEN` when the page is opened: 8 to
    /// 256 letters, digits and - . _ ~. Default: none, which is refused unless the address is loopback.
    pub token: *const c_char,
    /// Names, separated by commas, by which the server may be reached besides localhost and IP addresses. Default: none.
    pub allowed_hosts: *const c_char,
    /// Whose monitors it shows; it stays in use until the server is stopped, also when the hub is destroyed. Default: none.
    pub hub: *const flr_hub,
    /// What it shows and takes in as OTLP at /v1/traces, /v1/logs and /v1/metrics; stays in use likewise. Default: none.
    pub recorder: *const flr_recorder,
}

// SAFETY: repr(C), the size first, integers and pointers.
unsafe impl SizedStruct for flr_server_options {
    const NAME: &'static str = "flr_server_options";
}

/// What a server has done so far. Start it from FLR_SERVER_STATS_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_server_stats {
    /// sizeof(flr_server_stats), set by FLR_SERVER_STATS_INIT.
    pub struct_size: u32,
    /// The port that it listens on.
    pub port: u32,
    /// Clients connected now.
    pub active: u64,
    /// Connections accepted, refused ones included.
    pub accepted: u64,
    /// Connections refused because there were too many.
    pub refused: u64,
    /// Requests of which a whole head arrived.
    pub requests: u64,
    /// Clients dropped because they did not take what waited for them.
    pub stalled: u64,
}

// SAFETY: repr(C), the size first, integers.
unsafe impl SizedStruct for flr_server_stats {
    const NAME: &'static str = "flr_server_stats";
}

/// A text option; `None` for NULL.
///
/// # Safety
/// `text` is NULL or a C string that stays as it is during `'a`.
unsafe fn text<'a>(text: *const c_char, name: &str) -> Result<Option<&'a str>, flr_status> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, so a C string by this function's contract.
    let text = unsafe { CStr::from_ptr(text) }.to_str();
    text.map(Some).map_err(|error| invalid(format_args!("{name} is not UTF-8: {error}")))
}

/// # Safety
/// The texts are NULL or C strings.
unsafe fn server_options(from: &flr_server_options) -> Result<Options, flr_status> {
    // SAFETY: passed on.
    let (address, token, hosts) = unsafe {
        (
            text(from.address, "address")?,
            text(from.token, "token")?,
            text(from.allowed_hosts, "allowed_hosts")?,
        )
    };
    let address = match address {
        None => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        Some(text) => text.parse().map_err(|_| {
            invalid(format_args!(
                "the address {text:?} is no IP address with a port, such as 127.0.0.1:8080"
            ))
        })?,
    };
    let token = match token {
        None => None,
        Some(text) => Some(Token::new(text).ok_or_else(|| {
            invalid(format_args!("a token has 8 to 256 letters, digits and - . _ ~"))
        })?),
    };
    let hosts = hosts.unwrap_or_default().split(',').map(str::trim);
    let allowed_hosts = hosts.filter(|host| !host.is_empty()).map(str::to_owned).collect();
    let mut options = Options { address, token, allowed_hosts, ..Options::default() };
    if from.threads != 0 {
        options.threads = from.threads as usize;
    }
    if from.max_connections != 0 {
        options.limits.connections = from.max_connections as usize;
    }
    Ok(options)
}

fn start_failed(error: &StartError) -> flr_status {
    match error {
        StartError::Listen(_, cause) | StartError::Start(cause) => {
            fail_io(format_args!("{error}"), cause)
        }
        _ => invalid(format_args!("{error}")),
    }
}

/// Starts a server. When this returns, it answers.
///
/// `options` may be NULL for the defaults. The server is the caller's, to be ended with flr_server_destroy(). Errors: FLR_INVALID
/// for options that make no sense and for a public address without a token, FLR_FORKED for a hub or recorder of the parent process, FLR_IO
/// when the address cannot be listened on or no thread can be made.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn flr_server_start(
    options: *const flr_server_options,
    out: *mut *mut flr_server,
) -> flr_status {
    guard(|| {
        // SAFETY: `out` is NULL or writable, as documented for every `create`.
        let out = unsafe { Out::new(out)? };
        let loggers = Arc::new(Loggers::default());
        let mut app = App::new().with_loggers(Arc::clone(&loggers));
        let mut settings = Options::default();
        if !options.is_null() {
            // SAFETY: not NULL, so options that begin with their size, whose
            // texts are C strings, as documented.
            let given = unsafe { sized::read(options)? };
            // SAFETY: as above.
            settings = unsafe { server_options(&given)? };
            if !given.hub.is_null() {
                // SAFETY: not NULL, so a live hub, as documented.
                app = app.with_hub(Arc::clone(unsafe { handle::get(given.hub)? }));
            }
            if !given.recorder.is_null() {
                // SAFETY: not NULL, so a live recorder, as documented.
                app = app.with_recorder(unsafe { handle::get(given.recorder)? }.clone());
            }
        }
        let server =
            Server::start(settings, Arc::new(app)).map_err(|error| start_failed(&error))?;
        out.fill(Serving { server, loggers });
        Ok(())
    })
}

/// Writes the port that the server listens on to `*port`.
///
/// Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_server_port(server: *const flr_server, port: *mut u16) -> flr_status {
    guard(|| {
        required(port, "port")?;
        // SAFETY: a live server, as documented.
        let found = unsafe { handle::get(server)? }.server.address().port();
        // SAFETY: not NULL, so writable, as documented.
        unsafe { port.write(found) };
        Ok(())
    })
}

/// Writes where the server is, such as `http://127.0.0.1:8080/`, to `dst` as a C string, and how many bytes that takes, the
/// terminating NUL included, to `*needed`. `dst` may be NULL when `cap` is 0.
///
/// FLR_TRUNCATED: `cap` was too small; nothing was written to `dst`. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_server_url(
    server: *const flr_server,
    dst: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> flr_status {
    guard(|| {
        required(needed, "needed")?;
        // SAFETY: a live server and room in `dst`, as documented.
        let (server, dst) = unsafe { (handle::get(server)?, output(dst.cast::<c_void>(), cap)?) };
        let url = format!("http://{}/\0", server.server.address());
        // SAFETY: not NULL, so writable, as documented.
        unsafe { needed.write(url.len()) };
        if let Some(room) = dst.get_mut(..url.len()) {
            room.copy_from_slice(url.as_bytes());
        }
        fitted(url.len(), cap)
    })
}

/// Writes the counts so far to `*stats`. They stay readable until flr_server_destroy().
///
/// Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_server_get_stats(
    server: *const flr_server,
    stats: *mut flr_server_stats,
) -> flr_status {
    guard(|| {
        // SAFETY: a live server, and stats that begin with their size, as documented.
        let (serving, ()) = unsafe { (handle::get(server)?, sized::check(stats)?) };
        let server = &serving.server;
        let now = server.stats();
        let value = flr_server_stats {
            struct_size: 0,
            port: server.address().port().into(),
            active: now.active as u64,
            accepted: now.accepted,
            refused: now.refused,
            requests: now.requests,
            stalled: now.stalled,
        };
        // SAFETY: checked above, and writable, as documented.
        unsafe { sized::write(stats, &value) }
    })
}

/// Shows a logger's numbers and newest records under `name`, on the page and at GET /api/loggers, instead of one that had the
/// name before. The logger is not kept open: it may be closed and destroyed at any time, and is shown until it is destroyed.
///
/// Errors: FLR_INVALID when `name` is NULL, empty or not UTF-8; FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_server_add_logger(
    server: *const flr_server,
    name: *const c_char,
    logger: *const flr_logger,
) -> flr_status {
    guard(|| {
        // SAFETY: a live server, a live logger, and NULL or a C string, as documented.
        let (serving, logger, name) =
            unsafe { (handle::get(server)?, handle::get(logger)?, text(name, "name")?) };
        let name = name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| invalid(format_args!("name is NULL or empty")))?;
        serving.loggers.add(name, logger.view());
        Ok(())
    })
}

/// Shows the logger of that name no more.
///
/// Errors: FLR_NOT_FOUND when none has the name; FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_server_remove_logger(
    server: *const flr_server,
    name: *const c_char,
) -> flr_status {
    guard(|| {
        // SAFETY: a live server, and NULL or a C string, as documented.
        let (serving, name) = unsafe { (handle::get(server)?, text(name, "name")?) };
        let name = name.ok_or_else(|| invalid(format_args!("name is NULL")))?;
        if serving.loggers.remove(name) {
            return Ok(());
        }
        Err(fail(flr_status::NOT_FOUND, format_args!("no logger is shown as \"{name}\"")))
    })
}

/// Stops a server: closes its address, gives clients what there is for them at this moment (half a second at most), closes
/// every connection, and joins the threads. Stopping again does nothing.
///
/// Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_server_stop(server: *const flr_server) -> flr_status {
    guard(|| {
        // SAFETY: a live server, as documented.
        unsafe { handle::get(server)? }.server.stop();
        Ok(())
    })
}

/// Stops a server if it runs, and ends it. NULL is accepted and does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_server_destroy(server: *mut flr_server) {
    // SAFETY: NULL, or a server that nobody uses any more, as documented.
    unsafe { handle::destroy(server) };
}
