//! `tierlink send`: sends files to an endpoint, as a hospital would.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use tierlink_edge::address::Address;
use tierlink_mllp::client::{Client, Match, Settings};

use super::{BearerToken, print};

/// Send files to an endpoint.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Address: mllp://HOST:PORT, http://… or https://…
    #[arg(long)]
    to: String,

    #[command(flatten)]
    token: BearerToken,

    /// PEM file with the certificate authorities to trust
    #[arg(long)]
    authorities: Option<PathBuf>,

    /// Seconds to wait for each answer
    #[arg(long, default_value_t = 30)]
    seconds: u64,

    /// The messages, one file each
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let Some(address) = Address::read(&options.to) else {
        bail!("--to must be mllp://HOST:PORT, mllps://HOST:PORT, http://… or https://…");
    };
    let mut refused = 0_usize;
    match address {
        Address::Mllp { host, port, tls } => {
            let mut settings = Settings::new(host, port);
            settings.answer_lasts = Duration::from_secs(options.seconds);
            if tls {
                let Some(path) = &options.authorities else {
                    bail!("mllps:// needs --authorities FILE");
                };
                let roots = read(path)?;
                let config = tierlink_mllp::tls::client(&roots, None)?;
                settings.tls = Some(tierlink_mllp::client::Tls { config, server_name: None });
            }
            let mut client = Client::new(settings);
            for file in &options.files {
                let message = read(file)?;
                let answers = client.exchange(&message, &|_| Match::Mine).await;
                refused += usize::from(!told_mllp(file, answers));
            }
        }
        Address::Http { url } => {
            let client = http_client(&options)?;
            let token = options.token.read()?;
            for file in &options.files {
                refused += usize::from(!post(&client, &url, token.as_deref(), file).await?);
            }
        }
    }
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// Prints the answer. Returns whether the message was accepted.
fn told_mllp(
    file: &Path,
    answers: Result<Vec<bytes::Bytes>, tierlink_mllp::client::NoAnswer>,
) -> bool {
    print::line(&format!("{}:", file.display()));
    match answers {
        Ok(answers) => {
            let mut taken = false;
            for answer in &answers {
                let text = String::from_utf8_lossy(answer).replace('\r', "\n");
                taken |= text.contains("\nMSA|AA") || text.contains("\nMSA|CA");
                print::line(text.trim_end());
            }
            taken
        }
        Err(silence) => {
            print::line(&format!("{}: {silence}", silence.code()));
            false
        }
    }
}

fn http_client(options: &Options) -> anyhow::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .timeout(Duration::from_secs(options.seconds))
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none());
    if let Some(path) = &options.authorities {
        let certificates = reqwest::Certificate::from_pem_bundle(&read(path)?)?;
        builder = builder.tls_certs_only(certificates);
    }
    Ok(builder.build()?)
}

async fn post(
    client: &reqwest::Client,
    url: &str,
    token: Option<&str>,
    file: &Path,
) -> anyhow::Result<bool> {
    let media_type =
        if url.contains("/fhir") { "application/fhir+json" } else { "application/json" };
    let mut request =
        client.post(url).header(reqwest::header::CONTENT_TYPE, media_type).body(read(file)?);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    print::line(&format!("{}:", file.display()));
    match request.send().await {
        Ok(response) => {
            let status = response.status();
            let text = response.text().await.unwrap_or_default();
            print::line(&format!("HTTP {status}"));
            print::line(text.trim_end());
            Ok(status.is_success())
        }
        Err(error) => {
            print::line(&format!("E020: no answer: {}", error.without_url()));
            Ok(false)
        }
    }
}
