//! Where a message holds words that have no field of their own.
//!
//! What a clinician wrote always reaches the receiver. Where the sender's format has a place for it
//! that the canonical schema does not know, the adapter adds it to the field named here instead of
//! leaving it among the extras, which no receiver reads.

use crate::kind::Kind;

/// The field of a kind's body that takes further words, by its path; `None` where people say
/// nothing in words.
///
/// `clinical.notes` is a list and gets one entry for each remark; the others are one text, to
/// which a remark is added on a line of its own.
#[must_use]
pub const fn field_of(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::ReferralSubmit
        | Kind::ReferralAmend
        | Kind::TransferOffer
        | Kind::TransferAmend
        | Kind::ConsultationRequest
        | Kind::ConsultationAmend => Some("clinical.notes"),
        Kind::ReferralReview
        | Kind::ReferralAccept
        | Kind::TransferAccept
        | Kind::ConsultationReview
        | Kind::ConsultationAccept => Some("opinion"),
        Kind::ReferralReturn
        | Kind::ReferralDecline
        | Kind::ReferralRedirect
        | Kind::ReferralUnschedule
        | Kind::ReferralCancel
        | Kind::TransferDecline
        | Kind::TransferRedirect
        | Kind::TransferCancel
        | Kind::ConsultationReturn
        | Kind::ConsultationDecline
        | Kind::ConsultationCancel
        | Kind::ConsultationRecollect => Some("reason.text"),
        Kind::ReferralSchedule
        | Kind::ReferralBook
        | Kind::ReferralArrive
        | Kind::ReferralNoShow
        | Kind::ReferralConfirmCancel
        | Kind::ReferralRefuseCancel
        | Kind::ReferralClose
        | Kind::TransferReceive
        | Kind::TransferClose
        | Kind::ConsultationSchedule
        | Kind::ConsultationStart
        | Kind::ConsultationNoShow
        | Kind::ConsultationAcknowledge
        | Kind::ConsultationClose
        | Kind::ConsultationClaim
        | Kind::ConsultationAudit
        | Kind::ConsultationCritical
        | Kind::SlotWithdraw => Some("note"),
        Kind::ReferralFeedback | Kind::TransferDischarge => Some("summary"),
        Kind::TransferFollowUp | Kind::ConsultationReport => Some("findings"),
        Kind::ConsultationOpinion => Some("text"),
        Kind::SlotPublish | Kind::StatusQuery | Kind::StatusReport | Kind::Receipt => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    #[test]
    fn every_field_for_remarks_exists() {
        for kind in Kind::ALL {
            if let Some(field) = field_of(*kind) {
                assert!(schema::knows(*kind, &format!("body.{field}")), "{kind} {field}");
            }
        }
    }
}
