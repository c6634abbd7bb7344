//! How much a server takes, and how long it waits.

use std::time::Duration;

/// How much a server takes, and how long it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// The longest body.
    pub body_bytes_max: usize,
    /// The longest request line with its headers.
    pub header_bytes_max: usize,
    /// The most headers of one request.
    pub headers_max: usize,
    /// Open connections in all. A further one takes the place of another
    /// ([`tierlink_socket::places`]), or is closed at once.
    pub connections_max: usize,
    /// Open connections from one address.
    pub connections_per_peer_max: usize,
    /// Requests that handlers work on at one time. Further ones hear 503.
    pub requests_max: usize,
    /// How long a connection may stay without a request.
    pub idle_lasts: Duration,
    /// How long headers may take from first byte to last, and the first byte of a new connection.
    pub header_lasts: Duration,
    /// How long a body may take: 8 MiB over a village's 1 Mbit/s line.
    pub body_lasts: Duration,
    /// How long the sender may leave our response unread.
    pub write_lasts: Duration,
    /// How long TLS may take to agree.
    pub handshake_lasts: Duration,
    /// How long requests in hand may take to be answered once the server stops.
    pub stop_lasts: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            body_bytes_max: 8 * 1024 * 1024,
            header_bytes_max: 32 * 1024,
            headers_max: 100,
            connections_max: 1024,
            // A whole county may come through one gateway.
            connections_per_peer_max: 256,
            requests_max: 512,
            // Longer than the minute that most proxies keep a connection, so that they close first.
            idle_lasts: Duration::from_secs(75),
            header_lasts: Duration::from_secs(15),
            body_lasts: Duration::from_mins(2),
            write_lasts: Duration::from_secs(30),
            handshake_lasts: Duration::from_secs(10),
            stop_lasts: Duration::from_secs(20),
        }
    }
}
