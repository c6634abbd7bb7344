//! Reads the body of a request completely, or refuses it.
//!
//! Three limits apply: the bytes of one body, the time from its first to its last byte, and the
//! bytes of all bodies in memory at the same time. The second stops a sender of one byte per
//! second, the third a thousand ordinary senders at once.
//!
//! The content is not examined.

use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::future::poll_fn;
use hyper::body::{Body, Frame};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::limits::HttpLimits;
use crate::refusal::Refusal;

/// Unit of the memory budget: small enough for short bodies, large enough to keep
/// the counter small.
const UNIT_BYTES: usize = 1024;

/// The memory that all bodies together may use.
#[derive(Clone)]
pub(crate) struct ByteBudget(Arc<Semaphore>);

/// A body in memory. Its share of the budget is returned on drop.
pub(crate) struct BufferedBody {
    pub(crate) bytes: Bytes,
    pub(crate) budget: Option<OwnedSemaphorePermit>,
}

impl ByteBudget {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let units = (bytes_max / UNIT_BYTES).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(units)))
    }

    /// Increases `taken` to a share for `bytes` in all.
    fn enlarge(
        &self,
        taken: &mut Option<OwnedSemaphorePermit>,
        bytes: usize,
    ) -> Result<(), Refusal> {
        let units = taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = bytes.div_ceil(UNIT_BYTES).saturating_sub(units);
        if missing == 0 {
            return Ok(());
        }
        let missing = u32::try_from(missing).map_err(|_too_many| Refusal::TooBusy)?;
        let more = Arc::clone(&self.0)
            .try_acquire_many_owned(missing)
            .map_err(|_none_left| Refusal::TooBusy)?;
        match taken {
            Some(taken) => taken.merge(more),
            None => *taken = Some(more),
        }
        Ok(())
    }
}

/// Reads `body` to its end, within `limits`.
pub(crate) async fn whole<B>(
    body: B,
    budget: &ByteBudget,
    limits: &HttpLimits,
) -> Result<BufferedBody, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.is_end_stream() {
        return Ok(BufferedBody { bytes: Bytes::new(), budget: None });
    }
    let too_slow = Refusal::TooSlow { seconds: limits.body_lasts.as_secs() };
    let reading = read(body, budget, limits.body_bytes_max);
    timeout(limits.body_lasts, reading).await.unwrap_or(Err(too_slow))
}

async fn read<B>(
    mut body: B,
    budget: &ByteBudget,
    bytes_max: usize,
) -> Result<BufferedBody, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > bytes_max {
        return Err(Refusal::TooLarge { bytes_max });
    }
    let (mut bytes, mut taken) = (BytesMut::new(), None);
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
        budget.enlarge(&mut taken, length)?;
        bytes.extend_from_slice(&chunk);
    }
    Ok(BufferedBody { bytes: bytes.freeze(), budget: taken })
}
