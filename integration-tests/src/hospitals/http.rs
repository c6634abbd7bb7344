//! HTTP, both sides: a server written by hand, and a client with a bearer token.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

use super::{Received, Speaks, Turn, Ward, answer, case_numbers, mllp};

const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Serves one connection of the broker.
pub(super) async fn attend(stream: TcpStream, ward: &Ward) -> Result<()> {
    let mut stream = BufStream::new(stream);
    while let Some(request) = Request::read(&mut stream).await? {
        let message: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let (place, turn, manners) = ward.note(received(request, &message, ward.speaks));
        manners.think(turn).await;
        if turn == Turn::Silent {
            return mllp::wait_for_the_end(&mut stream).await;
        }
        for answer in turn.answers() {
            let answer = match ward.speaks {
                Speaks::Fhir => answer::fhir(&message, answer),
                Speaks::Json | Speaks::Hl7v2 => answer::json(&message, answer),
            };
            let Some((status, media_type, body)) = answer else { return Ok(()) };
            let keep = if manners.closes_after_each { "close" } else { "keep-alive" };
            let head = format!(
                "HTTP/1.1 {status} Said\r\nContent-Type: {media_type}\r\n\
                 Content-Length: {}\r\nConnection: {keep}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body.as_bytes()).await?;
        }
        stream.flush().await?;
        if turn.takes() {
            ward.taken(place);
        }
        if manners.closes_after_each {
            return Ok(());
        }
    }
    Ok(())
}

fn received(request: Request, message: &Value, speaks: Speaks) -> Received {
    let text = String::from_utf8_lossy(&request.body).into_owned();
    let header = &message["entry"][0]["resource"];
    let (id, kind) = match speaks {
        Speaks::Fhir => (&header["id"], &header["eventCoding"]["code"]),
        Speaks::Json | Speaks::Hl7v2 => (&message["id"], &message["kind"]),
    };
    Received {
        control_id: id.as_str().unwrap_or_default().to_owned(),
        kind: kind.as_str().unwrap_or_default().to_owned(),
        case_numbers: case_numbers(&text),
        token: request.token,
        taken: false,
        raw: request.body,
        text,
    }
}

struct Request {
    token: Option<String>,
    body: Vec<u8>,
}

impl Request {
    /// The next request; `None` when the peer is done.
    async fn read(stream: &mut BufStream<TcpStream>) -> Result<Option<Self>> {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let (mut length, mut chunked, mut token) = (0, false, None);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse()?,
                "transfer-encoding" => chunked = value.contains("chunked"),
                "authorization" => token = value.strip_prefix("Bearer ").map(str::to_owned),
                _ => {}
            }
        }
        let body = if chunked {
            read_chunks(stream).await?
        } else {
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await?;
            body
        };
        Ok(Some(Self { token, body }))
    }
}

async fn read_chunks(stream: &mut BufStream<TcpStream>) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let length = usize::from_str_radix(line.trim(), 16)?;
        let mut chunk = vec![0; length + 2];
        stream.read_exact(&mut chunk).await?;
        if length == 0 {
            return Ok(body);
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
        let json = self.json();
        let text = |path: &str| json.pointer(path).and_then(Value::as_str).map(str::to_owned);
        let code = text("/problems/0/code").or_else(|| text("/issue/0/details/coding/0/code"));
        let field = text("/problems/0/field").or_else(|| text("/issue/0/expression/0"));
        code.zip(field).with_context(|| format!("no problem in {}", self.body))
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
    /// A client of the broker at this port.
    pub fn new(port: u16, token: Option<&str>) -> Result<Self> {
        // Somebody else in this process may have chosen a provider already; either will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self {
            base: format!("http://127.0.0.1:{port}"),
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
        self.post("/api/v1/messages", "application/json", message.to_string()).await
    }

    /// Sends a FHIR Bundle.
    pub async fn send_fhir(&self, bundle: &Value) -> Result<Answer> {
        self.post("/fhir/$process-message", "application/fhir+json", bundle.to_string()).await
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
