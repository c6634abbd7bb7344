//! A destination's answer, read up to a limit.

use std::fmt;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, DATE, RETRY_AFTER};
use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// A destination that asks for a longer wait means "never", which only a person may decide.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);
/// Longest media type to accept, in bytes.
const MEDIA_TYPE_BYTES_MAX: usize = 200;

/// An answer with any status, redirects and refusals included.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body, up to the limit.
    pub body: Bytes,
    /// Whether the body was longer than the limit and its end was not read. The status
    /// is valid anyway.
    pub cut: bool,
    /// The header `Content-Type`, if it is visible ASCII.
    pub media_type: Option<String>,
    /// The wait that the destination asks for in `Retry-After`, at most a day.
    pub retry_after: Option<Duration>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, body, cut, media_type: _, retry_after } = self;
        write!(f, "status {status}, {} bytes, cut: {cut}, ", body.len())?;
        write!(f, "retry after {retry_after:?}")
    }
}

/// Reads the rest of an answer whose headers have arrived.
pub(crate) async fn read(
    mut answer: reqwest::Response,
    bytes_max: usize,
) -> Result<Response, reqwest::Error> {
    let status = answer.status().as_u16();
    let retry_after = retry_after(answer.headers());
    let media_type = answer
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .filter(|value| value.len() <= MEDIA_TYPE_BYTES_MAX)
        .map(str::to_owned);

    let (mut body, mut cut) = (BytesMut::new(), false);
    while let Some(chunk) = answer.chunk().await? {
        let fits = chunk.len().min(bytes_max - body.len());
        body.extend_from_slice(chunk.get(..fits).unwrap_or_default());
        if fits < chunk.len() {
            cut = true;
            break;
        }
    }
    Ok(Response { status, body: body.freeze(), cut, media_type, retry_after })
}

/// Reads `Retry-After`: seconds, or a date. A date counts from the destination's own `Date`, because
/// clocks in hospitals are wrong; without one it says nothing.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if value.is_empty() {
        return None;
    }
    let wait = if value.bytes().all(|byte| byte.is_ascii_digit()) {
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let until = instant(value)?;
        let their_now = instant(headers.get(DATE)?.to_str().ok()?)?;
        let wait = until.duration_since(their_now);
        // A date that has passed: at once.
        Duration::try_from(wait).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

fn instant(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check(value: &'static str, date: Option<&'static str>, want: Option<u64>) {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_static(date));
        }

        let wait = retry_after(&headers);

        assert_eq!(wait, want.map(Duration::from_secs), "{value}");
    }

    #[test]
    fn seconds_are_taken_as_they_are() {
        check("0", None, Some(0));
        check("120", None, Some(120));
    }

    #[test]
    fn a_date_counts_from_the_destinations_own_clock() {
        check("Mon, 02 Mar 2026 08:01:00 GMT", None, None);
        check("Fri, 02 Mar 2001 08:01:00 GMT", Some("Fri, 02 Mar 2001 08:00:30 GMT"), Some(30));
    }

    #[test]
    fn a_date_that_has_passed_means_at_once() {
        let (until, now) = ("Mon, 02 Mar 2026 07:00:00 GMT", "Mon, 02 Mar 2026 08:00:00 GMT");
        check(until, Some(now), Some(0));
    }

    #[test]
    fn nobody_makes_us_wait_longer_than_a_day() {
        let day = Some(24 * 60 * 60);

        check("99999999", None, day);
        check("99999999999999999999999999", None, day);
        let now = "Mon, 02 Mar 2026 08:00:00 GMT";
        check("Mon, 02 Mar 2099 08:01:00 GMT", Some(now), day);
    }

    #[test]
    fn nonsense_is_no_wait() {
        check("", None, None);
        check("soon", None, None);
        check("-5", None, None);
        check("1.5", None, None);
    }
}
