//! OBX of type ED and RP to attachments and back.
//!
//! ```text
//!   ED   source^type^subtype^encoding^content    RP   pointer^source^type^subtype
//! ```
//!
//! A document is read whole or refuses the message: half a report looks like a report. Senders
//! split long ones over repetitions of OBX-5, over several OBX with the same OBX-3, or over ADD
//! segments (`syntax.rs`). A part is known by its beginning: what has no header of its own, or is no
//! beginning of a file of its type, goes on with the document before it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::canon::Canon;
use crate::fault::Fault;
use crate::local;
use crate::notes::{Notes, What};
use crate::read::{Rep, Seg};
use crate::write::Line;

/// OBX-3 to kinds of attachment. The first name of a kind is the one that we write.
const PAPERS: [(&str, &str, &str); 12] = [
    ("18842-5", "LN", "discharge_summary"),
    ("113014", "DCM", "dicom"),
    ("11524-6", "LN", "ecg"),
    ("11502-2", "LN", "laboratory"),
    ("18748-4", "LN", "examination"),
    ("front_page", local::SYSTEM, "front_page"),
    ("diagnosis", local::SYSTEM, "diagnosis"),
    ("shared_document", local::SYSTEM, "shared_document"),
    ("image", local::SYSTEM, "image"),
    ("other", local::SYSTEM, "other"),
    ("57133-1", "LN", "other"),
    ("11488-4", "LN", "other"),
];

/// A media type for what says none.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// How files of a type begin. Of other types nothing is known.
const BEGINNINGS: [(&str, &[u8]); 9] = [
    ("application/pdf", b"%PDF"),
    ("image/jpeg", b"\xFF\xD8\xFF"),
    ("image/jpg", b"\xFF\xD8\xFF"),
    ("image/png", b"\x89PNG"),
    ("image/gif", b"GIF8"),
    ("image/tiff", b"II*\0"),
    ("application/zip", b"PK\x03\x04"),
    ("text/xml", b"<"),
    ("application/xml", b"<"),
];

/// Shortest text that is taken for base64 where nothing says that it is: a word is shorter.
const BASE64_CHARS_MIN: usize = 64;

/// What an OBX-5 is, whatever OBX-2 says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A document inside the message.
    Inline,
    /// A pointer to one.
    Reference,
    /// Base64 without a word on what it is.
    BareBase64,
    /// No document.
    Value,
}

/// Tells what OBX-5 holds. OBX-2 is believed only where the value agrees.
pub(crate) fn form(obx: Seg<'_>) -> Form {
    let value = obx.first(5);
    let stated = obx.first(2).peek(1).map(str::to_ascii_uppercase);
    let named = stated.as_deref() == Some("ED");
    // `A` is an alternate code elsewhere.
    let encodings = if named { &["BASE64", "HEX", "A"][..] } else { &["BASE64", "HEX"] };
    let is_encoding =
        |text: &str| encodings.iter().any(|encoding| encoding.eq_ignore_ascii_case(text));
    let encoded_in = |component| {
        value.peek(component).is_some_and(is_encoding) && value.peek(component + 1).is_some()
    };
    let has_header = encoded_in(4) || encoded_in(3);
    if has_header || (named && is_bare(value)) {
        return Form::Inline;
    }
    if stated.as_deref() == Some("RP") || (stated.is_none() && is_pointer(value)) {
        return Form::Reference;
    }
    // Words in an ED are words.
    let only = value.peek(2).or(value.peek(3)).or(value.peek(4)).or(value.peek(5)).is_none();
    if named && !only {
        return Form::Inline;
    }
    if is_bare(value) { Form::BareBase64 } else { Form::Value }
}

/// A URL with a media type behind it.
fn is_pointer(value: Rep<'_>) -> bool {
    value.peek(1).is_some_and(|text| text.contains("://")) && value.peek(3).is_some()
}

/// Nothing but base64, and too much of it to be a word.
fn is_bare(value: Rep<'_>) -> bool {
    let others = (2..=5).any(|component| value.peek(component).is_some());
    let text: String = value.peek(1).map(without_blanks).unwrap_or_default();
    !others && text.len() >= BASE64_CHARS_MIN && STANDARD.decode(&text).is_ok()
}

fn without_blanks(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// One part of a document as it was sent.
struct Part<'t> {
    /// Type and subtype, if this part states any.
    media_type: Option<String>,
    encoding: Option<&'t str>,
    text: &'t str,
}

impl<'t> Part<'t> {
    fn read(value: Rep<'t>, path: &str) -> Result<Self, Fault> {
        let unreadable = || Fault::Invalid {
            field: path.to_owned(),
            why: "a document is source^type^subtype^encoding^content; send it whole, in base64",
        };
        // Some leave the source out, so that everything stands one place to the left.
        let is_mime = |part: Option<&str>| part.is_some_and(|text| text.contains('/'));
        let (parts, encoding, content) = match (value.text(5), value.text(4)) {
            (Some(content), encoding) => ([value.text(2), value.text(3)], encoding, content),
            (None, Some(content)) if value.peek(3).is_some() => {
                let first = value.peek(1).filter(|_| !is_mime(value.peek(2)));
                if first.is_some() {
                    value.text(1);
                }
                ([first, value.text(2)], value.text(3), content)
            }
            (None, _) => match (value.text(1), value.peek(2)) {
                (Some(content), None) => ([None, None], None, content),
                _ => return Err(unreadable()),
            },
        };
        Ok(Self { media_type: media_type(parts), encoding, text: content })
    }

    fn is_base64(&self) -> bool {
        self.encoding.is_none_or(|encoding| encoding.eq_ignore_ascii_case("base64"))
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        match self.encoding.map(str::to_ascii_lowercase).as_deref() {
            None | Some("base64") => STANDARD.decode(without_blanks(self.text)).ok(),
            Some("hex") => hexadecimal(&without_blanks(self.text)),
            Some("a") => Some(self.text.as_bytes().to_vec()),
            Some(_) => None,
        }
    }

    /// Whether it goes on with a document of this type.
    fn continues(&self, media_type: &str) -> bool {
        match &self.media_type {
            None => true,
            Some(own) if own != media_type => false,
            Some(_) => {
                let known = BEGINNINGS.iter().find(|(kind, _)| *kind == media_type);
                let begins = |start: &[u8]| self.bytes().is_some_and(|it| it.starts_with(start));
                known.is_some_and(|(_, start)| !begins(start))
            }
        }
    }
}

/// The media type of `type^subtype`: as MIME writes it, or with the words of HL7 table 0191.
fn media_type(parts: [Option<&str>; 2]) -> Option<String> {
    let whole = parts.into_iter().flatten().find(|part| part.contains('/'));
    if let Some(whole) = whole {
        return Some(whole.to_ascii_lowercase());
    }
    let subtype = parts[1]?.to_ascii_lowercase();
    let kind = match parts[0].map(str::to_ascii_lowercase).as_deref() {
        Some("ap") => "application".to_owned(),
        Some("im" | "si" | "sd") => "image".to_owned(),
        Some("tx" | "ft") => "text".to_owned(),
        Some("au") => "audio".to_owned(),
        Some(kind) => kind.to_owned(),
        None if ["jpeg", "jpg", "png", "gif", "tiff"].contains(&subtype.as_str()) => {
            "image".to_owned()
        }
        None => "application".to_owned(),
    };
    Some(format!("{kind}/{subtype}"))
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    pairs.collect()
}

/// The parts of a document, put together.
struct Document {
    media_type: String,
    /// Base64 as it was sent, while every part is base64.
    text: Option<String>,
    bytes: Option<Vec<u8>>,
}

impl Document {
    fn begin(part: &Part<'_>) -> Self {
        let media_type = part.media_type.clone().or_else(|| by_beginning(&part.bytes()?));
        let mut document = Self {
            media_type: media_type.unwrap_or_else(|| UNKNOWN_TYPE.to_owned()),
            text: Some(String::new()),
            bytes: Some(Vec::new()),
        };
        document.add(part);
        document
    }

    fn add(&mut self, part: &Part<'_>) {
        let text = part.is_base64().then(|| without_blanks(part.text));
        self.text = self.text.take().zip(text).map(|(before, text)| before + &text);
        self.bytes = self.bytes.take().zip(part.bytes()).map(|(mut before, bytes)| {
            before.extend(bytes);
            before
        });
    }

    /// A file may have been cut before it was encoded, or afterwards.
    fn content(&self) -> Option<String> {
        let cut_afterwards = self
            .text
            .as_ref()
            .filter(|text| STANDARD.decode(text.as_bytes()).is_ok_and(|bytes| !bytes.is_empty()));
        let cut_before = self.bytes.as_ref().filter(|bytes| !bytes.is_empty());
        cut_afterwards.cloned().or_else(|| cut_before.map(|bytes| STANDARD.encode(bytes)))
    }
}

fn by_beginning(bytes: &[u8]) -> Option<String> {
    let known = BEGINNINGS.iter().find(|(_, start)| bytes.starts_with(start));
    known.map(|(kind, _)| (*kind).to_owned())
}

/// Reads the document that begins in the first of `rest`, and says how many OBX it takes.
pub(crate) fn read(rest: &[Seg<'_>], canon: &mut Canon, notes: &mut Notes) -> Result<usize, Fault> {
    let Some(obx) = rest.first().copied() else { return Ok(0) };
    let path = format!("attachments.{}", canon.len("attachments"));
    let form = form(obx);
    if !matches!(obx.first(2).peek(1), Some("ED" | "RP")) {
        notes.add(obx.path(2), What::Mapping("is not the type of its value; read as a document"));
    }
    if form == Form::Inline && obx.first(5).peek(4).is_none() {
        notes.add(obx.path(5), What::Mapping("states no encoding; read as base64"));
    }
    obx.text(2, 1);
    if form == Form::Reference {
        read_title(obx, &path, canon);
        read_reference(obx, &path, canon)?;
        return Ok(1);
    }
    let mut parts = Vec::new();
    for (nth, seg) in rest.iter().enumerate() {
        let same = nth == 0
            || (self::form(*seg) != Form::Value
                && self::form(*seg) != Form::Reference
                && seg.first(3).peek(1) == obx.first(3).peek(1)
                && !crate::status::is_withdrawn(*seg));
        if !same {
            break;
        }
        for rep in seg.repetitions(5) {
            parts.push((nth, rep.own_path(), Part::read(rep, &rep.own_path())?));
        }
    }
    let Some((_, _, first)) = parts.first() else { return Ok(1) };
    let mut document = Document::begin(first);
    let mut taken = 1;
    for (nth, path, part) in parts.iter().skip(1) {
        if !part.continues(&document.media_type) {
            // Another document. In its own OBX it is read in its turn.
            if *nth >= taken {
                break;
            }
            return Err(Fault::Invalid {
                field: path.clone(),
                why: "it begins a second document; send each document in an OBX of its own",
            });
        }
        notes.add(path.clone(), What::Mapping("goes on with the document before it; joined"));
        document.add(part);
        taken = nth + 1;
    }
    let content = document.content().ok_or_else(|| Fault::Invalid {
        field: obx.path(5),
        why: "its content cannot be decoded; send it whole, in base64",
    })?;
    for seg in rest.iter().take(taken).skip(1) {
        seg.take();
    }
    read_title(obx, &path, canon);
    canon.put(&format!("{path}.media_type"), document.media_type);
    canon.put(&format!("{path}.content"), content);
    Ok(taken)
}

fn read_title(obx: Seg<'_>, path: &str, canon: &mut Canon) {
    let question = obx.first(3);
    let known =
        question.peek(1).and_then(|code| PAPERS.iter().find(|(known, _, _)| *known == code));
    canon.put(&format!("{path}.kind"), known.map_or("other", |(_, _, kind)| *kind));
    if known.is_some() {
        question.text(1);
        question.text(3);
    }
    let title = question.text(2).or_else(|| question.text(1)).unwrap_or("附件");
    canon.put(&format!("{path}.title"), title);
}

fn read_reference(obx: Seg<'_>, path: &str, canon: &mut Canon) -> Result<(), Fault> {
    let value = obx.first(5);
    let Some(pointer) = value.text(1) else {
        return Err(Fault::Missing {
            field: obx.path(5),
            why: "the receiver can fetch the document; send its address",
        });
    };
    if obx.repetitions(5).count() > 1 {
        return Err(Fault::Invalid {
            field: format!("{}[2]", obx.path(5)),
            why: "it points to a second document; send each in an OBX of its own",
        });
    }
    canon.put(&format!("{path}.reference"), pointer);
    let media_type = media_type([value.text(3), value.text(4)]);
    canon.put(&format!("{path}.media_type"), media_type.unwrap_or_else(|| UNKNOWN_TYPE.to_owned()));
    Ok(())
}

/// Writes the attachments of a body.
pub(crate) fn write(canon: &mut Canon) -> Vec<Line> {
    (0..canon.len("attachments"))
        .filter_map(|index| write_one(canon, &format!("attachments.{index}")))
        .collect()
}

fn write_one(canon: &mut Canon, path: &str) -> Option<Line> {
    let part = |part: &str| format!("{path}.{part}");
    let content = canon.text(&part("content")).is_some();
    if !content && canon.text(&part("reference")).is_none() {
        return None;
    }
    let media_type = canon.take(&part("media_type")).unwrap_or_default();
    let kind = canon.take(&part("kind")).unwrap_or_default();
    let (code, system, _) =
        PAPERS.iter().find(|(_, _, known)| *known == kind).copied().unwrap_or(PAPERS[9]);
    let (family, subtype) = media_type.split_once('/').unwrap_or(("application", "octet-stream"));
    let mut obx = Line::new("OBX");
    obx.put(3, 1, code).put(3, 3, system).put(11, 1, "F");
    obx.put_some(3, 2, canon.take(&part("title")));
    if content {
        obx.put(2, 1, "ED").put(5, 2, family).put(5, 3, subtype).put(5, 4, "Base64");
        obx.put_some(5, 5, canon.take(&part("content")));
    } else {
        obx.put(2, 1, "RP").put(5, 3, family).put(5, 4, subtype);
        obx.put_some(5, 1, canon.take(&part("reference")));
    }
    Some(obx)
}
