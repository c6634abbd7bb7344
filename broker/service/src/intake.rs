//! Intake: from the bytes of an authenticated sender to an answer in the sender's format.
//!
//! ```text
//!   bytes ─▶ decode ─▶ check ─▶ commit (group) ─▶ answer
//! ```
//!
//! Nothing is decided here: codecs read, `schemas::check` checks, and the core decides inside
//! the commit. The answer is written after the commit, so a positive one means that the message
//! is on disk.

use std::io::BufWriter;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tierlink_codec::{
    Answer, Arrived, Codec, CodecRegistry, Decoded, FamilyKnown, Profile, Reading, Reply,
};
use tierlink_core::find;
use tierlink_edge::environment::Environment;
use tierlink_edge::intake::UNKNOWN_ORGANISATION;
use tierlink_schemas::check::{Rules, check};
use tierlink_schemas::{Code, Deviation, Message, OrganisationCode, Problem, Refusal, Verdict};
use tierlink_store::{Content, ToJudge, Work};
use tracing::{Span, error, info, instrument, warn};
use uuid::Uuid;

use crate::committer::Committer;
use crate::config::Config;
use crate::counters::Counters;
use crate::current_config::CurrentConfig;

/// Error code: a message names another source than the authenticated sender.
pub const OTHER_SOURCE: Code = Code::new("A004");
/// Error code (deviation): a message names a system that its organisation does not have; it is read
/// as from the system that was found by how it came in.
pub const OTHER_SYSTEM: Code = Code::new("A010");

/// Accepts messages from every transport.
pub struct Intake {
    current_config: Arc<CurrentConfig>,
    codecs: CodecRegistry,
    committer: Committer,
    counters: Counters,
    environment: Arc<dyn Environment>,
}

impl Intake {
    /// Works with these parts.
    #[must_use]
    pub fn new(
        current_config: Arc<CurrentConfig>,
        codecs: CodecRegistry,
        committer: Committer,
        counters: Counters,
        environment: Arc<dyn Environment>,
    ) -> Self {
        Self { current_config, codecs, committer, counters, environment }
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.current_config.load()
    }

    /// The codecs, by format.
    #[must_use]
    pub fn codecs(&self) -> &CodecRegistry {
        &self.codecs
    }

    /// Accepts one message of an authenticated system and returns the answer. `codec` is that of
    /// the format in which it came.
    #[instrument(level = "debug", name = "receive", skip_all, fields(message.id))]
    pub async fn take(
        &self,
        sender: &Profile,
        codec: &Arc<dyn Codec>,
        arrived: impl Into<Arrived>,
    ) -> Answer {
        let begun = Instant::now();
        let Arrived { bytes: raw, head } = arrived.into();
        let config = self.current_config.load();
        let reading = Reading { head: Some(&head), ..self.reading(sender, &config) };
        Span::current().record("message.id", tracing::field::display(reading.id));
        let decoded = codec.decode(&raw, &reading);
        let head_decoded = decoded.head.clone();
        let judged = match Box::pin(self.work(&reading, &config, codec.name(), &raw, decoded)).await
        {
            Ok(work) => self.committer.commit(work).await,
            Err(problem) => Err(problem),
        };
        let head = if head_decoded.is_empty() { &head } else { &head_decoded };
        let reading = Reading { head: Some(head), ..reading };
        let format = codec.name();
        match judged {
            Ok(judged) => {
                log_verdict(
                    &sender.organisation.code,
                    format,
                    reading.id,
                    &judged.verdict,
                    judged.conflict,
                );
                metrics::histogram!("tierlink_intake_seconds", "format" => format)
                    .record(begun.elapsed().as_secs_f64());
                codec.answer(&raw, &Reply::Verdict(&judged.verdict), &reading)
            }
            Err(problem) => {
                metrics::counter!(
                    "tierlink_messages_total",
                    "format" => format,
                    "verdict" => problem.code.as_str().to_owned()
                )
                .increment(1);
                codec.answer(&raw, &Reply::TryAgain(&problem), &reading)
            }
        }
    }

    /// Answers that the message was not stored and may be sent again. Keeps nothing.
    pub fn not_now(
        &self,
        sender: &Profile,
        codec: &Arc<dyn Codec>,
        raw: &[u8],
        problem: &Problem,
    ) -> Answer {
        let config = self.current_config.load();
        metrics::counter!(
            "tierlink_messages_total",
            "format" => codec.name(),
            "verdict" => problem.code.as_str().to_owned()
        )
        .increment(1);
        codec.answer(raw, &Reply::TryAgain(problem), &self.reading(sender, &config))
    }

    /// Refuses bytes whose sender cannot be told, and keeps them for the operator.
    pub async fn refuse_unknown(
        &self,
        guess: &Profile,
        codec: &Arc<dyn Codec>,
        arrived: Arrived,
        problem: Problem,
    ) -> Answer {
        let unknown = OrganisationCode::new(UNKNOWN_ORGANISATION)
            .unwrap_or_else(|_| unreachable!("seven letters are a code"));
        self.refuse_from(unknown, guess, codec, arrived, problem).await
    }

    /// Refuses bytes of an organisation whose sending system cannot be determined.
    pub async fn refuse(
        &self,
        guess: &Profile,
        codec: &Arc<dyn Codec>,
        arrived: Arrived,
        problem: Problem,
    ) -> Answer {
        self.refuse_from(guess.organisation.code.clone(), guess, codec, arrived, problem).await
    }

    async fn refuse_from(
        &self,
        organisation: OrganisationCode,
        guess: &Profile,
        codec: &Arc<dyn Codec>,
        arrived: Arrived,
        problem: Problem,
    ) -> Answer {
        let Arrived { bytes: raw, head } = arrived;
        let config = self.current_config.load();
        let reading = Reading { head: Some(&head), ..self.reading(guess, &config) };
        let verdict = Verdict::refused(Refusal::Sender, problem);
        let work = Work {
            id: reading.id,
            organisation: organisation.clone(),
            system: None,
            format: codec.name(),
            fingerprint: Sha256::digest(&raw).into(),
            raw: raw.clone(),
            received_at: reading.received_at,
            content: Content::Refused { verdict: verdict.clone(), source_message_id: None },
            deviations: Vec::new(),
            code_map: None,
            second_message_id: self.environment.id(),
            counter: 0,
        };
        // The refusal stands even if the bytes could not be stored.
        if let Err(problem) = self.committer.commit(work).await {
            warn!(code = %problem.code, "The bytes of an unknown sender could not be kept.");
        }
        log_verdict(&organisation, codec.name(), reading.id, &verdict, false);
        codec.answer(&raw, &Reply::Verdict(&verdict), &reading)
    }

    /// Input for the decoder: the sender, and the new message's id and time of arrival.
    fn reading<'a>(&self, profile: &'a Profile, config: &'a Config) -> Reading<'a> {
        Reading {
            profile,
            directory: &config.directory,
            id: self.environment.id(),
            received_at: self.environment.now(),
            head: None,
        }
    }

    async fn work(
        &self,
        reading: &Reading<'_>,
        config: &Config,
        format: &'static str,
        raw: &Bytes,
        decoded: Decoded,
    ) -> Result<Work, Problem> {
        let mut deviations = decoded.deviations;
        let (content, fingerprint) = match decoded.outcome {
            Ok((message, family)) => {
                judge_content(reading, config, message, family, &mut deviations)
            }
            Err(problems) => {
                let refused = Content::Refused {
                    verdict: Verdict::Refused { refusal: Refusal::Unreadable, problems },
                    source_message_id: decoded.source_message_id,
                };
                (refused, Sha256::digest(raw).into())
            }
        };
        for deviation in &deviations {
            metrics::counter!(
                "tierlink_deviations_total",
                "organisation" => reading.profile.organisation.code.as_str().to_owned(),
                "code" => deviation.code.as_str().to_owned()
            )
            .increment(1);
        }
        let opens = matches!(&content, Content::Message(it) if it.message.kind().opens());
        Ok(Work {
            id: reading.id,
            organisation: reading.profile.organisation.code.clone(),
            system: reading.profile.further().cloned(),
            format,
            raw: raw.clone(),
            fingerprint,
            received_at: reading.received_at,
            content,
            deviations,
            code_map: decoded.code_maps,
            second_message_id: self.environment.id(),
            counter: if opens { self.counters.next().await? } else { 0 },
        })
    }
}

#[async_trait]
impl tierlink_edge::intake::Intake for Intake {
    async fn take(&self, sender: &Profile, codec: &Arc<dyn Codec>, message: Arrived) -> Answer {
        Box::pin(Self::take(self, sender, codec, message)).await
    }

    fn not_now(
        &self,
        sender: &Profile,
        codec: &Arc<dyn Codec>,
        message: &[u8],
        problem: &Problem,
    ) -> Answer {
        Self::not_now(self, sender, codec, message, problem)
    }

    async fn refuse_unknown(
        &self,
        guess: &Profile,
        codec: &Arc<dyn Codec>,
        arrived: Arrived,
        problem: Problem,
    ) -> Answer {
        Self::refuse_unknown(self, guess, codec, arrived, problem).await
    }
}

fn judge_content(
    reading: &Reading<'_>,
    config: &Config,
    mut message: Message,
    family: FamilyKnown,
    deviations: &mut Vec<Deviation>,
) -> (Content, [u8; 32]) {
    let sender = &reading.profile.organisation.code;
    let fingerprint = fingerprint(&mut message);
    let source_message_id = Some(message.source.message_id.clone());
    if message.source.organisation != *sender {
        let problem = Problem::new(
            OTHER_SOURCE,
            "source.organisation",
            "names another organisation than the one that sent it; send in your own name",
        );
        let verdict = Verdict::refused(Refusal::Sender, problem);
        return (Content::Refused { verdict, source_message_id }, fingerprint);
    }
    if let Err(problem) = state_system(&mut message, reading.profile, config, deviations) {
        let verdict = Verdict::refused(Refusal::Sender, problem);
        return (Content::Refused { verdict, source_message_id }, fingerprint);
    }
    let rules = Rules { now: reading.received_at, required: &reading.profile.required };
    let checked = check(&message, &rules);
    deviations.extend(checked.deviations);
    if !checked.problems.is_empty() {
        let verdict = Verdict::Refused { refusal: Refusal::Invalid, problems: checked.problems };
        return (Content::Refused { verdict, source_message_id }, fingerprint);
    }
    let keys = find::keys(&message, sender);
    let parent_keys = find::parent_keys(&message);
    let family_stated = family == FamilyKnown::Stated;
    let to_judge = ToJudge { message, family_stated, keys, parent_keys };
    (Content::Message(Box::new(to_judge)), fingerprint)
}

/// Writes into the message which system of its organisation sent it, as determined by how
/// it came in.
///
/// A message that names another system of the organisation is refused. Any other name that is not
/// the system's own is replaced, and a deviation recorded. For an organisation with one unnamed
/// system the stated name stays.
fn state_system(
    message: &mut Message,
    system: &Profile,
    config: &Config,
    deviations: &mut Vec<Deviation>,
) -> Result<(), Problem> {
    let Some(name) = &system.name else { return Ok(()) };
    let stated = message.source.system.replace(name.as_str().to_owned());
    let Some(stated) = stated.filter(|stated| !system.is_called(stated)) else { return Ok(()) };
    let organisation = config.profiles.get(&system.organisation.code);
    let mut systems = organisation.iter().flat_map(|organisation| &organisation.systems);
    if systems.any(|other| other.is_called(&stated)) {
        return Err(Problem::new(
            OTHER_SOURCE,
            "source.system",
            "names another system than the one that sent it; send in the system's own name",
        ));
    }
    deviations.push(Deviation {
        code: OTHER_SYSTEM,
        field: "source.system".to_owned(),
        text: format!("names no system of the organisation; the message is from {name}"),
    });
    Ok(())
}

/// Hashes what identifies the content of a message: all that its sender said, without times of
/// sending, because systems often renew those when they repeat a message.
///
/// The fields that do not count are taken out and put back, because copying every message
/// would cost more.
fn fingerprint(message: &mut Message) -> [u8; 32] {
    let id = std::mem::replace(&mut message.id, Uuid::nil());
    let received_at = message.received_at.take();
    let occurred_at = std::mem::replace(&mut message.occurred_at, Timestamp::UNIX_EPOCH);
    let trace = message.trace.take();
    let fingerprint = hash_of(message);
    (message.id, message.received_at) = (id, received_at);
    (message.occurred_at, message.trace) = (occurred_at, trace);
    fingerprint
}

/// SHA-256 of the canonical bytes, hashed while they are written: a buffer would be as large
/// as the message.
fn hash_of(message: &Message) -> [u8; 32] {
    let mut hash = BufWriter::with_capacity(HASHED_TOGETHER_BYTES, Hash(Sha256::new()));
    let written = tierlink_schemas::message::write_to(message, &mut hash);
    match (written, hash.into_inner()) {
        (Ok(()), Ok(Hash(hash))) => hash.finalize().into(),
        (Err(_), _) | (_, Err(_)) => {
            unreachable!("canonical types have string keys, and hashing cannot fail")
        }
    }
}

/// Bytes to hash at once, because JSON is written in pieces of a few bytes.
const HASHED_TOGETHER_BYTES: usize = 8 * 1024;

/// A hash to write bytes into.
struct Hash(Sha256);

impl std::io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Logs and counts one message: sender, id and verdict, and no content.
fn log_verdict(
    sender: &OrganisationCode,
    format: &'static str,
    id: Uuid,
    verdict: &Verdict,
    conflict: bool,
) {
    let label = verdict.label();
    metrics::counter!(
        "tierlink_messages_total",
        "format" => format,
        "verdict" => label.to_owned()
    )
    .increment(1);
    match verdict {
        Verdict::Accepted { case_number, .. } | Verdict::Repeated { case_number, .. } => {
            let case = case_number.as_ref().map_or("-", |number| number.as_str());
            info!(message.id = %id, organisation = %sender, case, "Took a message: {label}.");
        }
        Verdict::Refused { problems, .. } => {
            let fields: Vec<String> =
                problems.iter().take(5).map(|p| format!("{} {}", p.code, p.field)).collect();
            metrics::counter!("tierlink_refusals_total").increment(1);
            info!(
                message.id = %id, organisation = %sender,
                "Refused a message: {}.", fields.join(", ")
            );
            if conflict {
                metrics::counter!("tierlink_conflicts_total").increment(1);
                error!(
                    message.id = %id, organisation = %sender,
                    "ALARM: {sender} used one message id for two contents; see ops/errors/{label}.md."
                );
            }
        }
    }
}
