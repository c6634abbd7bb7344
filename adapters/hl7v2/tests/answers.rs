//! Answers in both directions: what senders hear from us, and what we make of destinations.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use jiff::Timestamp;
use proptest::prelude::*;
use tierlink_codec::profile::{Acknowledgement, Profile};
use tierlink_codec::{Answered, Codec, Directory, Reading, Reply, Writing};
use tierlink_hl7v2::Hl7v2;
use tierlink_schemas::{CaseNumber, Code, OrganisationCode, Problem, Refusal, Tier, Verdict};
use uuid::Uuid;

fn profile() -> Profile {
    Profile::bare(OrganisationCode::new("QS").unwrap(), Tier::Township, "hl7v2")
}

fn message(version: &str, accept: &str, application: &str, kind: &str) -> Vec<u8> {
    format!(
        "MSH|^~\\&|HIS^1|QS^2|TIERLINK|XH|20260310090000||{kind}|QS0001|P|{version}|||{accept}|{application}||UNICODE UTF-8\rPID|1\r"
    )
    .into_bytes()
}

fn answers(arrived: &[u8], reply: &Reply<'_>) -> Vec<String> {
    let (profile, directory) = (profile(), Directory::default());
    let received_at: Timestamp = "2026-03-10T01:00:05Z".parse().unwrap();
    let with = Reading {
        profile: &profile,
        directory: &directory,
        id: Uuid::from_u128(7 << 28),
        received_at,
        head: None,
    };
    let answer = Hl7v2.answer(arrived, reply, &with);
    answer.frames.into_iter().map(|frame| String::from_utf8(frame).unwrap()).collect()
}

fn accepted() -> Verdict {
    Verdict::Accepted {
        message: Uuid::nil(),
        case_number: Some(CaseNumber::build('R', 2026, 1)),
        state: Some("submitted".to_owned()),
    }
}

fn refused() -> Verdict {
    let text = "RF1-2 holds a code that is not known; send S, A or R";
    Verdict::refused(Refusal::Invalid, Problem::new(Code::new("D020"), "RF1-2.1", text))
}

/// The MSA-1 codes of the answers, in order.
#[track_caller]
fn codes(kind: &str, accept: &str, application: &str, verdict: &Verdict) -> String {
    let arrived = message("2.5.1", accept, application, kind);
    let codes: Vec<String> = answers(&arrived, &Reply::Verdict(verdict))
        .iter()
        .map(|answer| answer.split("\rMSA|").nth(1).unwrap()[..2].to_owned())
        .collect();
    codes.join(" ")
}

#[test]
fn every_combination_of_msh_15_and_16_gets_the_answers_that_it_asks_for() {
    let conditions = ["", "AL", "NE", "ER", "SU"];
    // One row per MSH-15, one column per MSH-16; positive, then negative.
    let positive = [
        ["AA", "AA", "", "", "AA"],
        ["CA", "CA AA", "CA", "CA", "CA AA"],
        ["", "AA", "", "", "AA"],
        ["", "AA", "", "", "AA"],
        ["CA", "CA AA", "CA", "CA", "CA AA"],
    ];
    let negative = [
        ["AE", "AE", "", "AE", ""],
        ["CE", "CE", "CE", "CE", "CE"],
        ["", "AE", "", "AE", ""],
        ["CE", "CE", "CE", "CE", "CE"],
        ["", "AE", "", "AE", ""],
    ];
    for (row, accept) in conditions.iter().enumerate() {
        for (column, application) in conditions.iter().enumerate() {
            let place = format!("MSH-15 {accept} MSH-16 {application}");
            let got = codes("ADT^A01", accept, application, &accepted());
            assert_eq!(got, positive[row][column], "{place}, taken");
            let got = codes("ADT^A01", accept, application, &refused());
            assert_eq!(got, negative[row][column], "{place}, refused");
        }
    }
}

#[test]
fn the_application_answer_to_a_referral_is_the_receivers_own() {
    assert_eq!(codes("REF^I12", "AL", "AL", &accepted()), "CA");
    assert_eq!(codes("REF^I12", "AL", "AL", &refused()), "CE");
    assert_eq!(codes("REF^I12", "NE", "AL", &refused()), "AE");
}

#[test]
fn an_answer_turns_sender_and_receiver_round_and_names_the_message() {
    let arrived = message("2.5.1", "", "", "REF^I12");

    let answer = &answers(&arrived, &Reply::Verdict(&refused()))[0];

    assert_eq!(
        answer.replace('\r', "\n"),
        "MSH|^~\\&|TIERLINK|XH|HIS^1|QS^2|20260310090005+0800||ACK^I12^ACK|A0000000000000000000|P|2.5.1||||||UNICODE UTF-8\n\
         MSA|AE|QS0001|D020 RF1-2.1: RF1-2 holds a code that is not known; send S, A or R\n\
         ERR||RF1^1^2^1^1|103^Table value not found^HL70357|E|D020^^99TL||RF1-2.1|RF1-2 holds a code that is not known; send S, A or R\n"
    );
}

#[test]
fn old_versions_get_the_old_err() {
    let arrived = message("2.3.1", "", "", "REF^I12");

    let answer = &answers(&arrived, &Reply::Verdict(&refused()))[0];

    assert!(answer.contains("|ACK^I12|"), "{answer}");
    assert!(answer.contains("\rERR|RF1^1^2^103&Table value not found&HL70357\r"), "{answer}");
}

#[test]
fn a_positive_answer_has_no_err_in_any_version() {
    for version in ["2.3.1", "2.4", "2.5.1", "2.8"] {
        let arrived = message(version, "", "", "ADT^A01");

        let answer = &answers(&arrived, &Reply::Verdict(&accepted()))[0];

        assert!(!answer.contains("\rERR"), "{version}: {answer}");
    }
}

#[test]
fn an_acknowledgement_is_never_answered() {
    for kind in ["ACK", "ACK^I12", "ACK^I12^ACK", "MCF^Q02", "ack"] {
        for (accept, application) in [("", ""), ("AL", "AL"), ("ER", "SU")] {
            let arrived = message("2.4", accept, application, kind);

            assert!(answers(&arrived, &Reply::Verdict(&refused())).is_empty(), "{kind}");
            assert!(answers(&arrived, &Reply::Verdict(&accepted())).is_empty(), "{kind}");
        }
    }
}

/// ERR of an answer to a message that is refused for one problem.
#[track_caller]
fn err(version: &str, kind: &str, refusal: Refusal, code: &'static str, field: &str) -> String {
    let verdict = Verdict::refused(refusal, Problem::new(Code::new(code), field, "text"));
    let answer = &answers(&message(version, "", "", kind), &Reply::Verdict(&verdict))[0];
    answer.split("\rERR|").nth(1).unwrap().split('\r').next().unwrap().to_owned()
}

#[test]
fn each_problem_has_its_hl7_error_and_the_senders_own_field() {
    use Refusal::{Invalid, Unreadable};
    for (code, field, kind, refusal, place, error) in [
        ("D022", "MSH-9", "VXU^V04", Unreadable, "MSH^1^9", "200"),
        ("D022", "MSH-9.2", "REF^I19", Unreadable, "MSH^1^9^1^2", "201"),
        ("D022", "MSH-9.2", "SIU^S18", Unreadable, "MSH^1^9^1^2", "201"),
        ("C018", "body.appointment.end", "SRM^S01", Invalid, "ARQ^1^11", "102"),
        ("D037", "MSH-11", "REF^I12", Unreadable, "MSH^1^11", "202"),
        ("D023", "MSH-12", "REF^I12", Unreadable, "MSH^1^12", "203"),
        ("D019", "PID-5", "REF^I12", Unreadable, "PID^1^5", "101"),
        ("D026", "PID-3[2]", "REF^I12", Unreadable, "PID^1^3^2", "102"),
        ("D021", "SCH-11.4", "SIU^S12", Unreadable, "SCH^1^11^1^4", "102"),
        ("D020", "RF1-2", "REF^I12", Unreadable, "RF1^1^2", "103"),
        ("C010", "body.patient.name", "REF^I12", Invalid, "PID^1^5", "101"),
        ("C001", "body.clinical.diagnoses[1].what", "REF^I12", Invalid, "DG1^2^3", "101"),
        ("C003", "body.reason.text", "RRI^I12", Invalid, "RF1^1^10", "102"),
        ("C006", "body.reason.code", "SIU^S26", Invalid, "SCH^1^6", "103"),
        ("C014", "body.patient.sex", "REF^I12", Invalid, "PID^1^8", "102"),
    ] {
        let long = err("2.5.1", kind, refusal, code, field);
        assert!(long.starts_with(&format!("|{place}|{error}^")), "{code} {field}: {long}");
        let short = err("2.4", kind, refusal, code, field);
        let coarse = place.split('^').take(3).collect::<Vec<_>>().join("^");
        assert!(short.starts_with(&format!("{coarse}^{error}&")), "{code} {field}: {short}");
    }
}

#[test]
fn a_canonical_field_is_told_as_the_senders_own() {
    let verdict = Verdict::refused(
        Refusal::Invalid,
        Problem::new(Code::new("C010"), "body.patient.name", "A known patient needs a name."),
    );

    let answer = &answers(&message("2.5.1", "", "", "REF^I12"), &Reply::Verdict(&verdict))[0];

    assert!(
        answer.contains("\rMSA|AE|QS0001|C010 PID-5: A known patient needs a name."),
        "{answer}"
    );
    assert!(answer.contains("|PID-5: A known patient needs a name.\r"), "{answer}");
}

#[test]
fn a_version_that_is_not_spoken_is_answered_in_its_own_layout() {
    let old = err("2.2", "REF^I12", Refusal::Unreadable, "D023", "MSH-12");
    assert!(old.starts_with("MSH^1^12^203&"), "{old}");
    let new = err("2.9", "REF^I12", Refusal::Unreadable, "D023", "MSH-12");
    assert!(new.starts_with("|MSH^1^12|203^"), "{new}");
}

#[test]
fn a_batch_is_answered_under_its_own_id() {
    let arrived = b"FHS|^~\\&|HIS|QS|TIERLINK|XH|20260310090000||F1||F42\rMSH|^~\\&|HIS|QS";
    let text = "FHS begins a second message or a batch; send one message per frame";
    let verdict =
        Verdict::refused(Refusal::Unreadable, Problem::new(Code::new("D018"), "FHS", text));

    let answer = &answers(arrived, &Reply::Verdict(&verdict))[0];

    assert!(answer.contains("|TIERLINK|XH|HIS|QS|"), "{answer}");
    assert!(answer.contains("\rMSA|AR|F42|D018 FHS: "), "{answer}");
}

#[test]
fn a_label_that_was_not_true_is_not_repeated() {
    let text = "MSH|^~\\&|医院|QS|TIERLINK|XH|||ADT^A01|QS1|P|2.4||||||GBK\r";
    let (mut profile, directory) = (profile(), Directory::default());
    profile.format.charset = Some("UTF-8".to_owned());
    let received_at: Timestamp = "2026-03-10T01:00:05Z".parse().unwrap();
    let with = Reading {
        profile: &profile,
        directory: &directory,
        id: Uuid::nil(),
        received_at,
        head: None,
    };

    let answer = Hl7v2.answer(text.as_bytes(), &Reply::Verdict(&accepted()), &with);

    let answer = String::from_utf8(answer.frames[0].clone()).unwrap();
    assert!(answer.contains("|医院|QS|") && answer.contains("|UNICODE UTF-8\r"), "{answer}");
}

#[test]
fn the_verdict_decides_the_code_and_the_hl7_error() {
    let problem = || Problem::new(Code::new("R999"), "frame", "text");
    for (refusal, code, error) in [
        (Refusal::Unreadable, "AR", "100"),
        (Refusal::Sender, "AR", "199"),
        (Refusal::Invalid, "AE", "103"),
        (Refusal::NotFound, "AE", "204"),
        (Refusal::Early, "AE", "204"),
        (Refusal::Conflict, "AE", "205"),
        (Refusal::Rule, "AE", "199"),
    ] {
        let verdict = Verdict::refused(refusal, problem());
        let answer = &answers(&message("2.5.1", "", "", "ADT^A01"), &Reply::Verdict(&verdict))[0];

        assert!(answer.contains(&format!("\rMSA|{code}|QS0001|")), "{answer}");
        assert!(answer.contains(&format!("\rERR|||{error}^")), "{answer}");
    }
    let busy = problem();
    let answer = &answers(&message("2.5.1", "", "", "ADT^A01"), &Reply::TryAgain(&busy))[0];
    assert!(answer.contains("\rMSA|AE|QS0001|") && answer.contains("\rERR|||207^"), "{answer}");
}

#[test]
fn an_answer_has_the_delimiters_and_the_charset_of_its_message() {
    let charset = tierlink_hl7v2::charset::Charset::named("GB18030").unwrap();
    let text = "MSH$%_\\*$医院信息系统$QS$TIERLINK$XH$$$ADT%A01$QS_1$P$2.4$$$$$$GB 18030-2000\r";
    let (profile, directory) = (profile(), Directory::default());
    let received_at: Timestamp = "2026-03-10T01:00:05Z".parse().unwrap();
    let with = Reading {
        profile: &profile,
        directory: &directory,
        id: Uuid::nil(),
        received_at,
        head: None,
    };

    let answer = Hl7v2.answer(&charset.encode(text).unwrap(), &Reply::Verdict(&accepted()), &with);

    let answer = charset.decode(&answer.frames[0]).unwrap().into_owned();
    assert!(answer.starts_with("MSH$%_\\*$TIERLINK$XH$医院信息系统$QS$"), "{answer}");
    assert!(answer.contains("$GB 18030-2000\rMSA$AA$QS$"), "{answer}");
}

#[test]
fn whoever_sends_something_unreadable_hears_so() {
    for arrived in [&b""[..], b"hello", b"{}", b"\x0b\x1c\r", b"MSH", b"\xff\xfe\x00"] {
        let answer = &answers(arrived, &Reply::Verdict(&refused()))[0];

        assert!(answer.starts_with("MSH|^~\\&|") && answer.contains("\rMSA|AE||"), "{answer}");
    }
}

#[track_caller]
fn check(answer: &str, adapt: impl FnOnce(&mut Profile), want: &str) {
    let (mut profile, directory) = (profile(), Directory::default());
    adapt(&mut profile);
    let with = Writing { profile: &profile, directory: &directory };
    let text = format!("MSH|^~\\&|HIS|QS|TIERLINK||20260310||ACK|1|P|2.5.1\r{answer}\r");
    let got = match Hl7v2.read_answer("ID1", text.as_bytes(), None, &with) {
        Answered::Taken { number } => format!("taken {}", number.unwrap_or_default()),
        Answered::Refused { problems } => {
            format!("refused {} {}", problems[0].code, problems[0].field)
        }
        Answered::NotNow { problems } => format!("not now {}", problems[0].code),
        Answered::MoreComes => "more comes".to_owned(),
        Answered::Stray => "stray".to_owned(),
        Answered::Unreadable { problem } => format!("unreadable {}", problem.code),
    };
    assert_eq!(got.trim(), want, "{answer}");
}

#[test]
fn destinations_are_understood() {
    let plain = |_: &mut Profile| {};
    check("MSA|AA|ID1", plain, "taken");
    check("MSA|CA|ID1", plain, "taken");
    check("MSA|AA|ID1\rRF1|A|||||QS1|||||XZ1^XH", plain, "taken XZ1");
    check("MSA|AE|ID1\rERR||PID^1^5|103|E", plain, "refused D035 PID-5");
    check("MSA|AR|ID1\rERR|RF1^1^2^103&x&y", plain, "refused D035 RF1-2");
    check("MSA|CR|ID1", plain, "refused D035 MSA-1");
    check("MSA|AE|ID1\rERR|||206^locked|E", plain, "not now D036");
    check("MSA|AR|ID1\rERR|||207^internal|E", plain, "not now D036");
    check("MSA|AE|ID1||||207^internal", plain, "not now D036");
    check("MSA|AE|ID1\rERR|||207|E\rERR|||103|E", plain, "refused D035 MSA-1");
    check("MSA|AA|ID0", plain, "stray");
    check("MSA|AA|", plain, "unreadable D034");
    check("MSA|ZZ|ID1", plain, "unreadable D033");
    check("PID|1", plain, "unreadable D033");
}

#[test]
fn the_profile_knows_how_its_organisation_answers() {
    let both = |p: &mut Profile| {
        p.format.acknowledgement = Acknowledgement::CommitAndApplication;
    };
    check("MSA|CA|ID1", both, "more comes");
    check("MSA|AA|ID1", both, "taken");
    check("MSA|AA|ID0", |p| p.quirks.ignores_msa2 = true, "taken");
    check("MSA|AE|ID1", |p| p.quirks.application_error_is_transient = true, "not now D036");
    check("MSA|AR|ID1", |p| p.quirks.application_error_is_transient = true, "refused D035 MSA-1");
}

/// The number of a person, a command for a terminal and three megabytes are nobody's number, in RF1
/// and in SCH. Nor is a place in ERR.
#[test]
fn what_an_answer_says_is_filtered_before_it_is_kept() {
    let plain = |_: &mut Profile| {};
    let long = "9".repeat(3_000_000);
    for evil in ["990101195001010010", "13900000001", "7\u{1b}[2J", "汪德福", &long] {
        check(&format!("MSA|AA|ID1\rRF1|A|||||QS1|||||{evil}^XH"), plain, "taken");
        check(&format!("MSA|AA|ID1\rSCH|1|{evil}"), plain, "taken");
        check(&format!("MSA|AE|ID1\rERR||{evil}^1^5|103|E"), plain, "refused D035 MSA-1");
        check(&format!("MSA|AE|ID1\rERR||PID^1^{evil}|103|E"), plain, "refused D035 PID");
    }
    let errors = "\rERR||PID^1^5|103|E".repeat(5_000);
    let (profile, directory) = (profile(), Directory::default());
    let with = Writing { profile: &profile, directory: &directory };
    let text = format!("MSH|^~\\&|HIS|QS|TIERLINK||20260310||ACK|1|P|2.5.1\rMSA|AE|ID1{errors}\r");
    match Hl7v2.read_answer("ID1", text.as_bytes(), None, &with) {
        Answered::Refused { problems } => assert!(problems.len() <= 20, "{}", problems.len()),
        // More segments than an answer may have.
        other => assert!(matches!(other, Answered::Unreadable { .. }), "{other:?}"),
    }
}

#[test]
fn the_destinations_own_words_stay_out_of_our_errors() {
    let (profile, directory) = (profile(), Directory::default());
    let with = Writing { profile: &profile, directory: &directory };
    let answer = b"MSH|^~\\&|HIS|QS|TIERLINK||20260310||ACK|1|P|2.5.1\rMSA|AE|ID1|ZZTEST^ANN not found\rERR||PID^1^5|103|E||||ZZTEST\r";

    let answered = Hl7v2.read_answer("ID1", answer, None, &with);

    assert!(!format!("{answered:?}").contains("ZZTEST"), "{answered:?}");
}

proptest! {
    #[test]
    fn any_bytes_get_an_answer_and_any_answer_is_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (profile, directory) = (profile(), Directory::default());
        let at: Timestamp = "2026-03-10T01:00:05Z".parse().unwrap();
        let with = Reading { profile: &profile, directory: &directory, id: Uuid::nil(), received_at: at, head: None };
        let writing = Writing { profile: &profile, directory: &directory };

        let answer = Hl7v2.answer(&bytes, &Reply::Verdict(&accepted()), &with);
        prop_assert!(!answer.frames.is_empty());
        let _ = Hl7v2.read_answer("ID1", &bytes, None, &writing);
        let _ = Hl7v2.sender(&bytes);
    }
}

/// What the door has read of MSH is used as it is: other bytes beneath it make no difference.
#[test]
fn the_header_that_the_door_has_read_is_not_read_again() {
    let (profile, directory) = (profile(), Directory::default());
    let received_at: Timestamp = "2026-03-10T01:00:05Z".parse().unwrap();
    let bytes = message("2.5.1", "", "", "REF^I12");
    let sender = Hl7v2.sender(&bytes);
    let with = Reading {
        profile: &profile,
        directory: &directory,
        id: Uuid::nil(),
        received_at,
        head: Some(&sender.head),
    };
    let text = String::from_utf8(bytes).unwrap();
    let other = text.replace("QS0001", "QS0002").into_bytes();

    let decoded = Hl7v2.decode(&other, &with);
    let answer = Hl7v2.answer(b"no message at all", &Reply::Verdict(&refused()), &with);

    assert_eq!(decoded.source_message_id.as_deref(), Some("QS0001"));
    let answer = String::from_utf8(answer.frames[0].clone()).unwrap();
    assert!(answer.contains("\rMSA|AE|QS0001"), "{answer}");
}

/// The door knows no profile. A profile with another character set has MSH read in that one.
#[test]
fn a_header_is_read_again_only_where_the_profile_has_another_character_set() {
    let directory = Directory::default();
    let text = message("2.5.1", "", "", "REF^I12");
    let text = String::from_utf8(text).unwrap().replace("UNICODE UTF-8", "").replace("HIS", "青石");
    let (bytes, _, _) = encoding_rs::GB18030.encode(&text);
    let sender = Hl7v2.sender(&bytes);
    let mut profile = profile();
    profile.format.charset = Some("8859/1".to_owned());
    let received_at: Timestamp = "2026-03-10T01:00:05Z".parse().unwrap();
    let with = |profile| Reading {
        profile,
        directory: &directory,
        id: Uuid::nil(),
        received_at,
        head: Some(&sender.head),
    };

    let other = text.replace("QS0001", "QS0002");
    let (other, _, _) = encoding_rs::GB18030.encode(&other);
    let id_in_answer = |profile| {
        let answer = Hl7v2.answer(&other, &Reply::Verdict(&refused()), &with(profile));
        let text = String::from_utf8_lossy(&answer.frames[0]).into_owned();
        text.split("\rMSA|AE|").nth(1).unwrap()[..6].to_owned()
    };

    let bare = Profile::bare(OrganisationCode::new("QS").unwrap(), Tier::Township, "hl7v2");
    assert_eq!(sender.system.as_deref(), Some("青石"));
    assert_eq!(id_in_answer(&bare), "QS0001", "as the door has read it");
    assert_eq!(id_in_answer(&profile), "QS0002", "read again");
}
