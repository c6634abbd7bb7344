//! Agrees with a client on TLS, and learns its names.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::certificates;

/// The stream, and the names in the client's certificate: none if it showed none. Whoever says
/// nothing for `lasts` is an error like any other.
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
