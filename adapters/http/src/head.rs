//! What must hold of the head of every request, whoever sends it.
//!
//! A proxy in front of us and we must never read one request as two different ones. So what readers
//! of HTTP are known to disagree about is refused: a missing or second `Host`, and lines that end
//! with a line feed alone.

use axum::http::Version;
use axum::http::header::HOST;
use axum::http::request::Parts;

use crate::refusal::Refusal;

/// Refuses a head that could be read in two ways. `bare_feed` says whether one of its lines ended
/// with a line feed alone, which its parts do not show any more.
pub(crate) fn check(head: &Parts, bare_feed: bool) -> Result<(), Refusal> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let one_host = match (hosts.next(), hosts.next()) {
        (Some(_), None) => true,
        // HTTP/1.0 knew no hosts.
        (None, None) => head.version == Version::HTTP_10,
        (_, Some(_)) => false,
    };
    if one_host && !bare_feed { Ok(()) } else { Err(Refusal::Malformed) }
}

/// Looks at the bytes of a head as they come, for a line feed without its carriage return.
#[derive(Debug)]
pub(crate) struct LineEnds {
    before: u8,
    line_is_empty: bool,
    /// Whether anything but empty lines has come: those before the first line are no end.
    begun: bool,
    ended: bool,
    bare_feed: bool,
}

impl LineEnds {
    /// At the first byte of a head. A line feed there ends the request before, and is no matter.
    pub(crate) fn new() -> Self {
        Self { before: b'\r', line_is_empty: true, begun: false, ended: false, bare_feed: false }
    }

    /// Looks at the next bytes, up to the end of the head.
    pub(crate) fn look_at(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.ended {
                return;
            }
            match *byte {
                b'\n' => {
                    self.bare_feed |= self.before != b'\r';
                    self.ended = self.line_is_empty && self.begun;
                    self.line_is_empty = true;
                }
                b'\r' => {}
                _ => {
                    self.line_is_empty = false;
                    self.begun = true;
                }
            }
            self.before = *byte;
        }
    }

    /// Whether there was one.
    pub(crate) fn bare_feed(&self) -> bool {
        self.bare_feed
    }
}
