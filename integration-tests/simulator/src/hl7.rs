//! HL7 v2: how a hospital reads a message and what it answers, by hand.

mod message;
mod request;
mod segments;
mod write;

use crate::desk::{Incoming, Reply};
use crate::{Received, Turn, case_numbers};

pub use message::{Charset, Hl7};
pub(crate) use write::write;

/// The last part of OBX-3 of fields that the county's guide defines.
pub(crate) const GUIDE: &str = "99TL";
/// The field of the guide that states the canonical kind.
pub(crate) const KIND: &str = "message.kind";

fn component(field: &str, number: usize) -> &str {
    field.split('^').nth(number - 1).unwrap_or_default()
}

/// Reads a message as it arrived.
pub(crate) fn read(message: Incoming<'_>) -> Received {
    let text = Charset::read(message.raw);
    let hl7 = Hl7::parse(&text);
    let kind = format!("{}^{}", hl7.component("MSH", 9, 1), hl7.component("MSH", 9, 2));
    let (mut says, mut numbers) = (kind.clone(), Vec::new());
    for segment in &hl7.segments {
        let field = |number: usize| segment.get(number).map_or("", String::as_str);
        let places: &[usize] = match segment[0].as_str() {
            "RF1" => &[6, 11],
            "SCH" => &[1, 26, 27],
            "ARQ" => &[1, 24, 25],
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
            field(5).clone_into(&mut says);
        }
    }
    Received {
        control_id: hl7.field("MSH", 10).to_owned(),
        case_numbers: case_numbers(&text),
        kind,
        says,
        numbers,
        token: None,
        turn: Turn::Take,
        taken: false,
        raw: message.raw.to_vec(),
        text,
    }
}

/// The ACK to a message; `None` where this turn gives none.
pub(crate) fn answer(message: &[u8], turn: Turn) -> Option<Reply> {
    let patient = || Hl7::parse(&Charset::read(message)).component("PID", 5, 1).to_owned();
    let body = match turn {
        Turn::Take | Turn::Late => acknowledge(message, "AA", None, ""),
        Turn::Refuse | Turn::TwoMinds => {
            let patient = patient();
            let error = format!("ERR|PID^1^5^101&{patient}&HL70357\r");
            acknowledge(message, "AE", None, &format!("cannot register {patient}\r{error}"))
        }
        Turn::NotNow => {
            let patient = patient();
            let error = format!("ERR|PID^1^5^206&{patient}&HL70357\r");
            acknowledge(message, "AR", None, &format!("record of {patient} is locked\r{error}"))
        }
        Turn::OtherId => acknowledge(message, "AA", Some("SOMETHINGELSE0001"), ""),
        Turn::Garbage => format!("ORA-01400: cannot insert {}", patient()).into_bytes(),
        Turn::Mute | Turn::Silent => return None,
    };
    Some(Reply { status: 0, media_type: "", body, retry_after: None })
}

/// An ACK with this MSA-1, for the message or in the name of another, in the message's charset.
/// `rest` goes on behind MSA-2.
///
/// Of the message only its first segment is looked at: this answers a bench too.
#[must_use]
pub fn acknowledge(message: &[u8], code: &str, other_id: Option<&str>, rest: &str) -> Vec<u8> {
    let head = message.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let charset = Charset::claimed(head);
    let head = Hl7::parse(&Charset::read(head));
    let id = other_id.unwrap_or_else(|| head.field("MSH", 10));
    let text = format!(
        "MSH|^~\\&|{}|{}|{}|{}|20260301080000||ACK^{}|A{id}|P|{}||||||{}\r\
         MSA|{code}|{id}|{rest}{}",
        head.field("MSH", 5),
        head.field("MSH", 6),
        head.field("MSH", 3),
        head.field("MSH", 4),
        head.component("MSH", 9, 2),
        head.field("MSH", 12),
        charset.label(),
        if rest.ends_with('\r') { "" } else { "\r" },
    );
    charset.encode(&text).unwrap_or_else(|_| text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_booking_request_is_known_by_the_number_of_its_referral() {
        let text = "MSH|^~\\&|TIERLINK|330199001|HIS|QSWSY|20260310||SRM^S01|01K3|P|2.4\r\
                    ARQ|A-1|||||RF||||||||||||||||||R2600000011^TIERLINK|QS2026-0101^QSWSY\r";

        let heard = read(Incoming { raw: text.as_bytes(), token: None });

        assert_eq!(heard.ours(), Some("R2600000011"));
        assert_eq!(heard.numbers, ["A-1", "R2600000011", "QS2026-0101"]);
    }

    #[test]
    fn a_message_is_known_by_its_numbers_and_what_the_guide_says() {
        let text = "MSH|^~\\&|TIERLINK|330199001|HIS|QSWSY|20260310||RRI^I12|01K3|P|2.4\r\
                    RF1|A|||||QS2026-0101^QSWSY|||||R2600000011^TIERLINK~X1^01\r\
                    OBX|1|ST|message.kind^消息类型^99TL||referral.accept||||||F\r";

        let heard = read(Incoming { raw: text.as_bytes(), token: None });

        assert_eq!((heard.kind.as_str(), heard.says.as_str()), ("RRI^I12", "referral.accept"));
        assert_eq!(heard.ours(), Some("R2600000011"));
        assert_eq!(heard.numbers, ["QS2026-0101", "R2600000011", "X1"]);
        assert_eq!(heard.control_id, "01K3");
    }

    #[test]
    fn an_acknowledgement_names_the_message_and_a_refusal_the_patient() {
        let message = b"MSH|^~\\&|A|B|C|D|1||REF^I12|M42|P|2.4\rPID|1||||Wang\r";

        let told = |turn| String::from_utf8(answer(message, turn).unwrap().body).unwrap();

        assert!(told(Turn::Take).ends_with("\rMSA|AA|M42|\r"));
        assert!(told(Turn::OtherId).ends_with("\rMSA|AA|SOMETHINGELSE0001|\r"));
        let refused = told(Turn::Refuse);
        assert!(
            refused.ends_with("\rMSA|AE|M42|cannot register Wang\rERR|PID^1^5^101&Wang&HL70357\r")
        );
        assert_eq!(answer(message, Turn::Mute), None);
        let old = "MSH|^~\\&|A|B|C|D|1||REF^I12|M42|P|2.4||||||GB 18030-2000\rPID|1||||汪\r";
        let old = Charset::Gb18030.encode(old).unwrap();
        let refused = answer(&old, Turn::Refuse).unwrap().body;
        assert!(Charset::read(&refused).contains("cannot register 汪"));
        assert!(
            String::from_utf8(refused).is_err(),
            "it answers in the charset that it was asked in"
        );
    }
}
