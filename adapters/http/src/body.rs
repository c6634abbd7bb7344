//! Reads the body of a request completely, or refuses it.
//!
//! Three limits hold at once: the bytes of one body, the time that it may take from first byte to
//! last, and the bytes of everything that is being received at this moment. A sender of one byte per
//! second meets the second, a thousand polite senders meet the third.
//!
//! The content is not examined.

use std::pin::Pin;

use bytes::Bytes;
use futures::future::poll_fn;
use hyper::body::{Body, Frame};
use tierlink_socket::Share;
use tokio::time::timeout;

use crate::limits::HttpLimits;
use crate::refusal::Refusal;

/// Reads `body` to its end, within `limits`. `share` grows with it.
pub(crate) async fn whole<B>(
    body: B,
    share: &mut Share,
    limits: &HttpLimits,
) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let too_slow = Refusal::TooSlow { seconds: limits.body_lasts.as_secs() };
    let reading = read(body, share, limits.body_bytes_max);
    timeout(limits.body_lasts, reading).await.unwrap_or(Err(too_slow))
}

async fn read<B>(mut body: B, share: &mut Share, bytes_max: usize) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > bytes_max {
        return Err(Refusal::TooLarge { bytes_max });
    }
    // A body cannot become longer than it was announced; one without announcement, than it may be.
    let announced = body.size_hint().upper().and_then(|upper| usize::try_from(upper).ok());
    let length_max = announced.unwrap_or(bytes_max).min(bytes_max);
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame: Frame<Bytes> = frame.map_err(|_lost| Refusal::BrokenOff)?;
        // Trailers are ignored.
        let Ok(chunk) = frame.into_data() else {
            continue;
        };
        let length = bytes.len() + chunk.len();
        if length > bytes_max {
            return Err(Refusal::TooLarge { bytes_max });
        }
        if length > bytes.capacity() {
            // Doubling, so that a byte is copied once on the average.
            let capacity = (2 * bytes.capacity()).min(length_max).max(length);
            share.enlarge(capacity).map_err(|_no_room| Refusal::TooBusy)?;
            bytes.reserve_exact(capacity - bytes.len());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}
