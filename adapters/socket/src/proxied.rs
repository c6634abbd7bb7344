//! The PROXY protocol (versions 1 and 2, as HAProxy describes it): a load balancer says at the
//! beginning of each connection whose it is.
//!
//! Whoever may say so can speak from any address, so only load balancers that are named are asked,
//! and from them every connection must begin so. From everybody else these bytes are a broken
//! message like any other.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// A load balancer says it at once.
const SAYS_WITHIN: Duration = Duration::from_secs(3);
/// The longest line of version 1, with its end.
const LINE_BYTES_MAX: usize = 107;
/// What version 2 begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Behind the signature: version and command, family, length.
const FIXED_BYTES: usize = 4;
/// Addresses and what else load balancers like to tell. More is none of theirs.
const MORE_BYTES_MAX: u16 = 2_048;

/// Reads what a load balancer says first, and no byte more. `None` if the connection is its own, such
/// as when it looks whether we live.
pub(crate) async fn read_source<S: AsyncRead + Unpin>(
    stream: &mut S,
) -> io::Result<Option<SocketAddr>> {
    let read = async {
        let mut first = [0; SIGNATURE.len()];
        stream.read_exact(&mut first).await?;
        if first == SIGNATURE { read_binary(stream).await } else { read_line(stream, &first).await }
    };
    timeout(SAYS_WITHIN, read).await.unwrap_or_else(|late| Err(late.into()))
}

async fn read_line<S: AsyncRead + Unpin>(
    stream: &mut S,
    first: &[u8],
) -> io::Result<Option<SocketAddr>> {
    let mut line = first.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() >= LINE_BYTES_MAX {
            return Err(no_header());
        }
        line.push(stream.read_u8().await?);
    }
    let text = std::str::from_utf8(&line).map_err(|_| no_header())?;
    let words: Vec<&str> = text.trim_end().split(' ').collect();
    match words.as_slice() {
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        ["PROXY", "TCP4" | "TCP6", from, _to, port, _to_port] => {
            let address: IpAddr = from.parse().map_err(|_| no_header())?;
            let port = port.parse().map_err(|_| no_header())?;
            Ok(Some(SocketAddr::new(address, port)))
        }
        _ => Err(no_header()),
    }
}

async fn read_binary<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<SocketAddr>> {
    let mut fixed = [0; FIXED_BYTES];
    stream.read_exact(&mut fixed).await?;
    let [command, family, high, low] = fixed;
    let length = u16::from_be_bytes([high, low]);
    if length > MORE_BYTES_MAX {
        return Err(no_header());
    }
    let mut more = vec![0; usize::from(length)];
    stream.read_exact(&mut more).await?;
    match (command, family) {
        // LOCAL: the load balancer's own.
        (0x20, _) => Ok(None),
        (0x21, 0x11) => {
            let [a, b, c, d, _, _, _, _, high, low, ..] = more[..] else { return Err(no_header()) };
            let port = u16::from_be_bytes([high, low]);
            Ok(Some(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), port)))
        }
        (0x21, 0x21) => {
            let address = more.first_chunk::<16>().ok_or_else(no_header)?;
            let port = more.get(32..34).and_then(<[u8]>::first_chunk).ok_or_else(no_header)?;
            let address = Ipv6Addr::from_octets(*address);
            Ok(Some(SocketAddr::new(address.into(), u16::from_be_bytes(*port))))
        }
        _ => Err(no_header()),
    }
}

fn no_header() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the connection does not begin as PROXY says")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `want` is the source that is named, an empty text for none, or `None` for no beginning.
    async fn check(bytes: &[u8], want: Option<&str>) {
        let stream = [bytes, b"MSH"].concat();
        let mut rest = &stream[..];

        let source = read_source(&mut rest).await.ok();

        let want = want.map(|text| (!text.is_empty()).then(|| text.parse().unwrap()));
        assert_eq!(source, want, "{bytes:?}");
        if source.is_some() {
            assert_eq!(rest, b"MSH", "what follows is the sender's");
        }
    }

    #[tokio::test]
    async fn a_line_names_the_sender() {
        check(b"PROXY TCP4 10.1.2.3 10.0.0.5 40000 2575\r\n", Some("10.1.2.3:40000")).await;
        check(b"PROXY TCP6 fd00::7 fd00::1 40000 2575\r\n", Some("[fd00::7]:40000")).await;
        check(b"PROXY UNKNOWN\r\n", Some("")).await;
    }

    #[tokio::test]
    async fn bytes_name_the_sender_and_what_else_is_told_is_skipped() {
        let four = [10, 1, 2, 3, 10, 0, 0, 5, 0x9c, 0x40, 0x0a, 0x0f, 3, 0, 1, 7];
        let with_more = [&SIGNATURE[..], &[0x21, 0x11, 0, 16], &four].concat();
        check(&with_more, Some("10.1.2.3:40000")).await;
        let mut six = [0_u8; 36];
        (six[0], six[15], six[32], six[33]) = (0xfd, 7, 0x9c, 0x40);
        let six = [&SIGNATURE[..], &[0x21, 0x21, 0, 36], &six].concat();
        check(&six, Some("[fd00::7]:40000")).await;
        check(&[&SIGNATURE[..], &[0x20, 0, 0, 0]].concat(), Some("")).await;
    }

    #[tokio::test]
    async fn anything_else_is_no_beginning() {
        check(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", None).await;
        check(b"PROXY TCP4 somewhere 10.0.0.5 40000 2575\r\n", None).await;
        check(b"PROXY TCP4 10.1.2.3 10.0.0.5 70000 2575\r\n", None).await;
        check(&[b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat(), None).await;
        check(&[&SIGNATURE[..], &[0x31, 0x11, 0, 12], &[0; 12]].concat(), None).await;
        check(&[&SIGNATURE[..], &[0x21, 0x11, 0, 4], &[0; 4]].concat(), None).await;
        check(&[&SIGNATURE[..], &[0x21, 0x11, 255, 255]].concat(), None).await;
    }
}
