//! Bad input, one case each: the bytes, what is answered, and what is kept.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tierlink_integration_tests::county::{BAIMA, FENGQIAO, LEAD, QINGSHI_FACILITY};
use tierlink_integration_tests::hospitals::{
    Charset, FRAME_BEGINS, FRAME_ENDS, Person, fhir_referral, hl7_referral, new_control_id,
    new_number, said,
};
use tierlink_integration_tests::load::chance::Chance;

/// A referral from QINGSHI to LEAD as its old system writes it.
pub fn good_hl7(control_id: &str, number: &str) -> Result<Vec<u8>> {
    let sides = (QINGSHI_FACILITY, LEAD);
    hl7_referral(sides, (control_id, number), &Person::default(), Charset::Gb18030)
}

/// What the sender must hear.
#[derive(Clone, Copy, Debug)]
pub enum Says {
    /// It is accepted all the same.
    Taken,
    /// A refusal with this code; the field has this in it.
    Refused(&'static str, &'static str),
    /// No answer: nobody waits for one.
    Nothing,
}

/// One input and what must become of it.
pub struct Case {
    /// What is wrong, for whoever reads a failure.
    pub name: &'static str,
    /// What is written, frame and all.
    pub bytes: Vec<u8>,
    /// What must be heard.
    pub says: Says,
    /// What `tierlink refusal show --raw` must print; `None`: nothing is kept.
    pub kept: Option<Vec<u8>>,
    /// Whether the connection cannot go on.
    pub ends: bool,
    /// Path to post to, over HTTP.
    pub path: &'static str,
    /// Media type to state, over HTTP.
    pub media_type: &'static str,
}

// The server keeps so much of a frame that broke.
const KEPT_OF_BROKEN: usize = 64 * 1024;
// More than any listener takes (12 MiB unless configured otherwise).
const FAR_TOO_LONG: usize = 20 * 1024 * 1024;

impl Case {
    fn mllp(name: &'static str, bytes: Vec<u8>, says: Says, kept: Option<Vec<u8>>) -> Self {
        Self { name, bytes, says, kept, ends: false, path: "", media_type: "" }
    }

    /// A message in a good frame that is refused, and kept as it is.
    fn refused(
        name: &'static str,
        message: Vec<u8>,
        code: &'static str,
        field: &'static str,
    ) -> Self {
        Self::mllp(name, framed(&message), Says::Refused(code, field), Some(message))
    }

    fn taken(name: &'static str, bytes: Vec<u8>) -> Self {
        Self::mllp(name, bytes, Says::Taken, None)
    }

    fn ending(mut self) -> Self {
        self.ends = true;
        self
    }

    /// A body over HTTP that is refused by its format, and kept as it is.
    fn body(
        name: &'static str,
        (path, media_type): (&'static str, &'static str),
        body: impl Into<Vec<u8>>,
        says: Says,
    ) -> Self {
        let bytes = body.into();
        let kept = matches!(says, Says::Refused(..)).then(|| bytes.clone());
        Self { name, bytes, says, kept, ends: false, path, media_type }
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&[FRAME_BEGINS], message, &FRAME_ENDS].concat()
}

fn fresh() -> Result<Vec<u8>> {
    good_hl7(&new_control_id(), &new_number("QS"))
}

/// A good message in which `from` became `to`.
fn but(from: &str, to: &str) -> Result<Vec<u8>> {
    let text = Charset::read(&fresh()?);
    anyhow::ensure!(text.contains(from), "`{from}` stands nowhere in the good message");
    Charset::Gb18030.encode(&text.replacen(from, to, 1))
}

fn noise(length: usize) -> Vec<u8> {
    let mut chance = Chance::new(u64::try_from(length).unwrap_or_default());
    let mut bytes: Vec<u8> = Vec::with_capacity(length);
    while bytes.len() < length {
        let byte = chance.draw().to_le_bytes()[0];
        if ![FRAME_BEGINS, FRAME_ENDS[0]].contains(&byte) {
            bytes.push(byte);
        }
    }
    bytes
}

/// What comes to the shared listener, where MSH says who speaks.
pub fn mllp() -> Result<Vec<Case>> {
    let mut cases = frames()?;
    cases.extend(strangers()?);
    cases.extend(messages()?);
    cases.extend(safety_fields()?);
    Ok(cases)
}

fn frames() -> Result<Vec<Case>> {
    let good = fresh()?;
    let half = good[..good.len() / 2].to_vec();
    let mut long = fresh()?;
    long.extend_from_slice(b"NTE|1||");
    long.resize(FAR_TOO_LONG, b'A');
    let kept_of_long = long[..KEPT_OF_BROKEN].to_vec();
    let junk = b"login: ".repeat(20);
    let endless_junk = b"GET / HTTP/1.1 ".repeat(4_000);
    let kept_of_junk = endless_junk[..16 * 1024].to_vec();
    let without_return = |message: Vec<u8>| [&[FRAME_BEGINS], message.as_slice(), &[0x1C]].concat();
    Ok(vec![
        Case::mllp(
            "half a frame, then the next one",
            [&[FRAME_BEGINS], half.as_slice()].concat(),
            Says::Refused("E013", "frame"),
            Some(half.clone()),
        ),
        Case::taken(
            "the frame's start is doubled",
            [&[FRAME_BEGINS], framed(&fresh()?).as_slice()].concat(),
        ),
        Case::taken(
            "the frame's end is doubled",
            [framed(&fresh()?).as_slice(), &FRAME_ENDS].concat(),
        ),
        Case::taken("no final return, then the next frame", without_return(fresh()?)),
        Case::mllp("an empty frame", framed(b""), Says::Nothing, None),
        Case::mllp(
            "20 MB in one frame",
            framed(&long),
            Says::Refused("E010", "frame"),
            Some(kept_of_long),
        ),
        Case::mllp(
            "junk before the frame",
            junk.clone(),
            Says::Refused("E011", "frame"),
            Some(junk),
        ),
        Case::mllp(
            "junk without end",
            endless_junk,
            Says::Refused("E012", "frame"),
            Some(kept_of_junk),
        )
        .ending(),
    ])
}

fn strangers() -> Result<Vec<Case>> {
    let utf16: Vec<u8> =
        Charset::read(&fresh()?).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut utf16: Vec<u8> =
        utf16.into_iter().filter(|byte| ![FRAME_BEGINS, FRAME_ENDS[0]].contains(byte)).collect();
    utf16.remove(1);
    let mut cases = vec![
        Case::refused("UTF-16 with a byte missing", utf16, "A003", "MSH-4"),
        Case::refused(
            "an organisation that nobody knows",
            but(QINGSHI_FACILITY, "NOBODY")?,
            "A003",
            "MSH-4",
        ),
        Case::refused(
            "the lead hospital's name on the listener of others",
            but(QINGSHI_FACILITY, LEAD)?,
            "A003",
            "MSH-4",
        ),
    ];
    for length in [1, 7, 512, 65_536, 3_000_000] {
        cases.push(Case::refused("noise in a frame", noise(length), "A003", "MSH-4"));
    }
    Ok(cases)
}

fn messages() -> Result<Vec<Case>> {
    let good = Charset::read(&fresh()?);
    let latin = |text: &str| Charset::Gb18030.encode(text);
    let with =
        |lines: &str| -> Result<Vec<u8>> { Ok([fresh()?.as_slice(), lines.as_bytes()].concat()) };
    let control_id = Charset::read(&fresh()?);
    let control_id = control_id.split('|').nth(9).context("MSH-10")?.to_owned();
    let nameless = latin(&Charset::read(&good_hl7(&control_id, &new_number("QS"))?).replacen(
        &control_id,
        "",
        1,
    ))?;
    let in_gbk = {
        let text = Charset::read(&fresh()?);
        latin(&text.replacen("GB 18030-2000", "UNICODE UTF-8", 1))?
    };
    let torn = {
        let mut bytes = fresh()?;
        let at = bytes.windows(5).position(|five| five == b"PID|1").context("PID")?;
        bytes.splice(at..at, *b"NTE|1||\x81\x20\xFF\xFF\r");
        bytes
    };
    Ok(vec![
        Case::taken("line feeds between segments", framed(&latin(&good.replace('\r', "\n"))?)),
        Case::refused("a NUL in a name", but("汪德福", "汪\0德福")?, "D017", ""),
        // Its profile says GB18030, and the bytes bear it out.
        Case::taken("a name in GBK that claims to be UTF-8", framed(&in_gbk)),
        Case::refused("bytes that are no character", torn, "D014", ""),
        Case::refused("no MSH-10", nameless, "D019", "MSH-10"),
        Case::refused("an event that nobody knows", but("REF^I12", "REF^Z99")?, "D022", "MSH-9"),
        Case::refused("a type that nobody knows", but("REF^I12", "ZZZ^Z01")?, "D022", "MSH-9"),
        Case::refused("no MSH-9", but("REF^I12", "")?, "D019", "MSH-9"),
        Case::refused("twelve thousand segments", with(&"NTE|1||A\r".repeat(12_000))?, "D015", ""),
        Case::refused(
            "six thousand repeats",
            with(&format!("OBX|9|ST|A||{}\r", "~".repeat(6_000)))?,
            "D015",
            "",
        ),
        Case::refused(
            "a field of components",
            with(&format!("ZZ1|{}\r", "^".repeat(300_000)))?,
            "D015",
            "",
        ),
    ])
}

fn safety_fields() -> Result<Vec<Case>> {
    Ok(vec![
        Case::refused("a sex that nobody knows", but("|M|", "|Q|")?, "D020", "PID-8"),
        Case::refused("a priority that nobody knows", but("A^ASAP^HL70280", "Q")?, "D020", "RF1-2"),
        Case::refused("a recipient that nobody knows", recipient("999999999")?, "D027", ""),
        Case::refused(
            "an identity number that cannot be",
            but("990101195001010010", "990101195001010011")?,
            "D026",
            "PID-3",
        ),
    ])
}

/// To somebody else, in MSH-6 and PRD.
fn recipient(code: &str) -> Result<Vec<u8>> {
    hl7_referral(
        (QINGSHI_FACILITY, code),
        (&new_control_id(), &new_number("QS")),
        &Person::default(),
        Charset::Gb18030,
    )
}

/// What comes to the lead hospital's own listener: whoever it is, it is the lead hospital.
pub fn lead_mllp() -> Result<Vec<Case>> {
    let with_separator = {
        let text = Charset::read(&hl7_referral(
            (LEAD, "330199002"),
            (&new_control_id(), &new_number("LD")),
            &Person::default(),
            Charset::Utf8,
        )?);
        text.replacen("主诉", "主\u{1c}诉", 1).into_bytes()
    };
    Ok(vec![
        Case::refused("noise in a frame", noise(2_000), "D014", ""),
        Case::refused("words in a frame", b"hello".to_vec(), "D012", ""),
        Case::refused("only a header", b"MSH|^~\\&|".to_vec(), "D019", ""),
        Case::taken("a file separator inside", framed(&with_separator)),
    ])
}

const JSON: (&str, &str) = ("/api/v1/messages", "application/json");
const FHIR: (&str, &str) = ("/fhir/$process-message", "application/fhir+json");

fn submit() -> Result<Value> {
    said(FENGQIAO, "referral.submit", None, Some(LEAD))
}

/// A good message with something else at `pointer`.
fn json_but(pointer: &str, value: Value) -> Result<Vec<u8>> {
    let mut message = submit()?;
    *message.pointer_mut(pointer).with_context(|| format!("no {pointer}"))? = value;
    Ok(message.to_string().into_bytes())
}

/// Bodies of native JSON.
pub fn json() -> Result<Vec<Case>> {
    let good = submit()?.to_string();
    let twice = good.replacen("{\"body\"", "{\"schema\":\"1.0\",\"body\"", 1);
    let twice = if twice == good { good.replacen('{', "{\"schema\":\"1.0\",", 1) } else { twice };
    let in_gbk = Charset::Gb18030.encode(&submit()?.to_string())?;
    let without = |field: &str| -> Result<Vec<u8>> {
        let mut message = submit()?;
        message.as_object_mut().context("an object")?.remove(field).context("the field")?;
        Ok(message.to_string().into_bytes())
    };
    let huge =
        good.replacen("\"size_bytes\":28", &format!("\"size_bytes\":1{}", "0".repeat(400)), 1);
    let mut too_long =
        Case::body("20 MB", JSON, vec![b' '; FAR_TOO_LONG], Says::Refused("E022", ""));
    too_long.kept = None;
    Ok(vec![
        too_long,
        Case::body("nothing", JSON, "", Says::Refused("D090", "")),
        Case::body("noise", JSON, noise(5_000), Says::Refused("D090", "")),
        Case::body("a list", JSON, "[]", Says::Refused("D090", "")),
        Case::body(
            "nested a hundred thousand deep",
            JSON,
            "[".repeat(100_000),
            Says::Refused("D090", ""),
        ),
        Case::body(
            "objects nested deep",
            JSON,
            "{\"a\":".repeat(50_000),
            Says::Refused("D090", ""),
        ),
        Case::body("a number of four hundred digits", JSON, huge, Says::Refused("D090", "")),
        Case::body("a field twice", JSON, twice, Says::Refused("D091", "schema")),
        Case::body("GBK", JSON, in_gbk, Says::Refused("D090", "")),
        Case::body("cut off", JSON, &good.as_bytes()[..good.len() / 2], Says::Refused("D090", "")),
        Case::body("no kind", JSON, without("kind")?, Says::Refused("D092", "kind")),
        Case::body(
            "a kind that nobody knows",
            JSON,
            json_but("/kind", json!("referral.teleport"))?,
            Says::Refused("D092", "kind"),
        ),
        Case::body("no source", JSON, without("source")?, Says::Refused("D094", "source")),
        Case::body(
            "another organisation's name",
            JSON,
            json_but("/source/organisation", json!(BAIMA))?,
            Says::Refused("D096", "source.organisation"),
        ),
        Case::body(
            "a sex that nobody knows",
            JSON,
            json_but("/body/patient/sex", json!("alien"))?,
            Says::Refused("D095", "patient.sex"),
        ),
        Case::body(
            "a priority that nobody knows",
            JSON,
            json_but("/priority", json!("soon"))?,
            Says::Refused("D095", "priority"),
        ),
        Case::body(
            "a wrong media type",
            (JSON.0, "text/plain"),
            submit()?.to_string(),
            Says::Taken,
        ),
        Case::body("a byte order mark", JSON, format!("\u{feff}{}", submit()?), Says::Taken),
    ])
}

/// A referral as FENGQIAO's neighbour would send it, in FENGQIAO's name.
pub fn good_fhir(number: &str) -> Result<Value> {
    fhir_referral((FENGQIAO, LEAD), number, &Person::default())
}

/// A good Bundle with something else at `pointer` of its first resource of this type.
fn fhir_but(resource: &str, pointer: &str, value: Value) -> Result<Vec<u8>> {
    let mut bundle = good_fhir(&new_number("FQ"))?;
    let entries = bundle["entry"].as_array_mut().context("entries")?;
    let found = entries.iter_mut().find(|entry| entry["resource"]["resourceType"] == resource);
    let found = found.and_then(|entry| entry["resource"].pointer_mut(pointer));
    *found.with_context(|| format!("no {resource}{pointer}"))? = value;
    Ok(bundle.to_string().into_bytes())
}

/// Bodies of FHIR.
pub fn fhir() -> Result<Vec<Case>> {
    let mut anonymous = good_fhir(&new_number("FQ"))?;
    let entries = anonymous["entry"].as_array_mut().context("entries")?;
    entries.retain(|entry| entry["resource"]["resourceType"] != "Patient");
    let other = "urn:tierlink:organisation:330199102";
    Ok(vec![
        Case::body("nothing", FHIR, "", Says::Refused("D060", "")),
        Case::body("noise", FHIR, noise(3_000), Says::Refused("D060", "")),
        Case::body("no Bundle", FHIR, "{\"resourceType\":\"Patient\"}", Says::Refused("D062", "")),
        Case::body(
            "nested a hundred thousand deep",
            FHIR,
            "[".repeat(100_000),
            Says::Refused("D060", ""),
        ),
        Case::body(
            "an event that nobody knows",
            FHIR,
            fhir_but("MessageHeader", "/eventCoding/code", json!("referral.teleport"))?,
            Says::Refused("D063", ""),
        ),
        Case::body(
            "another sender",
            FHIR,
            fhir_but("MessageHeader", "/source/endpoint", json!(other))?,
            Says::Refused("D065", ""),
        ),
        Case::body(
            "a priority that nobody knows",
            FHIR,
            fhir_but("ServiceRequest", "/priority", json!("soon"))?,
            Says::Refused("D067", "priority"),
        ),
        Case::body("no patient", FHIR, anonymous.to_string(), Says::Refused("D069", "")),
        Case::body(
            "an identity number that cannot be",
            FHIR,
            fhir_but("Patient", "/identifier/0/value", json!("990101195001010011"))?,
            Says::Refused("D070", ""),
        ),
        Case::body("a good one", FHIR, good_fhir(&new_number("FQ"))?.to_string(), Says::Taken),
    ])
}
