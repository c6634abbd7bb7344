//! A hospital's line to the broker: one message, one answer, over the transport of its format.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::{Charset, Hl7, HttpSender, Letter, MllpSender, Speaks};

/// Where the broker is.
#[derive(Clone, Debug)]
pub struct Broker {
    /// `host:port` of the MLLP listener.
    pub mllp: String,
    /// `http://host:port` or `https://host:port`.
    pub http: String,
    /// The bearer token for HTTP.
    pub token: Option<String>,
}

/// What came of one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Accepted or repeated, with the case's number.
    Taken(String),
    /// Refused for good.
    Refused(Refusal),
    /// No answer, or "try again", and why.
    Again(String),
}

/// Why a message was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The broker's codes and the fields they are about. None of its words.
    pub codes: String,
    /// The whole answer, for people.
    pub words: String,
}

/// One organisation's line: a connection of its own for each transport.
#[derive(Debug)]
pub struct Line {
    broker: Broker,
    patience: Duration,
    mllp: Option<MllpSender>,
    http: HttpSender,
}

impl Line {
    /// A line that is opened with its first message. An answer is waited for so long.
    pub fn new(broker: Broker, patience: Duration) -> Result<Self> {
        let http = HttpSender::at(&broker.http, broker.token.as_deref())?.patient_for(patience);
        Ok(Self { broker, patience, mllp: None, http })
    }

    /// Sends a message once and reads its answer.
    ///
    /// # Errors
    ///
    /// If the answer is to another message.
    pub async fn tell(&mut self, letter: &Letter) -> Result<Told> {
        let answer = match letter.speaks {
            Speaks::Hl7v2 => return self.tell_mllp(&letter.bytes).await,
            Speaks::Fhir => self.http.send_bundle(letter.bytes.clone()).await,
            Speaks::Json => self.http.send_json(letter.bytes.clone()).await,
        };
        // Silence of any sort: the broker may be dead.
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Ok(Told::Again(format!("{error:#}"))),
        };
        if answer.status == 503 {
            return Ok(Told::Again("HTTP 503".to_owned()));
        }
        Ok(answer.accepted().map_or_else(
            |error| {
                let problems = answer.problems();
                let codes = problems.iter().map(|(code, field)| format!(" {code} {field}"));
                let codes = format!("HTTP {}{}", answer.status, codes.collect::<String>());
                Told::Refused(Refusal { codes, words: format!("{error:#}") })
            },
            Told::Taken,
        ))
    }

    /// Sends a message, again and again with the same bytes, until the broker has answered it. The
    /// last answer is given back; it is [`Told::Again`] if there was none in time.
    pub async fn insist(
        &mut self,
        letter: &Letter,
        within: Duration,
        again_after: Duration,
    ) -> Result<Told> {
        let began = Instant::now();
        loop {
            let told = self.tell(letter).await?;
            if !matches!(told, Told::Again(_)) || began.elapsed() > within {
                return Ok(told);
            }
            tokio::time::sleep(again_after).await;
        }
    }

    async fn tell_mllp(&mut self, bytes: &[u8]) -> Result<Told> {
        // Taken out while it is used: a connection that broke, or was given up, is not used again.
        let connection = match self.mllp.take() {
            Some(connection) => Ok(connection),
            None => MllpSender::connect_to(&self.broker.mllp).await,
        };
        let exchanged = match connection {
            Ok(connection) => {
                let mut connection = connection.patient_for(self.patience);
                connection.exchange(bytes).await.map(|answer| (connection, answer))
            }
            Err(error) => Err(error),
        };
        let (connection, answer) = match exchanged {
            Ok(exchanged) => exchanged,
            Err(error) => return Ok(Told::Again(format!("{error:#}"))),
        };
        self.mllp = Some(connection);
        read_answer(&Hl7::parse(&Charset::read(bytes)), &answer)
    }
}

fn read_answer(sent: &Hl7, answer: &Hl7) -> Result<Told> {
    ensure!(
        answer.field("MSA", 2) == sent.field("MSH", 10),
        "the answer is to another message than the one that was sent"
    );
    let code = answer.field("MSA", 1);
    if code == "AE" && answer.all("ERR").concat().contains("207") {
        return Ok(Told::Again("AE with error 207".to_owned()));
    }
    Ok(answer.accepted().map_or_else(
        |error| {
            // MSA-3 begins with the broker's code and the field; its words are left out.
            let words = answer.field("MSA", 3).split([' ', ':']).filter(|word| !word.is_empty());
            let codes: Vec<&str> = std::iter::once(code).chain(words.take(2)).collect();
            Told::Refused(Refusal { codes: codes.join(" "), words: format!("{error:#}") })
        },
        Told::Taken,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_another_message_is_no_answer() {
        let sent = Hl7::parse("MSH|^~\\&|A|B|C|D|1||REF^I12|M1|P|2.4\r");
        let told = |msa: &str| {
            let answer = format!("MSH|^~\\&|A|B|C|D|||ACK|1|P|2.4\r{msa}\r");
            read_answer(&sent, &Hl7::parse(&answer))
        };

        assert_eq!(told("MSA|AA|M1|R2600000011").unwrap(), Told::Taken("R2600000011".to_owned()));
        assert!(told("MSA|AA|M2|R2600000011").is_err());
        assert!(matches!(
            told("MSA|AE|M1|D019 RF1-1: is missing").unwrap(),
            Told::Refused(Refusal { codes, .. }) if codes == "AE D019 RF1-1"
        ));
        assert!(matches!(told("MSA|AE|M1\rERR||||207").unwrap(), Told::Again(_)));
    }
}
