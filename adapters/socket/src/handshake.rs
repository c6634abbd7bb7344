//! Performs the TLS handshake with a client and reads the names in its certificate.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::certificates;

/// Returns the stream and the names in the client's certificate, empty if it presented none. A
/// client that does not finish within `lasts` is an error.
pub async fn handshake(
    tls: &TlsAcceptor,
    socket: TcpStream,
    lasts: Duration,
) -> io::Result<(TlsStream<TcpStream>, Arc<[String]>)> {
    let agreed = timeout(lasts, tls.accept(socket)).await;
    let stream = agreed.unwrap_or_else(|late| Err(late.into()))?;
    let names = certificates::names(stream.get_ref().1.peer_certificates());
    Ok((stream, names))
}
