//! Limits of a server: sizes, numbers and waits.

use std::time::Duration;

/// Limits of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Longest body, in bytes.
    pub body_bytes_max: usize,
    /// The longest request line with its headers.
    pub header_bytes_max: usize,
    /// Most headers of one request.
    pub headers_max: usize,
    /// Open connections in all. A further one takes the place of another
    /// ([`tierlink_socket::places`]), or is closed at once.
    pub connections_max: usize,
    /// Most open connections from one address.
    pub connections_per_peer_max: usize,
    /// Most requests being handled at the same time. Further ones are answered 503.
    pub requests_max: usize,
    /// How long a connection may be idle between requests.
    pub idle_lasts: Duration,
    /// Longest time for the headers of a request, and for the first byte of a new connection.
    pub header_lasts: Duration,
    /// Longest time for a body: 8 MiB on a village's 1 Mbit/s line.
    pub body_lasts: Duration,
    /// How long the sender may leave our response unread.
    pub write_lasts: Duration,
    /// Longest time for a TLS handshake.
    pub handshake_lasts: Duration,
    /// How long a stopping server waits for requests that are being handled.
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
            // Longer than the minute for which most proxies keep a connection, so that
            // they close first.
            idle_lasts: Duration::from_secs(75),
            header_lasts: Duration::from_secs(15),
            body_lasts: Duration::from_mins(2),
            write_lasts: Duration::from_secs(30),
            handshake_lasts: Duration::from_secs(10),
            stop_lasts: Duration::from_secs(20),
        }
    }
}
