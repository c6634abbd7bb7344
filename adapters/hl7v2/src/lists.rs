//! Which clinical lists the bodies of a kind have, and which places they have for free words.

use tierlink_schemas::Kind;

/// Where a body of a kind keeps its clinical lists. Nothing means that it has no such list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lists {
    pub(crate) diagnoses: Option<&'static str>,
    pub(crate) observations: Option<&'static str>,
    /// Allergies, procedures and notes exist only where the whole clinical part does.
    pub(crate) clinical: bool,
    pub(crate) attachments: bool,
}

impl Lists {
    /// The lists that bodies of this kind have.
    pub(crate) const fn of(kind: Kind) -> Self {
        let none =
            Self { diagnoses: None, observations: None, clinical: false, attachments: false };
        match kind {
            Kind::ReferralSubmit
            | Kind::ReferralAmend
            | Kind::TransferOffer
            | Kind::TransferAmend
            | Kind::ConsultationRequest
            | Kind::ConsultationAmend => Self {
                diagnoses: Some("clinical.diagnoses"),
                observations: Some("clinical.observations"),
                clinical: true,
                attachments: true,
            },
            Kind::ReferralFeedback => Self {
                diagnoses: Some("diagnoses"),
                observations: Some("observations"),
                attachments: true,
                ..none
            },
            Kind::TransferDischarge => Self { attachments: true, ..none },
            Kind::TransferFollowUp => Self { observations: Some("observations"), ..none },
            Kind::ConsultationOpinion => {
                Self { diagnoses: Some("diagnoses"), attachments: true, ..none }
            }
            Kind::ConsultationReport => {
                Self { observations: Some("observations"), attachments: true, ..none }
            }
            Kind::ConsultationCritical => Self { observations: Some("items"), ..none },
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
            | Kind::SlotPublish
            | Kind::SlotWithdraw
            | Kind::StatusQuery
            | Kind::StatusReport
            | Kind::Receipt => none,
        }
    }
}

/// Where a body keeps free words about the statement itself.
pub(crate) fn words_of(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::ReferralAccept
        | Kind::TransferAccept
        | Kind::ConsultationAccept
        | Kind::ReferralReview
        | Kind::ConsultationReview => "opinion",
        Kind::ReferralConfirmCancel
        | Kind::ReferralRefuseCancel
        | Kind::ReferralClose
        | Kind::TransferClose
        | Kind::ConsultationClose
        | Kind::ReferralBook
        | Kind::ReferralNoShow
        | Kind::ConsultationNoShow
        | Kind::ConsultationAcknowledge
        | Kind::ConsultationAudit => "note",
        Kind::ReferralFeedback | Kind::TransferDischarge => "summary",
        Kind::TransferFollowUp => "findings",
        Kind::ConsultationOpinion => "text",
        Kind::ConsultationReport => "conclusion",
        Kind::ReferralSubmit
        | Kind::ReferralAmend
        | Kind::ReferralReturn
        | Kind::ReferralDecline
        | Kind::ReferralRedirect
        | Kind::ReferralSchedule
        | Kind::ReferralUnschedule
        | Kind::ReferralArrive
        | Kind::ReferralCancel
        | Kind::TransferOffer
        | Kind::TransferAmend
        | Kind::TransferDecline
        | Kind::TransferRedirect
        | Kind::TransferReceive
        | Kind::TransferCancel
        | Kind::ConsultationRequest
        | Kind::ConsultationAmend
        | Kind::ConsultationReturn
        | Kind::ConsultationDecline
        | Kind::ConsultationSchedule
        | Kind::ConsultationStart
        | Kind::ConsultationCancel
        | Kind::ConsultationClaim
        | Kind::ConsultationRecollect
        | Kind::ConsultationCritical
        | Kind::SlotPublish
        | Kind::SlotWithdraw
        | Kind::StatusQuery
        | Kind::StatusReport
        | Kind::Receipt => return None,
    })
}
