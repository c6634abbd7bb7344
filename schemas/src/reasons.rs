//! Which table the reason in a message must be from.

use crate::codes::{self, TableId};
use crate::kind::Kind;

/// The table of the reasons that a kind states (`schemas/codes/*.csv`); `None` where it states none.
#[must_use]
pub const fn table_of(kind: Kind) -> Option<TableId> {
    match kind {
        Kind::ReferralReturn | Kind::ConsultationReturn => Some(TableId::ReturnReason),
        Kind::ReferralDecline | Kind::TransferDecline | Kind::ConsultationDecline => {
            Some(TableId::DeclineReason)
        }
        Kind::ReferralRedirect | Kind::TransferRedirect => Some(TableId::RedirectReason),
        Kind::ReferralCancel
        | Kind::TransferCancel
        | Kind::ConsultationCancel
        | Kind::ReferralUnschedule => Some(TableId::CancelReason),
        Kind::ConsultationRecollect => Some(TableId::RecollectReason),
        Kind::ReferralSubmit
        | Kind::ReferralAmend
        | Kind::ReferralReview
        | Kind::ReferralAccept
        | Kind::ReferralSchedule
        | Kind::ReferralBook
        | Kind::ReferralArrive
        | Kind::ReferralNoShow
        | Kind::ReferralFeedback
        | Kind::ReferralConfirmCancel
        | Kind::ReferralRefuseCancel
        | Kind::ReferralClose
        | Kind::TransferOffer
        | Kind::TransferAmend
        | Kind::TransferAccept
        | Kind::TransferDischarge
        | Kind::TransferReceive
        | Kind::TransferFollowUp
        | Kind::TransferClose
        | Kind::ConsultationRequest
        | Kind::ConsultationAmend
        | Kind::ConsultationReview
        | Kind::ConsultationAccept
        | Kind::ConsultationSchedule
        | Kind::ConsultationStart
        | Kind::ConsultationOpinion
        | Kind::ConsultationAcknowledge
        | Kind::ConsultationNoShow
        | Kind::ConsultationClose
        | Kind::ConsultationClaim
        | Kind::ConsultationReport
        | Kind::ConsultationAudit
        | Kind::ConsultationCritical
        | Kind::SlotPublish
        | Kind::SlotWithdraw
        | Kind::StatusQuery
        | Kind::StatusReport
        | Kind::Receipt => None,
    }
}

/// The code of "something else" in a table of reasons, for a reason that a sender gives in words of
/// its own. Every table of reasons ends its numbering with it: `RT99`, `RJ99` and so on. Empty for a
/// table of something else.
#[must_use]
pub fn other(table: TableId) -> &'static str {
    let codes = codes::table(table).rows().iter().map(|row| row.code.as_str());
    codes.rev().find(|code| code.ends_with("99")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_of_reasons_has_a_code_for_something_else() {
        for table in Kind::ALL.iter().filter_map(|kind| table_of(*kind)) {
            assert_eq!(other(table).len(), 4, "{table}");
        }
    }
}
