//! One message of every kind, for tests here and in other crates (feature `examples`).
//!
//! Together they describe the cases of one county with invented people: a lead hospital
//! (`330199001`), three township health centres (`330199101` to `330199103`), a village clinic
//! (`330199201`) and a city hospital outside the county (`330100001`). See `schemas/README.md`.
//!
//! `tests/examples.rs` checks that all of them are valid.

use crate::kind::Kind;

macro_rules! examples {
    ($($kind:ident = $name:literal,)+) => {
        /// Every kind with the text of its example.
        #[must_use]
        pub fn all() -> Vec<(Kind, &'static str)> {
            vec![$((Kind::$kind, include_str!(concat!("../examples/", $name, ".json"))),)+]
        }
    };
}

examples! {
    ReferralSubmit = "referral.submit",
    ReferralAmend = "referral.amend",
    ReferralReview = "referral.review",
    ReferralReturn = "referral.return",
    ReferralAccept = "referral.accept",
    ReferralDecline = "referral.decline",
    ReferralRedirect = "referral.redirect",
    ReferralSchedule = "referral.schedule",
    ReferralBook = "referral.book",
    ReferralUnschedule = "referral.unschedule",
    ReferralArrive = "referral.arrive",
    ReferralNoShow = "referral.no-show",
    ReferralFeedback = "referral.feedback",
    ReferralCancel = "referral.cancel",
    ReferralConfirmCancel = "referral.confirm-cancel",
    ReferralRefuseCancel = "referral.refuse-cancel",
    ReferralClose = "referral.close",
    TransferOffer = "transfer.offer",
    TransferAmend = "transfer.amend",
    TransferAccept = "transfer.accept",
    TransferDecline = "transfer.decline",
    TransferRedirect = "transfer.redirect",
    TransferDischarge = "transfer.discharge",
    TransferReceive = "transfer.receive",
    TransferFollowUp = "transfer.follow-up",
    TransferCancel = "transfer.cancel",
    TransferClose = "transfer.close",
    ConsultationRequest = "consultation.request",
    ConsultationAmend = "consultation.amend",
    ConsultationReview = "consultation.review",
    ConsultationReturn = "consultation.return",
    ConsultationAccept = "consultation.accept",
    ConsultationDecline = "consultation.decline",
    ConsultationSchedule = "consultation.schedule",
    ConsultationStart = "consultation.start",
    ConsultationOpinion = "consultation.opinion",
    ConsultationAcknowledge = "consultation.acknowledge",
    ConsultationNoShow = "consultation.no-show",
    ConsultationCancel = "consultation.cancel",
    ConsultationClose = "consultation.close",
    ConsultationClaim = "consultation.claim",
    ConsultationRecollect = "consultation.recollect",
    ConsultationReport = "consultation.report",
    ConsultationAudit = "consultation.audit",
    ConsultationCritical = "consultation.critical",
    SlotPublish = "slot.publish",
    SlotWithdraw = "slot.withdraw",
    StatusQuery = "status.query",
    StatusReport = "status.report",
    Receipt = "receipt",
}

/// The text of the example for one kind.
#[must_use]
pub fn of(kind: Kind) -> &'static str {
    all()
        .into_iter()
        .find_map(|(its, text)| (its == kind).then_some(text))
        .unwrap_or_else(|| unreachable!("the test `every_kind_has_an_example` compares the lists"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_an_example() {
        let kinds: Vec<Kind> = all().into_iter().map(|(kind, _)| kind).collect();

        assert_eq!(kinds, Kind::ALL);
    }
}
