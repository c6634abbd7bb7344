//! HL7 v2.4 as two hospitals write it: the county hospital's integration platform in GB18030, and
//! an old township system in GBK, with codes of its own and a wrong MSH-18.
//!
//! Only strings are joined and split here. What HL7 has no field for goes into OBX of the county's
//! implementation guide (coding system `99TL`).

use std::hash::{DefaultHasher, Hash, Hasher};

use encoding_rs::{Encoding, GB18030, GBK};
use jiff::Timestamp;

use super::hl7_write::body;
use super::{Heard, Statement, Told, Verdict};
use crate::demo::cast::Org;

/// The last part of OBX-3 of fields that the county's guide defines.
pub(super) const GUIDE: &str = "99TL";
/// The field of the guide that says what a message says.
pub(super) const KIND: &str = "message.kind";

/// What a hospital puts around its messages.
pub(super) struct Habits {
    /// MSH-3.
    application: &'static str,
    /// MSH-4.
    pub(super) facility: &'static str,
    /// MSH-18, true or not.
    charset_stated: &'static str,
    /// What it really writes.
    charset: &'static Encoding,
}

pub(super) fn habits(org: Org) -> Habits {
    if org == Org::Qingshi {
        Habits { application: "HIS", facility: "QSWSY", charset_stated: "UNICODE", charset: GBK }
    } else {
        Habits {
            application: "XRMYY-HIP",
            facility: org.code(),
            charset_stated: "GB 18030-2000",
            charset: GB18030,
        }
    }
}

/// What `by` calls another organisation: the township has a number of its own for the hospital.
pub(super) fn called(by: Org, other: Org) -> &'static str {
    match (by, other) {
        (Org::Qingshi, Org::Lead) => "01",
        (Org::Qingshi, Org::Qingshi) => habits(Org::Qingshi).facility,
        (_, other) => other.code(),
    }
}

/// Writes a message.
pub(super) fn write(statement: &Statement<'_>) -> Vec<u8> {
    let habits = habits(statement.who);
    let (event, lines) = body(statement);
    let receiver = statement.act.asks().map_or("TIERLINK", |to| called(statement.who, to));
    let mut text = format!(
        "MSH|^~\\&|{}|{}|TIERLINK|{receiver}|{}||{event}|{}|P|2.4||||||{}\r",
        habits.application,
        habits.facility,
        time(statement, statement.now),
        statement.message_id,
        habits.charset_stated,
    );
    for line in lines {
        text.push_str(&line);
        text.push('\r');
    }
    habits.charset.encode(&text).0.into_owned()
}

/// An instant as HL7 writes it, on the county's wall clock.
pub(super) fn time(statement: &Statement<'_>, at: Timestamp) -> String {
    statement.local(at).strftime("%Y%m%d%H%M%S").to_string()
}

/// A text with HL7's delimiters escaped.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\E\\"),
            '|' => out.push_str("\\F\\"),
            '^' => out.push_str("\\S\\"),
            '&' => out.push_str("\\T\\"),
            '~' => out.push_str("\\R\\"),
            other => out.push(other),
        }
    }
    out
}

/// What an acknowledgement repeats of the message that it answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    control_id: String,
    event: String,
    receiving: (String, String),
    sending: (String, String),
}

/// Reads a message: who it is from, what it says, which case. `None` when it is no HL7.
pub(super) fn read(bytes: &[u8]) -> Option<(Heard, Header)> {
    let text = GB18030.decode(bytes).0;
    let segments: Vec<Vec<&str>> = text
        .split(['\r', '\n'])
        .filter(|line| !line.is_empty())
        .map(|line| line.split('|').collect())
        .collect();
    let msh = segments.first().filter(|msh| msh[0] == "MSH")?;
    // MSH-1 is the delimiter itself, so the fields of MSH stand one place further left.
    let header = |field: usize| msh.get(field - 1).copied().unwrap_or_default();
    let (message_type, event) = (component(header(9), 1), component(header(9), 2));
    let mut numbers = Vec::new();
    let mut kind = format!("{message_type}^{event}");
    for segment in &segments {
        let field = |at: usize| segment.get(at).copied().unwrap_or_default();
        let places: &[usize] = match segment[0] {
            "RF1" => &[6, 11],
            "SCH" => &[1, 26, 27],
            "PV1" => &[5],
            "ORC" => &[2, 3, 4],
            _ => &[],
        };
        for place in places {
            let each = field(*place).split('~').map(|one| component(one, 1).to_owned());
            numbers.extend(each.filter(|number| !number.is_empty()));
        }
        let question = field(3);
        let stated = component(question, 1) == KIND && component(question, 3) == GUIDE;
        if segment[0] == "OBX" && stated {
            field(5).clone_into(&mut kind);
        }
    }
    let ours = numbers.iter().find(|number| is_case_number(number)).cloned();
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    let heard = Heard {
        wire_id: header(10).to_owned(),
        kind,
        ours,
        numbers,
        fingerprint: hasher.finish(),
        taken: false,
    };
    let header = Header {
        control_id: header(10).to_owned(),
        event: event.to_owned(),
        receiving: (header(5).to_owned(), header(6).to_owned()),
        sending: (header(3).to_owned(), header(4).to_owned()),
    };
    (!heard.wire_id.is_empty()).then_some((heard, header))
}

fn component(field: &str, at: usize) -> &str {
    field.split('^').nth(at - 1).unwrap_or_default()
}

/// `R2600000011`: the broker's numbers are the only ones of this shape in the county.
fn is_case_number(text: &str) -> bool {
    let (letter, digits) = text.split_at_checked(1).unwrap_or_default();
    "RTC".contains(letter)
        && !letter.is_empty()
        && digits.len() >= 10
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Writes the acknowledgement. A refusal names an unknown table value in the appointment.
pub(super) fn acknowledge(header: &Header, verdict: Verdict) -> Vec<u8> {
    let code = match verdict {
        Verdict::Taken | Verdict::TakenInSilence => "AA",
        Verdict::Refused => "AE",
    };
    let id = &header.control_id;
    let mut text = format!(
        "MSH|^~\\&|{}|{}|{}|{}|||ACK^{}|A{id}|P|2.4\rMSA|{code}|{id}\r",
        header.receiving.0, header.receiving.1, header.sending.0, header.sending.1, header.event,
    );
    if verdict == Verdict::Refused {
        text.push_str("ERR|SCH^1^6^103&Table value not found&HL70357\r");
    }
    GB18030.encode(&text).0.into_owned()
}

/// Reads the broker's acknowledgement of the message `message_id`.
pub(super) fn read_answer(message_id: &str, bytes: &[u8]) -> Told {
    let text = GB18030.decode(bytes).0;
    let segments: Vec<Vec<&str>> = text.split('\r').map(|line| line.split('|').collect()).collect();
    let Some(msa) = segments.iter().find(|segment| segment[0] == "MSA") else {
        return Told::TryAgain("an answer without MSA".to_owned());
    };
    let field = |at: usize| msa.get(at).copied().unwrap_or_default();
    if field(2) != message_id {
        return Told::TryAgain("an answer to another message".to_owned());
    }
    // MSA-3 begins with the broker's code and the field; its words are left out.
    let codes: Vec<&str> = field(3).split([' ', ':']).filter(|word| !word.is_empty()).collect();
    let codes = codes.into_iter().take(2).collect::<Vec<_>>().join(" ");
    let again =
        segments.iter().any(|segment| segment[0] == "ERR" && segment.join("|").contains("207"));
    match field(1) {
        "AA" | "CA" => Told::Taken,
        _ if again => Told::TryAgain(codes),
        code => Told::Refused(format!("{code} {codes}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_by_its_numbers_and_what_the_guide_says() {
        let text = "MSH|^~\\&|TIERLINK|330199001|HIS|QSWSY|20260310||RRI^I12|01K3|P|2.4\r\
                    RF1|A|||||QS2026-0101^QSWSY|||||R2600000011^TIERLINK~X1^01\r\
                    OBX|1|ST|message.kind^消息类型^99TL||referral.accept||||||F\r";

        let (heard, header) = read(&GB18030.encode(text).0).unwrap();

        assert_eq!(heard.kind, "referral.accept");
        assert_eq!(heard.ours.as_deref(), Some("R2600000011"));
        assert_eq!(heard.numbers, ["QS2026-0101", "R2600000011", "X1"]);
        assert_eq!(header.control_id, "01K3");
        assert_eq!(read(b"garbage"), None);
    }

    #[test]
    fn an_answer_to_another_message_is_no_answer() {
        let taken = b"MSH|^~\\&|A|B|C|D|||ACK|1|P|2.4\rMSA|AA|M1\r";
        let refused = b"MSH|^~\\&|A|B|C|D|||ACK|1|P|2.4\rMSA|AE|M1|D019 RF1-1: is missing\r";

        assert_eq!(read_answer("M1", taken), Told::Taken);
        assert!(matches!(read_answer("M2", taken), Told::TryAgain(_)));
        assert_eq!(read_answer("M1", refused), Told::Refused("AE D019 RF1-1".to_owned()));
    }

    #[test]
    fn delimiters_in_texts_are_escaped() {
        assert_eq!(escaped("a|b^c&d~e\\f"), "a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f");
    }
}
