//! The HTTP core: a bounded HTTP/1.1 server that knows nothing about what it serves.
//!
//! A few threads, fixed in number, each run one epoll loop and own the connections they accepted. A connection is a
//! state machine that is only ever *driven*: it reads what has arrived, writes what fits, and gives the thread back.
//! So a client that stalls costs a slot and its buffers, and nobody waits for it:
//!
//! ```text
//!   Head --request line and headers--> Body --whole body--> Reply --keep-alive--> Head
//!    |  deadline: idle, then head       |  deadline: body     |  deadline: stall     \--close--> Linger
//! ```
//!
//! Everything that a peer can make us hold is limited by [`Limits`]: connections, bytes of a head, of one body and
//! of all bodies together, output not yet taken, and time in each state. Past a limit the answer is an HTTP status
//! where one can still be sent, and a closed socket otherwise.
//!
//! A [`Service`] turns a request into a [`Response`]. Its body is either bytes or a [`Stream`]: something that is asked
//! for more whenever the socket has room. A stream that has nothing to give keeps a [`Waker`] and calls it later,
//! from any thread; the call is one atomic swap and, at most, one write to an eventfd, so a writer of logs never
//! waits for a follower.
//!
//! There is no async runtime, because the process that links this library did not ask for one.

use std::task::Waker;

mod chunked;
mod connection;
mod guard;
mod request;
mod response;
mod server;
mod thread;
mod wake;
mod worker;

pub use guard::Token;
pub use request::{Head, Method, Query, Request};
pub use response::{Body, Fill, Response, Status, Stream};
pub use server::{Limits, Options, Server, StartError, Stats};

/// What a server serves.
///
/// Both calls run on a server thread that other connections share: they should be quick, and must not wait.
/// A panic inside becomes a 500 answer.
pub trait Service: Send + Sync + 'static {
    /// Decides about a request before its body is read: how many body bytes are welcome (0 for none), or the answer
    /// that refuses it.
    fn admit(&self, head: &Head) -> Result<usize, Response>;

    /// Answers a request. `waker` belongs to this connection: a [`Stream`] keeps it to say that it has more.
    fn call(&self, request: Request, waker: &Waker) -> Response;
}
