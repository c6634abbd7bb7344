//! Which lists and which long texts each kind of message has, and under which names they travel.
//!
//! The tables here are read both ways, so that what is written is also read. A long text becomes an
//! Observation whose code is its national data element (WS/T 363), which is how shared documents in
//! China code their sections; a text without an element uses a name of ours.

use serde_json::{Value, json};
use tierlink_schemas::Kind;

use crate::bundle::At;
use crate::clinical::{self, Shape};
use crate::reader::Reader;
use crate::writer::{Rest, Writer, put, resource};
use crate::{modifiers, systems};

/// A long text: its code, its name for people, its canonical place.
type Text = (&'static str, &'static str, &'static str);

const CLINICAL: [Text; 8] = [
    ("DE04.01.119.00", "主诉", "clinical/chief_complaint"),
    ("DE02.10.071.00", "现病史", "clinical/present_illness"),
    ("DE02.10.099.00", "既往史", "clinical/past_history"),
    ("DE02.10.008.00", "传染病史", "clinical/infectious_history"),
    ("DE04.10.258.00", "体格检查", "clinical/examination"),
    ("DE04.30.009.00", "辅助检查结果", "clinical/investigations"),
    ("DE06.00.296.00", "诊疗过程描述", "clinical/treatment"),
    ("DE09.00.119.00", "注意事项", "clinical/precautions"),
];

/// The long texts of a kind.
fn texts(kind: Kind) -> Vec<Text> {
    let own: &[Text] = match kind {
        Kind::ReferralSubmit | Kind::ReferralAmend => {
            &[("DE06.00.177.00", "转诊原因", "reason_text")]
        }
        Kind::TransferOffer | Kind::TransferAmend => &[
            ("DE06.00.177.00", "转诊原因", "reason_text"),
            ("DE05.10.148.00", "入院情况", "stay/on_admission"),
            ("DE06.00.193.00", "出院情况", "stay/on_discharge"),
            ("DE06.00.287.00", "出院医嘱", "stay/orders"),
            ("rehabilitation", "康复建议", "plan/rehabilitation"),
        ],
        Kind::ConsultationRequest | Kind::ConsultationAmend => &[
            ("DE06.00.214.00", "会诊目的", "purpose"),
            ("DE06.00.039.00", "会诊原因", "reason"),
            ("DE06.00.182.00", "病历摘要", "summary"),
        ],
        Kind::ReferralFeedback => {
            &[("DE06.00.296.00", "诊疗过程描述", "summary"), ("plan", "下一步治疗方案", "plan")]
        }
        Kind::TransferDischarge => &[("discharge-summary", "出院小结", "summary")],
        Kind::TransferFollowUp => &[("follow-up-findings", "随访所见", "findings")],
        Kind::ConsultationOpinion => &[("DE06.00.018.00", "会诊意见", "text")],
        Kind::ConsultationReport => {
            &[("DE04.50.131.00", "客观所见", "findings"), ("conclusion", "主观提示", "conclusion")]
        }
        Kind::ReferralReview
        | Kind::ReferralReturn
        | Kind::ReferralAccept
        | Kind::ReferralDecline
        | Kind::ReferralRedirect
        | Kind::ReferralSchedule
        | Kind::ReferralBook
        | Kind::ReferralUnschedule
        | Kind::ReferralArrive
        | Kind::ReferralNoShow
        | Kind::ReferralCancel
        | Kind::ReferralConfirmCancel
        | Kind::ReferralRefuseCancel
        | Kind::ReferralClose
        | Kind::TransferAccept
        | Kind::TransferDecline
        | Kind::TransferRedirect
        | Kind::TransferReceive
        | Kind::TransferCancel
        | Kind::TransferClose
        | Kind::ConsultationReview
        | Kind::ConsultationReturn
        | Kind::ConsultationAccept
        | Kind::ConsultationDecline
        | Kind::ConsultationSchedule
        | Kind::ConsultationStart
        | Kind::ConsultationAcknowledge
        | Kind::ConsultationNoShow
        | Kind::ConsultationCancel
        | Kind::ConsultationClose
        | Kind::ConsultationClaim
        | Kind::ConsultationRecollect
        | Kind::ConsultationAudit
        | Kind::ConsultationCritical
        | Kind::SlotPublish
        | Kind::SlotWithdraw
        | Kind::StatusQuery
        | Kind::StatusReport
        | Kind::Receipt => &[],
    };
    let shared: &[Text] = if kind.states_request() { &CLINICAL } else { &[] };
    shared.iter().chain(own).copied().collect()
}

/// The lists of a kind.
fn lists(kind: Kind) -> &'static [(Shape, &'static str)] {
    match kind {
        Kind::ReferralSubmit
        | Kind::ReferralAmend
        | Kind::ConsultationRequest
        | Kind::ConsultationAmend => &[
            (Shape::Condition, "clinical/diagnoses"),
            (Shape::Allergy, "clinical/allergies"),
            (Shape::Observation, "clinical/observations"),
            (Shape::Procedure, "clinical/procedures"),
            (Shape::Statement, "clinical/medications"),
            (Shape::Document, "attachments"),
        ],
        Kind::TransferOffer | Kind::TransferAmend => &[
            (Shape::Condition, "clinical/diagnoses"),
            (Shape::Allergy, "clinical/allergies"),
            (Shape::Observation, "clinical/observations"),
            (Shape::Procedure, "clinical/procedures"),
            (Shape::Statement, "clinical/medications"),
            (Shape::Prescription, "plan/medications"),
            (Shape::Document, "attachments"),
        ],
        Kind::ReferralFeedback => &[
            (Shape::Condition, "diagnoses"),
            (Shape::Observation, "observations"),
            (Shape::Statement, "medications"),
            (Shape::Document, "attachments"),
        ],
        Kind::TransferFollowUp => &[(Shape::Observation, "observations")],
        Kind::TransferDischarge => &[(Shape::Document, "attachments")],
        Kind::ConsultationOpinion => {
            &[(Shape::Condition, "diagnoses"), (Shape::Document, "attachments")]
        }
        Kind::ConsultationReport => {
            &[(Shape::Observation, "observations"), (Shape::Document, "attachments")]
        }
        Kind::ConsultationCritical => &[(Shape::Observation, "items")],
        Kind::SlotPublish => &[(Shape::Slot, "slots")],
        Kind::ReferralReview
        | Kind::ReferralReturn
        | Kind::ReferralAccept
        | Kind::ReferralDecline
        | Kind::ReferralRedirect
        | Kind::ReferralSchedule
        | Kind::ReferralBook
        | Kind::ReferralUnschedule
        | Kind::ReferralArrive
        | Kind::ReferralNoShow
        | Kind::ReferralCancel
        | Kind::ReferralConfirmCancel
        | Kind::ReferralRefuseCancel
        | Kind::ReferralClose
        | Kind::TransferAccept
        | Kind::TransferDecline
        | Kind::TransferRedirect
        | Kind::TransferReceive
        | Kind::TransferCancel
        | Kind::TransferClose
        | Kind::ConsultationReview
        | Kind::ConsultationReturn
        | Kind::ConsultationAccept
        | Kind::ConsultationDecline
        | Kind::ConsultationSchedule
        | Kind::ConsultationStart
        | Kind::ConsultationAcknowledge
        | Kind::ConsultationNoShow
        | Kind::ConsultationCancel
        | Kind::ConsultationClose
        | Kind::ConsultationClaim
        | Kind::ConsultationRecollect
        | Kind::ConsultationAudit
        | Kind::SlotWithdraw
        | Kind::StatusQuery
        | Kind::StatusReport
        | Kind::Receipt => &[],
    }
}

/// Lists without which a kind cannot be built, so that an empty one stands in until they are read.
pub fn required_list(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::ConsultationCritical => Some("items"),
        Kind::SlotPublish => Some("slots"),
        Kind::ReferralSubmit
        | Kind::ReferralAmend
        | Kind::ReferralReview
        | Kind::ReferralReturn
        | Kind::ReferralAccept
        | Kind::ReferralDecline
        | Kind::ReferralRedirect
        | Kind::ReferralSchedule
        | Kind::ReferralBook
        | Kind::ReferralUnschedule
        | Kind::ReferralArrive
        | Kind::ReferralNoShow
        | Kind::ReferralFeedback
        | Kind::ReferralCancel
        | Kind::ReferralConfirmCancel
        | Kind::ReferralRefuseCancel
        | Kind::ReferralClose
        | Kind::TransferOffer
        | Kind::TransferAmend
        | Kind::TransferAccept
        | Kind::TransferDecline
        | Kind::TransferRedirect
        | Kind::TransferDischarge
        | Kind::TransferReceive
        | Kind::TransferFollowUp
        | Kind::TransferCancel
        | Kind::TransferClose
        | Kind::ConsultationRequest
        | Kind::ConsultationAmend
        | Kind::ConsultationReview
        | Kind::ConsultationReturn
        | Kind::ConsultationAccept
        | Kind::ConsultationDecline
        | Kind::ConsultationSchedule
        | Kind::ConsultationStart
        | Kind::ConsultationOpinion
        | Kind::ConsultationAcknowledge
        | Kind::ConsultationNoShow
        | Kind::ConsultationCancel
        | Kind::ConsultationClose
        | Kind::ConsultationClaim
        | Kind::ConsultationRecollect
        | Kind::ConsultationReport
        | Kind::ConsultationAudit
        | Kind::SlotWithdraw
        | Kind::StatusQuery
        | Kind::StatusReport
        | Kind::Receipt => None,
    }
}

impl Reader<'_> {
    /// Reads every list and long text of a kind into a body.
    pub fn parts(&mut self, kind: Kind, body: &mut Rest) {
        let texts = texts(kind);
        let sections: Vec<(At, Text)> = self
            .bundle
            .all("Observation")
            .into_iter()
            .filter_map(|at| self.section(at, &texts).map(|text| (at, text)))
            .collect();
        let mut used = Vec::new();
        for (at, (_, name, path)) in sections {
            if body.has(path) || self.bundle.peek(at, "valueString").is_none() {
                continue;
            }
            let Ok(status) = self.modifier(at, &modifiers::OBSERVATION) else { continue };
            if let Some(status) = status.filter(|status| *status != "final") {
                let place = self.bundle.field(at, "status");
                self.said.push((place, format!("{name}的状态：{status}")));
            }
            if let Some(text) = self.bundle.take(at, "valueString") {
                self.bundle.take(at, "code/coding/0/system");
                self.bundle.take(at, "code/coding/0/code");
                self.bundle.take_if(at, "code/coding/0/display", name);
                self.bundle.take_if(at, "code/text", name);
                body.put_at(path, text.into());
                used.push(at);
            }
        }
        for (shape, path) in lists(kind) {
            let mut items = Vec::new();
            for at in self.bundle.all(shape.kind()) {
                if !used.contains(&at) {
                    items.extend(self.items(*shape, at));
                }
            }
            if !items.is_empty() {
                body.put_at(path, items.into());
            }
        }
    }

    /// The canonical place of the text that an Observation holds, if it is one.
    fn section(&self, at: At, texts: &[Text]) -> Option<Text> {
        let system = self.bundle.peek(at, "code/coding/0/system")?;
        let code = self.bundle.peek(at, "code/coding/0/code")?;
        let oid = systems::DATA_ELEMENT;
        let ours = system == oid
            || oid.strip_prefix("urn:oid:") == Some(system)
            || system == systems::TEXT;
        let found = texts.iter().find(|(known, _, _)| ours && *known == code);
        found.copied()
    }
}

/// Writes every list and long text of a kind, taking them out of the body.
pub fn write(writer: &mut Writer<'_>, kind: Kind, body: &mut Rest) {
    for (code, name, path) in texts(kind) {
        let Some(Value::String(text)) = body.take_at(path) else {
            continue;
        };
        let mut out = resource("Observation");
        let system = if code.starts_with("DE") { systems::DATA_ELEMENT } else { systems::TEXT };
        let coding = json!([{ "system": system, "code": code, "display": name }]);
        put(&mut out, "status", Value::from("final"));
        put(&mut out, "code", json!({ "coding": coding }));
        put(&mut out, "subject", writer.subject.clone());
        put(&mut out, "valueString", Value::from(text));
        writer.add_part(&format!("text/{path}"), out);
    }
    for (shape, path) in lists(kind) {
        let Some(Value::Array(items)) = body.take_at(path) else {
            continue;
        };
        for (index, item) in items.into_iter().enumerate() {
            clinical::write(writer, *shape, &format!("{path}/{index}"), item);
        }
    }
}
