//! Writes a canonical message as the bytes that one organisation expects.
//!
//! ```text
//!   request, amendment, cancel, query   REF^I12 I13 I14 I15
//!   decisions about a case              RRI^I12, to a cancellation I14, to a query I15
//!   appointment, cancelled, no-show     SIU^S12, S15, S26
//!   a time asked for, or called off     SRM^S01, S04
//!   arrival, admission, discharge       ADT^A04, A01, A03
//!   feedback, opinion, report           ORU^R01
//! ```
//!
//! Standard fields come first. What has none is sent as an OBX of our own (`local.rs`), so losses
//! are few: values without a code of the receiver, and extras of another format.
//!
//! The same message and profile give the same bytes at every try: MSH-7 is the time of the event,
//! and MSH-10 the control id of the message.

use jiff::tz::TimeZone;
use serde_json::Value;
use tierlink_codec::code_maps::{Meaning, Table, unlisted, words};
use tierlink_codec::profile::Acknowledgement;
use tierlink_codec::{CodeMaps, Encoded, Profile, Writing};
use tierlink_schemas::message::Extra;
use tierlink_schemas::{Family, Kind, Loss, Message, OrganisationCode, Priority, Problem, reasons};

use crate::canon::Canon;
use crate::charset::Charset;
use crate::clinical;
use crate::decode::{wish, zone};
use crate::delimiters::Delimiters;
use crate::escape;
use crate::fault::Fault;
use crate::header::Version;
use crate::lists::words_of;
use crate::local;
use crate::party;
use crate::patient;
use crate::statement::{Carrier, carrier};
use crate::substitute;
use crate::time;
use crate::types::{write_coded, write_instant, write_practitioner};
use crate::write::{Line, Writer};

/// Extras whose loss is listed one by one; more are summed up.
const EXTRAS_LISTED_MAX: usize = 50;

/// The state of writing one message.
struct Encoder<'a> {
    message: &'a Message,
    to: &'a OrganisationCode,
    profile: &'a Profile,
    maps: CodeMaps<'a>,
    version: Version,
    zone: TimeZone,
    /// The parts of the body that are not written yet.
    canon: Canon,
    /// Patient and parties, from the body or, for statements about a case, from its context.
    people: Canon,
    losses: Vec<Loss>,
    lines: Vec<Line>,
}

/// Writes a message for an organisation.
pub(crate) fn encode(
    message: &Message,
    to: &OrganisationCode,
    with: &Writing<'_>,
) -> Result<Encoded, Vec<Problem>> {
    write(message, to, with).map_err(|fault| vec![fault.into()])
}

fn write(message: &Message, to: &OrganisationCode, with: &Writing<'_>) -> Result<Encoded, Fault> {
    let profile = with.profile;
    let charset = wish(profile)?.charset.unwrap_or(Charset::UTF_8);
    let version = Version::read(&profile.format.version).ok_or(Fault::Version)?;
    let maps = CodeMaps::of(profile);
    let mut losses = Vec::new();
    let mut body = serde_json::to_value(&message.body).map_err(|_| Fault::NoForm)?;
    maps.write_into(&mut body, "body", &IN_PLACE, &mut losses);
    let mut people = people(message);
    maps.write_into(&mut people, "context", &IN_PLACE, &mut losses);
    lose_owners(message, &maps, &mut losses);
    let mut encoder = Encoder {
        message,
        to,
        profile,
        maps,
        version,
        zone: zone(profile),
        people: Canon::of(people),
        canon: Canon::of(body),
        losses,
        lines: Vec::with_capacity(24),
    };
    encoder.all(charset)?;
    encoder.delete_fields();
    encoder.lose_extras();
    encoder.fit(charset)?;

    let mut writer = Writer::new(Delimiters::default());
    for line in encoder.lines {
        writer.add(line);
    }
    if profile.quirks.line_feeds {
        writer.add_line_feeds();
    }
    let bytes = writer.into_bytes(charset)?;
    Ok(Encoded {
        bytes: bytes.into(),
        media_type: crate::MEDIA_TYPE,
        control_id: message.control_id(),
        losses: encoder.losses,
        code_maps: maps.version(),
    })
}

/// Tables whose codes are put into the body before it is written. Priority and reason are written
/// with ours beside theirs.
const IN_PLACE: [Table; 3] = [Table::Sex, Table::Department, Table::Organisation];

/// Lists the owners of numbers, and the source, that the receiver has no code for.
fn lose_owners(message: &Message, maps: &CodeMaps<'_>, losses: &mut Vec<Loss>) {
    let source = message.source.organisation.as_str();
    maps.written_organisation(source, "source.organisation", losses);
    for (nth, number) in message.case.numbers.iter().enumerate() {
        let path = format!("case.numbers[{nth}].organisation");
        maps.written_organisation(number.organisation.as_str(), &path, losses);
    }
}

/// Requests carry the people in their body; everything else has them beside it.
fn people(message: &Message) -> Value {
    let beside = message.context.as_ref().filter(|_| !message.kind().states_request());
    let beside = beside.and_then(|context| serde_json::to_value(context).ok());
    beside.unwrap_or_else(|| Value::Object(serde_json::Map::new()))
}

impl Encoder<'_> {
    fn all(&mut self, charset: Charset) -> Result<(), Fault> {
        let kind = self.message.kind();
        match self.carrier() {
            Carrier::None => return Err(Fault::NoForm),
            Carrier::Referral(event) => {
                self.header("REF", event, "REF_I12", charset);
                self.referral(kind);
            }
            Carrier::Answer(event) => {
                self.header("RRI", event, "RRI_I12", charset);
                self.answered();
                self.referral(kind);
            }
            Carrier::Schedule(event) => {
                self.header("SIU", event, "SIU_S12", charset);
                self.schedule(event);
            }
            Carrier::Booking(event) => {
                self.header("SRM", event, "SRM_S01", charset);
                self.booking();
            }
            Carrier::Visit(event) => {
                let admitted = self.canon.take_bool("admitted") == Some(true);
                let event = if admitted { "A01" } else { event };
                let structure = if event == "A03" { "ADT_A03" } else { "ADT_A01" };
                self.header("ADT", event, structure, charset);
                self.visit(event);
            }
            Carrier::Document => {
                self.header("ORU", "R01", "ORU_R01", charset);
                self.document(kind);
            }
        }
        Ok(())
    }

    /// Which message carries it, from whom it is.
    fn carrier(&self) -> Carrier {
        carrier(self.message.kind(), self.message.source.organisation == self.origin())
    }

    fn header(&mut self, kind: &str, event: &str, structure: &str, charset: Charset) {
        let format = &self.profile.format;
        let source = self.message.source.organisation.as_str();
        let mut msh = Line::new("MSH");
        msh.put(3, 1, crate::APPLICATION)
            .put(4, 1, self.known_as(source))
            .put_some(5, 1, format.application.clone())
            .put(6, 1, format.facility.clone().unwrap_or_else(|| self.known_as(self.to.as_str())))
            .put(7, 1, time::write(self.message.occurred_at, &self.zone))
            .put(9, 1, kind)
            .put(9, 2, event)
            .put(10, 1, self.message.control_id())
            .put(11, 1, "P")
            .put(12, 1, format.version.as_str())
            .put(18, 1, charset.msh_18());
        if self.version >= Version::V2_5 {
            msh.put(9, 3, structure);
        }
        match format.acknowledgement {
            Acknowledgement::Original => {}
            Acknowledgement::Commit => {
                msh.put(15, 1, "AL").put(16, 1, "NE");
            }
            Acknowledgement::CommitAndApplication => {
                msh.put(15, 1, "AL").put(16, 1, "AL");
            }
        }
        self.lines.push(msh);
    }

    /// How the receiver calls an organisation.
    fn known_as(&self, code: &str) -> String {
        self.maps.known_as(code).to_owned()
    }

    /// MSA names the message that is answered, when it came from this receiver.
    fn answered(&mut self) {
        let reply = self.message.in_reply_to.as_ref();
        let theirs = reply.filter(|r| r.organisation.as_ref().is_none_or(|org| org == self.to));
        if let Some(id) = theirs.and_then(|reply| reply.message_id.as_deref()) {
            let mut msa = Line::new("MSA");
            msa.put(1, 1, "AA").put(2, 1, id);
            self.lines.push(msa);
        }
    }

    /// REF and RRI: who refers whom to whom, and what is said about it.
    fn referral(&mut self, kind: Kind) {
        let is_request = kind.states_request();
        let rf1 = self.rf1(kind);
        self.lines.push(rf1);
        let (profile, version) = (self.profile, self.version);
        let people = if is_request { &mut self.canon } else { &mut self.people };
        let mut lines = party::write(people, version);
        if people.get("patient").is_some() {
            lines.extend(patient::write(people, profile, version, is_request));
        }
        self.lines.extend(lines);
        self.lines.extend(clinical::write_lists(&mut self.canon, kind, &self.zone));
        let visit = self.stay(kind);
        let notes = if is_request {
            clinical::write_notes(&mut self.canon)
        } else {
            self.remark(words_of(kind))
        };
        self.results(kind, ("57133-1", "Referral note", "LN"));
        self.lines.extend(visit);
        self.lines.extend(notes);
    }

    /// The words of a decision as an NTE, where every system looks for them.
    fn remark(&mut self, path: Option<&str>) -> Vec<Line> {
        let text = path.and_then(|path| self.canon.take(path));
        let line = text.map(|text| {
            let mut nte = Line::new("NTE");
            nte.put(1, 1, "1").put(3, 1, text);
            nte
        });
        line.into_iter().collect()
    }

    fn rf1(&mut self, kind: Kind) -> Line {
        let mut rf1 = Line::new("RF1");
        rf1.put(1, 1, self.status(kind)).put(1, 3, "HL70283");
        self.priority(&mut rf1);
        self.numbers(&mut rf1);
        rf1.put(9, 1, time::write(self.message.occurred_at, &self.zone));
        if reasons::table_of(kind).is_some() {
            self.reason(&mut rf1, 10);
        }
        if !kind.states_request() {
            return rf1;
        }
        match kind.family() {
            Family::Consultation => {
                write_coded(&mut rf1, 3, 1, &mut self.canon, "kind");
                rf1.put(4, 1, "SO").put(4, 2, "Second opinion").put(4, 3, "HL70282");
            }
            Family::Transfer => self.reasons(&mut rf1),
            Family::Referral | Family::Slot | Family::Status | Family::Receipt => {
                write_coded(&mut rf1, 3, 1, &mut self.canon, "purpose");
                self.reasons(&mut rf1);
                let category = match self.canon.text("kind") {
                    Some("inpatient") => Some("I"),
                    Some("outpatient") => Some("O"),
                    Some("emergency") => Some("E"),
                    _ => None,
                };
                if let Some(category) = category {
                    rf1.put(5, 1, category).put(5, 3, "HL70284");
                    self.canon.take("kind");
                }
                write_instant(&mut rf1, 8, 1, &mut self.canon, "valid_until", &self.zone);
            }
        }
        rf1
    }

    /// RF1-1 (HL7 table 0283): the nearest word that HL7 has.
    fn status(&self, kind: Kind) -> &'static str {
        match kind {
            Kind::ReferralAccept
            | Kind::TransferAccept
            | Kind::ConsultationAccept
            | Kind::ReferralConfirmCancel => "A",
            Kind::ReferralDecline
            | Kind::TransferDecline
            | Kind::ConsultationDecline
            | Kind::ReferralRefuseCancel => "R",
            Kind::StatusReport => match self.canon.text("state") {
                Some("declined" | "cancelled") => "R",
                Some("expired") => "E",
                Some("submitted" | "in_review" | "returned" | "requested" | "offered") => "P",
                _ => "A",
            },
            Kind::ReferralSubmit
            | Kind::ReferralAmend
            | Kind::ReferralReview
            | Kind::ReferralReturn
            | Kind::ReferralRedirect
            | Kind::ReferralSchedule
            | Kind::ReferralBook
            | Kind::ReferralUnschedule
            | Kind::ReferralArrive
            | Kind::ReferralNoShow
            | Kind::ReferralFeedback
            | Kind::ReferralCancel
            | Kind::ReferralClose
            | Kind::TransferOffer
            | Kind::TransferAmend
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
            | Kind::ConsultationCritical
            | Kind::SlotPublish
            | Kind::SlotWithdraw
            | Kind::StatusQuery
            | Kind::Receipt => "P",
        }
    }

    /// Priority is a safety field: a receiver with a code map that lacks it cannot be told.
    fn priority(&mut self, rf1: &mut Line) {
        let Some(priority) = self.message.priority else {
            return;
        };
        match self.maps.write(Table::Priority, priority.as_str()) {
            Meaning::NoMap => {}
            Meaning::Code(theirs) => {
                rf1.put(2, 1, theirs).put(2, 4, priority.as_str()).put(2, 6, local::SYSTEM);
                return;
            }
            Meaning::Unlisted => {
                self.losses.push(unlisted(Table::Priority, "priority"));
                return;
            }
        }
        let (code, words) = match priority {
            Priority::Emergency => ("S", "STAT"),
            Priority::Urgent => ("A", "ASAP"),
            Priority::Routine | Priority::Chronic => ("R", "Routine"),
        };
        rf1.put(2, 1, code).put(2, 2, words).put(2, 3, "HL70280");
        if priority == Priority::Chronic {
            rf1.put(2, 4, priority.as_str()).put(2, 5, "慢病/康复").put(2, 6, local::SYSTEM);
        }
    }

    /// RF1-6 is the origin's number, RF1-11 everybody else's, ours first.
    fn numbers(&mut self, rf1: &mut Line) {
        let offers = self.message.kind() == Kind::TransferOffer;
        let parent = if offers { self.canon.take("parent_referral") } else { None };
        let case = &self.message.case;
        let origin = self.origin();
        let of_origin = case.number_of(&origin);
        let ours = case.number.as_ref().map(ToString::to_string);
        match (of_origin, &ours) {
            (Some(number), _) => {
                rf1.put(6, 1, number).put(6, 2, self.known_as(origin.as_str()));
            }
            (None, Some(number)) => {
                rf1.put(6, 1, number.as_str()).put(6, 2, crate::APPLICATION);
            }
            (None, None) => {}
        }
        let others = case
            .numbers
            .iter()
            .filter(|number| number.organisation != origin)
            .map(|n| (n.number.clone(), self.known_as(n.organisation.as_str())));
        let ours = ours.map(|number| (number, crate::APPLICATION.to_owned()));
        // In an offer that is the referral which brought the patient up; nobody else has a number
        // for the new case.
        let others: Vec<(String, String)> = if offers {
            let parent = parent.into_iter();
            parent.map(|number| (number, String::new())).collect()
        } else {
            others.collect()
        };
        for (repetition, (number, owner)) in (1_u16..).zip(ours.into_iter().chain(others)) {
            rf1.put_at(11, repetition, 1, 1, number);
            rf1.put_at(11, repetition, 2, 1, owner);
        }
    }

    fn origin(&self) -> OrganisationCode {
        self.message
            .from()
            .map_or_else(|| self.message.source.organisation.clone(), |f| f.organisation.clone())
    }

    /// The coded reason: RF1-10, SCH-6 or ARQ-6.
    fn reason(&mut self, line: &mut Line, field: u16) {
        let Some(code) = self.canon.take("reason.code") else {
            return;
        };
        let text = self.canon.take("reason.text");
        match self.maps.write(Table::Reason, &code) {
            Meaning::NoMap => {
                line.put(field, 1, code).put(field, 3, local::SYSTEM).put_some(field, 2, text);
            }
            Meaning::Code(theirs) => {
                line.put(field, 1, theirs).put(field, 4, code).put(field, 6, local::SYSTEM);
                line.put_some(field, 2, text);
            }
            Meaning::Unlisted => {
                self.losses.push(unlisted(Table::Reason, "body.reason.code"));
                line.put_some(field, 2, text.or_else(|| words(Table::Reason, &code)));
            }
        }
    }

    fn reasons(&mut self, rf1: &mut Line) {
        for (repetition, index) in (1_u16..).zip(0..self.canon.len("reasons")) {
            let path = format!("reasons.{index}");
            write_coded(rf1, 10, repetition, &mut self.canon, &path);
        }
    }

    /// PV1 of a request: the visit that it comes from, or the stay that it ends.
    fn stay(&mut self, kind: Kind) -> Option<Line> {
        if !kind.states_request() {
            return None;
        }
        let mut pv1 = Line::new("PV1");
        pv1.put_some(19, 1, self.canon.take("from.encounter"));
        write_coded(&mut pv1, 36, 1, &mut self.canon, "stay.disposition");
        write_instant(&mut pv1, 44, 1, &mut self.canon, "stay.admitted_at", &self.zone);
        write_instant(&mut pv1, 45, 1, &mut self.canon, "stay.discharged_at", &self.zone);
        if pv1.is_empty() {
            return None;
        }
        let class = if kind.family() == Family::Transfer { "I" } else { "O" };
        pv1.put(1, 1, "1").put(2, 1, class);
        Some(pv1)
    }

    /// Everything that is a result, a paper or a field of our own. Must come last for the body.
    fn results(&mut self, kind: Kind, title: (&str, &str, &str)) {
        let mut results = vec![self.kind_line()];
        results.extend(clinical::write_results(&mut self.canon, kind, &self.zone));
        results.extend(clinical::write_rest(&self.canon));
        let mut obr = Line::new("OBR");
        obr.put(1, 1, "1").put(4, 1, title.0).put(4, 2, title.1).put(4, 3, title.2);
        if self.carrier() == Carrier::Document {
            let (placer, filler) = self.placer_and_filler();
            obr.put(2, 1, placer.0).put(2, 2, placer.1);
            obr.put(3, 1, filler.0).put(3, 2, filler.1);
            obr.put(22, 1, time::write(self.message.occurred_at, &self.zone)).put(25, 1, "F");
        }
        self.lines.push(obr);
        self.observations(results);
    }

    fn observations(&mut self, results: Vec<Line>) {
        for (nth, mut obx) in (1..).zip(results) {
            obx.put(1, 1, format!("{nth}"));
            self.lines.push(obx);
        }
    }

    /// HL7's event alone does not say which of our kinds is meant.
    fn kind_line(&self) -> Line {
        let kind = Value::String(self.message.kind().as_str().to_owned());
        local::write(local::KIND, &kind).unwrap_or_else(|| Line::new("OBX"))
    }

    /// The origin's number and the source's, each with its owner. Ours where there is no other.
    fn placer_and_filler(&self) -> ((String, String), (String, String)) {
        let case = &self.message.case;
        let origin = self.origin();
        let ours = case.number.as_ref().map(ToString::to_string).unwrap_or_default();
        let placer = match case.number_of(&origin) {
            Some(number) => (number.to_owned(), self.known_as(origin.as_str())),
            None => (ours, crate::APPLICATION.to_owned()),
        };
        let source = &self.message.source.organisation;
        let filler = match case.number_of(source).filter(|_| *source != origin) {
            Some(number) => (number.to_owned(), self.known_as(source.as_str())),
            None => (String::new(), String::new()),
        };
        (placer, filler)
    }

    /// SIU: the appointment, the patient and the resources.
    fn schedule(&mut self, event: &str) {
        let (placer, filler) = self.placer_and_filler();
        let (reason, status) = match event {
            "S15" => (None, "Cancelled"),
            "S26" => (Some("NOSHOW"), "Noshow"),
            _ => (Some("BOOKED"), "Booked"),
        };
        let mut sch = Line::new("SCH");
        sch.put(1, 1, placer.0).put(1, 2, placer.1);
        sch.put_some(2, 1, self.canon.take("appointment.number"));
        match reason {
            Some(reason) => {
                sch.put(6, 1, reason);
            }
            None => self.reason(&mut sch, 6),
        }
        write_instant_twice(&mut sch, 11, 4, &self.canon, "appointment.start", &self.zone);
        write_instant_twice(&mut sch, 11, 5, &self.canon, "appointment.end", &self.zone);
        sch.put(25, 1, status);
        if let Some(number) = &self.message.case.number {
            sch.put(26, 1, number.as_str()).put(26, 2, crate::APPLICATION);
        }
        sch.put(27, 1, filler.0).put(27, 2, filler.1);
        self.lines.push(sch);

        if self.version >= Version::V2_5 && self.canon.text("appointment.start").is_some() {
            let mut tq1 = Line::new("TQ1");
            tq1.put(1, 1, "1");
            write_instant(&mut tq1, 7, 1, &mut self.canon, "appointment.start", &self.zone);
            write_instant(&mut tq1, 8, 1, &mut self.canon, "appointment.end", &self.zone);
            self.lines.push(tq1);
        } else {
            let mut taken = Line::new("SCH");
            write_instant(&mut taken, 1, 1, &mut self.canon, "appointment.start", &self.zone);
            write_instant(&mut taken, 1, 1, &mut self.canon, "appointment.end", &self.zone);
        }
        let kind = self.message.kind();
        let words = if event == "S12" { Some("appointment.instructions") } else { words_of(kind) };
        let remarks = self.remark(words);
        self.lines.extend(remarks);
        self.patient_only();

        // A cancelled appointment is known by its number and time; no resource takes part.
        let resources = if event == "S15" { vec![group()] } else { self.resources() };
        let mut results = vec![self.kind_line()];
        results.extend(clinical::write_rest(&self.canon));
        self.observations(results);
        self.lines.extend(resources);
    }

    /// SRM: the time that an origin asks for, or does not need any more.
    fn booking(&mut self) {
        let kind = self.message.kind();
        let (placer, filler) = self.placer_and_filler();
        let case = &self.message.case;
        let target = self.message.to().map(|to| to.organisation.clone());
        let theirs = target.as_ref().and_then(|to| Some((case.number_of(to)?, to.as_str())));
        let theirs = theirs.map(|(number, to)| (number.to_owned(), self.known_as(to)));
        let ours = case.number.as_ref().map(ToString::to_string);
        let mut arq = Line::new("ARQ");
        arq.put(1, 1, placer.0).put(1, 2, placer.1);
        arq.put_some(2, 1, self.canon.take("appointment.number"));
        if reasons::table_of(kind).is_some() {
            self.reason(&mut arq, 6);
        } else {
            // The reason of a booking request is required, and this one is for its referral.
            arq.put(6, 1, "REFERRAL");
        }
        write_instant(&mut arq, 11, 1, &mut self.canon, "appointment.start", &self.zone);
        write_instant(&mut arq, 11, 2, &mut self.canon, "appointment.end", &self.zone);
        // Who asks is required, and so is who entered it.
        write_practitioner(&mut arq, 15, 1, &mut self.canon.clone(), "by");
        write_practitioner(&mut arq, 19, 1, &mut self.canon, "by");
        if let Some(number) = ours {
            arq.put(24, 1, number).put(24, 2, crate::APPLICATION);
        }
        let (number, owner) = theirs.unwrap_or(filler);
        arq.put(25, 1, number).put(25, 2, owner);
        self.lines.push(arq);
        let remarks = self.remark(words_of(kind));
        self.lines.extend(remarks);
        self.patient_only();
        let resources = if kind == Kind::ReferralBook { self.resources() } else { vec![group()] };
        let mut results = vec![self.kind_line()];
        results.extend(clinical::write_rest(&self.canon));
        self.observations(results);
        self.lines.extend(resources);
    }

    fn resources(&mut self) -> Vec<Line> {
        let mut ail = Line::new("AIL");
        ail.put_some(3, 3, self.canon.take("appointment.bed"));
        ail.put_some(3, 9, self.canon.take("appointment.place"));
        let mut aig = Line::new("AIG");
        // Without 号 it would be read as any other resource.
        let queue = self.canon.text("appointment.queue_number").is_some_and(|it| it.contains('号'));
        if queue {
            aig.put_some(3, 2, self.canon.take("appointment.queue_number"));
        }
        let further = (0..self.canon.len("appointment.other_practitioners"))
            .map(|index| format!("appointment.other_practitioners.{index}"));
        let people: Vec<String> =
            std::iter::once("appointment.practitioner".to_owned()).chain(further).collect();
        let mut lines = vec![group()];
        for mut line in [aig, ail] {
            if !line.is_empty() {
                line.put(1, 1, "1");
                lines.push(line);
            }
        }
        let mut nth = 0;
        for path in people {
            let mut aip = Line::new("AIP");
            write_practitioner(&mut aip, 3, 1, &mut self.canon, &path);
            if !aip.is_empty() {
                nth += 1;
                aip.put(1, 1, nth.to_string());
                lines.push(aip);
            }
        }
        lines
    }

    /// ADT: the patient came, was admitted, or left.
    fn visit(&mut self, event: &str) {
        let mut evn = Line::new("EVN");
        evn.put(2, 1, time::write(self.message.occurred_at, &self.zone));
        self.lines.push(evn);
        self.patient_only();
        let mut pv1 = Line::new("PV1");
        pv1.put(1, 1, "1").put(2, 1, if event == "A04" { "O" } else { "I" });
        let (placer, _) = self.placer_and_filler();
        let ours = self.message.case.number.as_ref().map(ToString::to_string);
        pv1.put(5, 1, ours.unwrap_or(placer.0));
        pv1.put_some(19, 1, self.canon.take("encounter"));
        write_coded(&mut pv1, 36, 1, &mut self.canon, "disposition");
        let field = if event == "A03" { 45 } else { 44 };
        write_instant(&mut pv1, field, 1, &mut self.canon, "at", &self.zone);
        self.lines.push(pv1);
        let kind = self.message.kind();
        let mut results = vec![self.kind_line()];
        results.extend(clinical::write_results(&mut self.canon, kind, &self.zone));
        results.extend(clinical::write_rest(&self.canon));
        self.observations(results);
    }

    /// ORU: a report in words, values and papers.
    fn document(&mut self, kind: Kind) {
        self.patient_only();
        let (placer, filler) = self.placer_and_filler();
        let mut orc = Line::new("ORC");
        orc.put(1, 1, "RE").put(2, 1, placer.0).put(2, 2, placer.1);
        orc.put(3, 1, filler.0).put(3, 2, filler.1);
        if let Some(number) = &self.message.case.number {
            orc.put(4, 1, number.as_str()).put(4, 2, crate::APPLICATION);
        }
        self.lines.push(orc);
        let outcome = self.canon.text("stage") == Some("outcome");
        let title = match kind {
            Kind::ConsultationOpinion => ("11488-4", "Consultation note", "LN"),
            Kind::ReferralFeedback if outcome => ("18842-5", "Discharge summary", "LN"),
            Kind::TransferFollowUp => ("follow-up", "随访", local::SYSTEM),
            Kind::ConsultationReport => ("report", "诊断报告", local::SYSTEM),
            Kind::ConsultationCritical => ("critical", "危急值", local::SYSTEM),
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
            | Kind::Receipt => ("feedback", "反馈", local::SYSTEM),
        };
        self.results(kind, title);
    }

    fn patient_only(&mut self) {
        if self.people.get("patient").is_some() {
            let lines = patient::write(&mut self.people, self.profile, self.version, false);
            self.lines.extend(lines);
        }
    }

    /// Writes what the receiver's character set lacks in another way, and says so.
    fn fit(&mut self, charset: Charset) -> Result<(), Fault> {
        let is_emergency = self.message.priority == Some(Priority::Emergency);
        let done = substitute::fit(&mut self.lines, charset, is_emergency)?;
        self.losses.extend(done.losses);
        let Some(remark) = done.remark else { return Ok(()) };
        // Where the message has a place for remarks. A visit has none; its case was told before.
        let at = match self.carrier() {
            Carrier::Referral(_) | Carrier::Answer(_) | Carrier::Document => Some(self.lines.len()),
            Carrier::Schedule(_) | Carrier::Booking(_) => {
                self.lines.iter().position(|line| line.name() == "PID")
            }
            Carrier::Visit(_) | Carrier::None => None,
        };
        if let Some(at) = at {
            let mut nte = Line::new("NTE");
            let nth = self.lines.iter().filter(|line| line.name() == "NTE").count() + 1;
            nte.put(1, 1, nth.to_string()).put(3, 1, remark);
            self.lines.insert(at, nte);
        }
        Ok(())
    }

    /// An amendment that deletes a field says so: an empty field would mean "keep what you have".
    fn delete_fields(&mut self) {
        for path in deleted(self.message) {
            let Some((name, field)) = path.split_once('-') else { continue };
            let Ok(field) = field.parse() else { continue };
            if let Some(line) = self.lines.iter_mut().find(|line| line.name() == name) {
                line.put_null(field);
            }
        }
    }

    /// Extras are fields of another format; the receiver could not know what they mean.
    fn lose_extras(&mut self) {
        let extras: Vec<&Extra> =
            self.message.extras.iter().filter(|extra| extra.text != escape::NULL).collect();
        for extra in extras.iter().take(EXTRAS_LISTED_MAX) {
            let text = "a field of the sender's own format; not carried";
            self.losses.push(Loss::plain(format!("extras.{}", extra.path), text));
        }
        if extras.len() > EXTRAS_LISTED_MAX {
            let more = extras.len() - EXTRAS_LISTED_MAX;
            let text = format!("{more} more fields of the sender's own format; not carried");
            self.losses.push(Loss::plain("extras", text));
        }
    }
}

/// RGS, which every message about an appointment has.
fn group() -> Line {
    let mut rgs = Line::new("RGS");
    rgs.put(1, 1, "1");
    rgs
}

/// The fields that an amendment deletes (`""`), where its sender speaks HL7 v2.
fn deleted(message: &Message) -> Vec<&str> {
    let amends = message.kind().states_request() && !message.kind().opens();
    let extras = message.extras.iter().filter(|extra| amends && extra.text == escape::NULL);
    extras.map(|extra| extra.path.as_str()).collect()
}

/// Writes an instant that is written again elsewhere, so it is not taken.
fn write_instant_twice(
    line: &mut Line,
    field: u16,
    component: u16,
    canon: &Canon,
    path: &str,
    zone: &TimeZone,
) {
    let at = canon.text(path).and_then(|text| text.parse::<jiff::Timestamp>().ok());
    line.put_some(field, component, at.map(|at| time::write(at, zone)));
}
