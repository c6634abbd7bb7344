//! Groups of message bodies, as macro patterns for matches that must name every body.
//!
//! A new kind is in no group, so such matches do not compile until somebody has put it into one and
//! said what it means where the bodies of its family are matched one by one.

/// The bodies that follow the request of a referral.
macro_rules! referral_later {
    () => {
        Body::ReferralReview(_)
            | Body::ReferralReturn(_)
            | Body::ReferralAccept(_)
            | Body::ReferralDecline(_)
            | Body::ReferralRedirect(_)
            | Body::ReferralSchedule(_)
            | Body::ReferralBook(_)
            | Body::ReferralUnschedule(_)
            | Body::ReferralArrive(_)
            | Body::ReferralNoShow(_)
            | Body::ReferralFeedback(_)
            | Body::ReferralCancel(_)
            | Body::ReferralConfirmCancel(_)
            | Body::ReferralRefuseCancel(_)
            | Body::ReferralClose(_)
    };
}

/// The bodies that follow the offer of a transfer.
macro_rules! transfer_later {
    () => {
        Body::TransferAccept(_)
            | Body::TransferDecline(_)
            | Body::TransferRedirect(_)
            | Body::TransferDischarge(_)
            | Body::TransferReceive(_)
            | Body::TransferFollowUp(_)
            | Body::TransferCancel(_)
            | Body::TransferClose(_)
    };
}

/// The bodies that follow the request of a consultation or a reading.
macro_rules! consultation_later {
    () => {
        Body::ConsultationReview(_)
            | Body::ConsultationReturn(_)
            | Body::ConsultationAccept(_)
            | Body::ConsultationDecline(_)
            | Body::ConsultationSchedule(_)
            | Body::ConsultationStart(_)
            | Body::ConsultationOpinion(_)
            | Body::ConsultationAcknowledge(_)
            | Body::ConsultationNoShow(_)
            | Body::ConsultationCancel(_)
            | Body::ConsultationClose(_)
            | Body::ConsultationClaim(_)
            | Body::ConsultationRecollect(_)
            | Body::ConsultationReport(_)
            | Body::ConsultationAudit(_)
            | Body::ConsultationCritical(_)
    };
}

/// The bodies that change no case.
macro_rules! no_case {
    () => {
        Body::SlotPublish(_)
            | Body::SlotWithdraw(_)
            | Body::StatusQuery(_)
            | Body::StatusReport(_)
            | Body::Receipt(_)
    };
}

/// The bodies that state no whole request: they neither open a case nor amend one.
macro_rules! no_request {
    () => {
        $crate::bodies::referral_later!()
            | $crate::bodies::transfer_later!()
            | $crate::bodies::consultation_later!()
            | $crate::bodies::no_case!()
    };
}

pub(crate) use {consultation_later, no_case, no_request, referral_later, transfer_later};
