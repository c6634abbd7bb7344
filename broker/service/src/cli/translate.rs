//! `tierlink translate`: translates one message from any format to any other, offline.
//!
//! The configuration provides organisations and tiers. Without one, what depends on them (the
//! direction of a referral) is reported as unknown and not refused.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};
use tierlink_codec::profile::Codes;
use tierlink_codec::{Codec, Directory, Profile, Reading, Writing};
use tierlink_edge::environment::{Environment, SystemEnvironment};
use tierlink_schemas::check::{Rules, check};
use tierlink_schemas::{Loss, Message, OrganisationCode, Problem, Tier};

use super::config_file::all_problems;
use super::print;
use crate::codecs::codecs;
use crate::config::Config;

/// The names of all formats, as the possible values of an option.
fn formats() -> PossibleValuesParser {
    PossibleValuesParser::new(codecs().names())
}

/// Finds the codec of a format. The command line has checked the name.
fn codec(name: &str) -> anyhow::Result<Arc<dyn Codec>> {
    codecs().get(name).cloned().with_context(|| format!("there is no format {name}"))
}

/// Translate one message into another format, offline.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Format of the file
    #[arg(long, value_parser = formats())]
    from: String,

    /// Format to write
    #[arg(long, value_parser = formats())]
    to: String,

    /// Configuration that provides organisations and tiers
    #[arg(long)]
    config: Option<PathBuf>,

    /// Profile of the sender, for character set, code maps and quirks
    #[arg(long)]
    profile: Option<PathBuf>,

    /// Print one JSON object with message, deviations, losses and problems
    #[arg(long)]
    report: bool,

    /// File with the message
    file: PathBuf,
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let raw = std::fs::read(&options.file)
        .with_context(|| format!("{} cannot be read", options.file.display()))?;
    let config = options.config.as_deref().map(load).transpose()?;
    let profile = sender(options, config.as_ref(), &raw)?;
    let empty = Directory::default();
    let directory = config.as_ref().map_or(&empty, |config| &config.directory);
    let translation = translate(options, &profile, directory, &raw)?;
    if options.report {
        print::json(&translation.report());
    } else {
        translation.tell();
    }
    Ok(if translation.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn load(path: &std::path::Path) -> anyhow::Result<Config> {
    let path = if path.is_dir() { path.join("county.toml") } else { path.to_path_buf() };
    Config::load(&path).map_err(|error| all_problems(&path, &error))
}

/// The sender's profile: the given one, else that of the organisation named in the message, else
/// one with defaults only.
fn sender(options: &Options, config: Option<&Config>, raw: &[u8]) -> anyhow::Result<Profile> {
    if let Some(path) = &options.profile {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        let mut profile = Profile::from_toml(&text)
            .with_context(|| format!("{} is no profile", path.display()))?;
        profile.format.name.clone_from(&options.from);
        return Ok(profile);
    }
    let stated = codec(&options.from)?.sender(raw);
    let names = &stated.names;
    if let Some(config) = config {
        let found = names
            .iter()
            .find_map(|name| config.directory.resolve(name))
            .and_then(|organisation| config.profiles.get(&organisation.code))
            .and_then(|organisation| {
                let spoken = organisation
                    .speaker(stated.system.as_deref(), |it| it.format.name == options.from);
                spoken.ok().or_else(|| organisation.default_system())
            });
        match found {
            Some(profile) => {
                let mut profile = profile.clone();
                profile.format.name.clone_from(&options.from);
                return Ok(profile);
            }
            None => bail!(
                "the message names no organisation of this configuration; give --profile FILE"
            ),
        }
    }
    let code = names
        .iter()
        .find_map(|name| OrganisationCode::new(name.as_str()).ok())
        .or_else(|| OrganisationCode::new("UNKNOWN").ok())
        .context("seven letters are a code")?;
    Ok(Profile::bare(code, Tier::Village, &options.from))
}

struct Translation {
    message: Option<Message>,
    output: Option<bytes::Bytes>,
    deviations: Vec<tierlink_schemas::Deviation>,
    losses: Vec<Loss>,
    problems: Vec<Problem>,
}

fn translate(
    options: &Options,
    profile: &Profile,
    directory: &Directory,
    raw: &[u8],
) -> anyhow::Result<Translation> {
    let received_at = SystemEnvironment.now();
    let reading =
        Reading { profile, directory, id: SystemEnvironment.id(), received_at, head: None };
    let decoded = codec(&options.from)?.decode(raw, &reading);
    let mut translation = Translation {
        message: None,
        output: None,
        deviations: decoded.deviations,
        losses: Vec::new(),
        problems: Vec::new(),
    };
    let message = match decoded.outcome {
        Ok((message, _)) => message,
        Err(problems) => {
            translation.problems = problems;
            return Ok(translation);
        }
    };
    let checked = check(&message, &Rules { now: received_at, required: &profile.required });
    translation.deviations.extend(checked.deviations);
    translation.problems = checked.problems;
    let to = message
        .to()
        .map(|party| party.organisation.clone())
        .or_else(|| message.destinations.first().cloned())
        .unwrap_or_else(|| message.source.organisation.clone());
    let mut target = profile.clone();
    target.format.name.clone_from(&options.to);
    target.organisation.code = to.clone();
    // The maps of the profile are the sender's. Whoever receives it has its own, or none.
    target.codes = Codes::default();
    let with = Writing { profile: &target, directory };
    match codec(&options.to)?.encode(&message, &to, &with) {
        Ok(encoded) => {
            translation.output = Some(encoded.bytes);
            translation.losses = encoded.losses;
        }
        Err(problems) => translation.problems.extend(problems),
    }
    translation.message = Some(message);
    Ok(translation)
}

impl Translation {
    fn report(&self) -> Value {
        let outcome = if self.problems.is_empty() { "accepted" } else { "refused" };
        json!({
            "outcome": outcome,
            "message": self.message,
            "output": self.output.as_deref().map(String::from_utf8_lossy),
            "deviations": self.deviations,
            "losses": self.losses,
            "problems": self.problems,
        })
    }

    fn tell(&self) {
        if let Some(output) = self.output.as_ref().filter(|_| self.problems.is_empty()) {
            print::bytes(output);
            if !output.ends_with(b"\n") {
                print::line("");
            }
        }
        for problem in &self.problems {
            print::error(&format!("refused    {problem}"));
        }
        for deviation in &self.deviations {
            print::error(&format!(
                "deviation  {} {}: {}",
                deviation.code, deviation.field, deviation.text
            ));
        }
        for loss in &self.losses {
            let word = if loss.safety { "SAFETY LOSS" } else { "loss" };
            print::error(&format!("{word}       {}: {}", loss.field, loss.text));
        }
    }
}
