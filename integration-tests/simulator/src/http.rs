//! HTTP, both sides: a server written by hand, and a client with a bearer token.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::case_numbers;
use crate::desk::{Desk, Incoming, READ_BYTES, Then, wait_for_the_end};

const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Serves one connection of the broker.
pub(crate) async fn attend(mut stream: TcpStream, desk: &impl Desk) -> Result<()> {
    let mut pending = Vec::new();
    loop {
        while let Some((request, used)) = Request::read(&pending)? {
            let message = Incoming { raw: &request.body, token: request.token.as_deref() };
            let reaction = desk.receive(message).await;
            let keep = if reaction.then == Then::Close { "close" } else { "keep-alive" };
            let mut out = Vec::new();
            for reply in &reaction.replies {
                let mut head = format!(
                    "HTTP/1.1 {} Said\r\nContent-Length: {}\r\nConnection: {keep}\r\n",
                    reply.status,
                    reply.body.len()
                );
                if !reply.media_type.is_empty() {
                    head.extend(["Content-Type: ", reply.media_type, "\r\n"]);
                }
                if let Some(seconds) = reply.retry_after {
                    // Writing to a text cannot fail.
                    let _written = write!(head, "Retry-After: {seconds}\r\n");
                }
                head.push_str("\r\n");
                out.extend_from_slice(head.as_bytes());
                out.extend_from_slice(&reply.body);
            }
            // At once: of two answers the second must not come when the next request is out.
            stream.write_all(&out).await?;
            if let Some(message) = reaction.takes {
                desk.taken(message);
            }
            match reaction.then {
                Then::Stay => {}
                Then::Close => return Ok(()),
                Then::Silence => return wait_for_the_end(&mut stream).await,
            }
            pending.drain(..used);
        }
        pending.reserve(READ_BYTES);
        if stream.read_buf(&mut pending).await? == 0 {
            return Ok(());
        }
    }
}

/// A whole request.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    token: Option<String>,
    body: Vec<u8>,
}

impl Request {
    /// The first request in these bytes, and how many of them it is; `None` until it is whole.
    fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>> {
        let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let begins = head + 4;
        let (mut length, mut chunked, mut token) = (0_usize, false, None);
        for line in std::str::from_utf8(&bytes[..head])?.lines().skip(1) {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse()?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = value.contains("chunked");
            } else if name.eq_ignore_ascii_case("authorization") {
                token = value.strip_prefix("Bearer ").map(str::to_owned);
            }
        }
        let found = if chunked {
            chunks(&bytes[begins..])?
        } else {
            bytes.get(begins..begins + length).map(|body| (body.to_vec(), length))
        };
        Ok(found.map(|(body, used)| (Self { token, body }, begins + used)))
    }
}

/// A body in chunks, and how many bytes it takes; `None` until it is whole.
fn chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = bytes[at..].windows(2).position(|two| two == b"\r\n") else {
            return Ok(None);
        };
        let length = std::str::from_utf8(&bytes[at..at + line])?;
        let length = usize::from_str_radix(length.trim(), 16)?;
        let begins = at + line + 2;
        let Some(chunk) = bytes.get(begins..begins + length + 2) else { return Ok(None) };
        at = begins + length + 2;
        if length == 0 {
            return Ok(Some((body, at)));
        }
        body.extend_from_slice(&chunk[..length]);
    }
}

/// What the broker answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The header `Content-Type`.
    pub media_type: String,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The case number of a positive verdict, of native JSON or of FHIR.
    pub fn accepted(&self) -> Result<String> {
        if self.status != 200 {
            bail!("HTTP {}: {}", self.status, self.body);
        }
        let numbers = case_numbers(&self.body);
        numbers.into_iter().next().with_context(|| format!("no case in {}", self.body))
    }

    /// Code and field of the first problem of a refusal.
    pub fn refused(&self) -> Result<(String, String)> {
        if self.status < 400 {
            bail!("HTTP {}: {}", self.status, self.body);
        }
        let problems = self.problems();
        problems.into_iter().next().with_context(|| format!("no problem in {}", self.body))
    }

    /// Code and field of every problem of a refusal, in either format.
    #[must_use]
    pub fn problems(&self) -> Vec<(String, String)> {
        let json = self.json();
        let pairs = |list: &str, code: &str, field: &str| -> Vec<(String, String)> {
            let all = json[list].as_array().into_iter().flatten();
            let text = |it: &Value, path: &str| it.pointer(path)?.as_str().map(str::to_owned);
            all.filter_map(|it| Some((text(it, code)?, text(it, field)?))).collect()
        };
        let mut found = pairs("problems", "/code", "/field");
        found.extend(pairs("issue", "/details/coding/0/code", "/expression/0"));
        found
    }
}

/// An HTTP client of one organisation, or of an operator.
#[derive(Clone, Debug)]
pub struct HttpSender {
    base: String,
    token: Option<String>,
    client: reqwest::Client,
    patience: Duration,
}

impl HttpSender {
    /// A client of the broker at this port of this machine.
    pub fn new(port: u16, token: Option<&str>) -> Result<Self> {
        Self::at(&format!("http://127.0.0.1:{port}"), token)
    }

    /// A client of the broker at this address, such as `http://broker.example.invalid:8480`.
    pub fn at(base: &str, token: Option<&str>) -> Result<Self> {
        // Somebody else in this process may have chosen a provider already; either will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            token: token.map(str::to_owned),
            client,
            patience: ANSWER_WITHIN,
        })
    }

    /// The same client, which waits so long for an answer.
    #[must_use]
    pub fn patient_for(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Posts a body.
    pub async fn post(
        &self,
        path: &str,
        media_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> Result<Answer> {
        let request = self.client.post(format!("{}{path}", self.base));
        self.ask(request.header("Content-Type", media_type).body(body)).await
    }

    /// Sends a canonical message.
    pub async fn send(&self, message: &Value) -> Result<Answer> {
        self.send_json(message.to_string()).await
    }

    /// Sends the text of a canonical message.
    pub async fn send_json(&self, message: impl Into<reqwest::Body>) -> Result<Answer> {
        self.post("/api/v1/messages", "application/json", message).await
    }

    /// Sends a FHIR Bundle.
    pub async fn send_fhir(&self, bundle: &Value) -> Result<Answer> {
        self.send_bundle(bundle.to_string()).await
    }

    /// Sends the text of a FHIR Bundle.
    pub async fn send_bundle(&self, bundle: impl Into<reqwest::Body>) -> Result<Answer> {
        self.post("/fhir/$process-message", "application/fhir+json", bundle).await
    }

    /// Asks for something.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.ask(self.client.get(format!("{}{path}", self.base))).await
    }

    async fn ask(&self, mut request: reqwest::RequestBuilder) -> Result<Answer> {
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.timeout(self.patience).send().await?;
        let media_type = response
            .headers()
            .get("Content-Type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        Ok(Answer { status: response.status().as_u16(), media_type, body: response.text().await? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_whole_only_with_its_body() {
        let whole =
            b"POST / HTTP/1.1\r\ncontent-length: 4\r\nAuthorization: Bearer t\r\n\r\nabcdPOST";

        let (request, used) = Request::read(whole).unwrap().unwrap();
        let half = Request::read(&whole[..whole.len() - 5]).unwrap();

        assert_eq!(request, Request { token: Some("t".to_owned()), body: b"abcd".to_vec() });
        assert_eq!(used, whole.len() - 4);
        assert_eq!(half, None);
    }

    #[test]
    fn a_body_in_chunks_is_whole_with_its_last_chunk() {
        let whole =
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";

        let (request, used) = Request::read(whole).unwrap().unwrap();

        assert_eq!((request.body.as_slice(), used), (b"abc".as_slice(), whole.len()));
        for end in 0..whole.len() {
            assert_eq!(Request::read(&whole[..end]).unwrap(), None, "{end}");
        }
    }

    #[test]
    fn codes_are_read_from_either_format_and_words_are_not() {
        let problems = |body: &str| {
            let answer = Answer { status: 422, media_type: String::new(), body: body.to_owned() };
            answer.problems()
        };
        let pair = |code: &str, field: &str| vec![(code.to_owned(), field.to_owned())];

        assert_eq!(
            problems(r#"{"problems":[{"code":"C001","field":"body.text","text":"empty"}]}"#),
            pair("C001", "body.text")
        );
        assert_eq!(
            problems(
                r#"{"issue":[{"details":{"coding":[{"code":"D050"}]},
                "diagnostics":"words","expression":["Patient"]}]}"#
            ),
            pair("D050", "Patient")
        );
    }
}
