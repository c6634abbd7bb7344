//! OBX to results, papers and words, and results back to OBX.
//!
//! ```text
//!   OBX  99TL path                     ─▶ that field (local.rs)
//!        a document, whatever OBX-2    ─▶ attachments (attachments.rs)
//!        WS/T 363 element or its name  ─▶ clinical.chief_complaint and so on, in a request
//!        with OBX-3                    ─▶ observations, where the body has any
//!        without OBX-3, or no list     ─▶ words, in the order of the message
//! ```
//!
//! What is withdrawn (OBX-11 D, W) goes nowhere; whoever reads the message is told that something
//! was left out, and where. OBX-2 is believed only as far as the value agrees with it.

use jiff::tz::TimeZone;
use tierlink_schemas::Kind;

use crate::attachments::{self, Form};
use crate::canon::Canon;
use crate::fault::Fault;
use crate::lists::Lists;
use crate::local;
use crate::notes::{Notes, What};
use crate::read::{Rep, Seg};
use crate::status::{self, Status};
use crate::time::{self, Zones};
use crate::tree::Tree;
use crate::types::{read_coded, read_instant, take_any_set_id, write_coded, write_instant};
use crate::write::Line;

/// The longest value of an observation that the canonical message holds, in characters.
const VALUE_CHARS_MAX: usize = 20_000;

/// The longest reason for a missing value that the canonical message holds, in characters.
const REASON_CHARS_MAX: usize = 1_000;

/// OBR-4 of documents (LOINC): they name the paper, not what was examined.
const DOCUMENTS: [&str; 3] = ["18842-5", "57133-1", "11488-4"];

/// The signs of a comparison, the longer ones first.
const COMPARATORS: [&str; 4] = ["<=", ">=", "<", ">"];

/// What OBX segments say that is no result and no paper.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// The lines of the report, in order.
    pub(crate) lines: Vec<String>,
    /// Where something was left out because it was withdrawn.
    pub(crate) left_out: Vec<String>,
}

/// Reads every OBX that is not one of our own fields.
pub(crate) fn read(
    tree: &Tree,
    kind: Kind,
    zones: &Zones,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Result<Words, Fault> {
    let lists = Lists::of(kind);
    let (all, orders) = with_orders(tree);
    let labels = Labels::of(&all);
    let mut words = Words::default();
    let mut reader =
        Reader { lists, zones, canon, notes, order: None, titled: None, groups: Vec::new() };
    let mut at = 0;
    while let Some(obx) = all.get(at).copied() {
        take_any_set_id(obx);
        reader.order = orders.get(at).copied().flatten();
        let status = status::read(obx, reader.order, reader.notes)?;
        if status == Status::Withdrawn {
            words.left_out.push(obx.label());
            status::leave_out(obx, 11, reader.notes);
            at += 1;
            continue;
        }
        if attachments::form(obx) != Form::Value {
            at += reader.paper(&all[at..], status)?;
            continue;
        }
        reader.value(obx, status, &labels, &mut words)?;
        at += 1;
    }
    Ok(words)
}

/// Every OBX that is not one of our own fields, and the OBR that it belongs to.
fn with_orders(tree: &Tree) -> (Vec<Seg<'_>>, Vec<Option<Seg<'_>>>) {
    let mut order = None;
    let mut found = Vec::new();
    for seg in tree.segments() {
        match seg.name() {
            "OBR" => order = Some(seg),
            "OBX" if local::path(seg).is_none() => found.push((seg, order)),
            _ => {}
        }
    }
    found.into_iter().unzip()
}

/// Whether words need a label: a report whose lines all have the same one has a title, no labels.
struct Labels {
    differ: bool,
}

impl Labels {
    fn of(all: &[Seg<'_>]) -> Self {
        let label = |obx: &Seg<'_>| {
            let question = obx.first(3);
            [question.peek(1), question.peek(2)].map(|part| part.map(str::to_owned))
        };
        let mut labels: Vec<_> =
            all.iter().filter(|obx| is_text(**obx) && is_labelled(**obx)).map(label).collect();
        labels.dedup();
        Self { differ: labels.len() > 1 }
    }
}

fn is_text(obx: Seg<'_>) -> bool {
    matches!(obx.first(2).peek(1), Some("TX" | "FT" | "ST") | None)
}

fn is_labelled(obx: Seg<'_>) -> bool {
    let question = obx.first(3);
    (1..=5).any(|component| question.peek(component).is_some())
}

struct Reader<'r> {
    lists: Lists,
    zones: &'r Zones,
    canon: &'r mut Canon,
    notes: &'r mut Notes,
    /// The OBR that the segment belongs to.
    order: Option<Seg<'r>>,
    /// The OBR whose title stands before the lines already.
    titled: Option<String>,
    /// OBX-4 of each observation that was read, to find the parts of one by.
    groups: Vec<Option<String>>,
}

impl Reader<'_> {
    fn paper(&mut self, rest: &[Seg<'_>], status: Status) -> Result<usize, Fault> {
        let Some(obx) = rest.first() else { return Ok(1) };
        if !self.lists.attachments {
            let what = "holds a document, for which this kind of message has no place; it was kept \
                        and not sent on";
            self.notes.add(obx.path(5), What::Mapping(what));
            return Ok(1);
        }
        let path = format!("attachments.{}.title", self.canon.len("attachments"));
        let taken = attachments::read(rest, self.canon, self.notes)?;
        if let Some(title) = self.canon.text(&path).map(|title| format!("{}{title}", status.mark()))
        {
            self.canon.put(&path, title);
        }
        Ok(taken)
    }

    fn value(
        &mut self,
        obx: Seg<'_>,
        status: Status,
        labels: &Labels,
        words: &mut Words,
    ) -> Result<(), Fault> {
        let characters: usize = obx.repetitions(5).map(Rep::chars).sum();
        if characters > VALUE_CHARS_MAX {
            let (path, parts) = (obx.path(5), "characters");
            return Err(Fault::TooMany { path, parts, limit: VALUE_CHARS_MAX });
        }
        if self.lists.clinical
            && let Some(path) = local::clinical_path(obx)
        {
            obx.first(3).whole();
            if !matches!(obx.text(2, 1), Some("TX" | "FT" | "ST")) {
                self.notes
                    .add(obx.path(2), What::Mapping("is no text; the value was read as text"));
            }
            let Some(text) = obx.whole_field(5) else { return Ok(()) };
            let text = format!("{}{text}", status.mark());
            // The same heading twice is one text in two parts.
            let text = match self.canon.take(path) {
                Some(before) => format!("{before}\n{text}"),
                None => text,
            };
            self.canon.put(path, text);
            return Ok(());
        }
        match self.lists.observations {
            Some(list) if is_labelled(obx) => self.observation(obx, status, list),
            Some(_) | None => {
                if let Some(line) = self.line(obx, status, labels) {
                    words.lines.extend(self.title());
                    words.lines.push(line);
                }
                Ok(())
            }
        }
    }

    /// What was examined, once before the lines that say what was found. Names of documents are no
    /// such title.
    fn title(&mut self) -> Option<String> {
        let order = self.order?;
        let label = Some(order.label()).filter(|label| self.titled.as_ref() != Some(label))?;
        let service = order.first(4);
        let is_document = service.peek(1).is_some_and(|code| DOCUMENTS.contains(&code))
            || service.peek(3) == Some(local::SYSTEM);
        if is_document {
            return None;
        }
        let words = service.text(2).or_else(|| service.peek(1).filter(|it| !it.is_ascii()))?;
        self.titled = Some(label);
        Some(format!("{words}："))
    }

    /// A result as a line of a report.
    fn line(&mut self, obx: Seg<'_>, status: Status, labels: &Labels) -> Option<String> {
        let mut line = Canon::new();
        read_value(obx, "", &mut line, self.notes);
        let value: String =
            [line.text("comparator"), line.text("value")].into_iter().flatten().collect();
        let about = [
            obx.text(6, 1).or_else(|| obx.text(6, 2)).map(|unit| format!(" {unit}")),
            obx.whole_field(7).map(|range| format!("（参考值 {range}）")),
            flags(obx).map(|flags| format!(" {flags}")),
        ];
        let about: String = about.into_iter().flatten().collect();
        let question = obx.first(3);
        let label = question.peek(2).or_else(|| question.peek(1)).or_else(|| question.peek(5));
        let label = label.filter(|_| labels.differ || !is_text(obx));
        if value.is_empty() && status.word().is_none() {
            return None;
        }
        question.whole();
        let label = label.map(|label| format!("{label}：")).unwrap_or_default();
        Some(format!("{}{label}{value}{about}", status.mark()))
    }

    fn observation(&mut self, obx: Seg<'_>, status: Status, list: &str) -> Result<(), Fault> {
        let number = obx.text(4, 1).map(str::to_owned);
        let parent = number.as_deref().and_then(|number| Some(number.rsplit_once('.')?.0));
        let parent = parent.and_then(|parent| {
            let last = self.groups.len().checked_sub(1)?;
            (self.groups[last].as_deref() == Some(parent)).then_some(last)
        });
        let at = |list: &str, canon: &Canon| format!("{list}.{}", canon.len(list));
        let path = match parent {
            Some(parent) => at(&format!("{list}.{parent}.components"), self.canon),
            None => at(list, self.canon),
        };
        if !read_coded(obx.first(3), &format!("{path}.what"), self.canon, self.notes) {
            // Only words in a place where no code is: OBX-3.5 or a coding system.
            let text = obx.first(3).whole();
            self.canon.put_some(&format!("{path}.what.text"), text);
        }
        read_value(obx, &path, self.canon, self.notes);
        let unit = obx.text(6, 1).or_else(|| obx.text(6, 2));
        self.canon.put_some(&format!("{path}.unit"), unit);
        self.canon.put_some(&format!("{path}.range"), obx.whole_field(7));
        self.canon.put_some(&format!("{path}.flag"), flags(obx));
        let has_value = self.canon.text(&format!("{path}.value")).is_some();
        if matches!(status, Status::NotObtained | Status::Awaited) && has_value {
            self.no_value(obx, &path)?;
        }
        if parent.is_some() {
            return self.same_status(obx, status, list);
        }
        self.canon.put_some(&format!("{path}.status"), status.word());
        self.time(obx, &path);
        if let Some(method) = obx.text(17, 2).or_else(|| obx.text(17, 1)) {
            let before = self.canon.take(&format!("{path}.note"));
            let before = before.map(|before| format!("{before}；")).unwrap_or_default();
            self.canon.put(&format!("{path}.note"), format!("{before}方法：{method}"));
        }
        self.groups.push(number);
        Ok(())
    }

    /// OBX-5 beside a status that says there is no value. Words are the reason, such as 标本溶血, and a
    /// number is the filler of a form, such as 0.
    fn no_value(&mut self, obx: Seg<'_>, path: &str) -> Result<(), Fault> {
        self.canon.take(&format!("{path}.comparator"));
        let Some(value) = self.canon.take(&format!("{path}.value")) else { return Ok(()) };
        if value.trim().parse::<f64>().is_ok_and(f64::is_finite) {
            let what = "stands beside a status that says there is no value; it was left out";
            self.notes.add(obx.path(5), What::Mapping(what));
            return Ok(());
        }
        if value.chars().count() > REASON_CHARS_MAX {
            let (path, parts) = (obx.path(5), "characters beside a status without a value");
            return Err(Fault::TooMany { path, parts, limit: REASON_CHARS_MAX });
        }
        self.canon.put(&format!("{path}.absent_reason.text"), value);
        Ok(())
    }

    /// OBX-14, or OBR-7 of the order. A day is no instant, so it becomes words.
    fn time(&mut self, obx: Seg<'_>, path: &str) {
        let at = format!("{path}.at");
        let places = std::iter::once((obx, 14)).chain(self.order.map(|order| (order, 7)));
        for (seg, field) in places {
            read_instant(seg, field, &at, self.canon, self.zones, self.notes);
            if self.canon.text(&at).is_some() {
                return;
            }
            let day = seg.first(field).peek(1).and_then(time::read).and_then(|it| it.date());
            if let Some(day) = day {
                seg.text(field, 1);
                self.canon.put(&format!("{path}.note"), format!("日期：{day}"));
                return;
            }
        }
    }

    /// The parts of an observation have one status between them.
    fn same_status(&self, obx: Seg<'_>, status: Status, list: &str) -> Result<(), Fault> {
        let parent = self.groups.len().saturating_sub(1);
        let stated = self.canon.text(&format!("{list}.{parent}.status"));
        if stated == status.word() {
            return Ok(());
        }
        Err(Fault::Modifier {
            field: obx.path(11),
            why: "differs from the status of the observation that it is a part of (OBX-4); send it \
                  as an observation of its own",
        })
    }
}

/// Every abnormal flag; there may be several.
fn flags(obx: Seg<'_>) -> Option<String> {
    let flags: Vec<&str> = obx.repetitions(8).filter_map(|rep| rep.text(1)).collect();
    (!flags.is_empty()).then(|| flags.join(" "))
}

/// Reads OBX-5 into `value` and `comparator` below `path`.
fn read_value(obx: Seg<'_>, path: &str, canon: &mut Canon, notes: &mut Notes) {
    let place =
        |part: &str| if path.is_empty() { part.to_owned() } else { format!("{path}.{part}") };
    let stated = obx.text(2, 1).map(str::to_ascii_uppercase);
    let value = obx.first(5);
    match stated.as_deref() {
        Some("SN") => {
            let (sign, text) = structured(value);
            canon.put_some(&place("comparator"), sign);
            canon.put_some(&place("value"), text);
        }
        Some("NM") => {
            let text = obx.whole_field(5);
            let (sign, number) = text.as_deref().map(split_sign).unwrap_or_default();
            let is_number = number.trim().parse::<f64>().is_ok_and(f64::is_finite);
            if is_number {
                canon.put_some(&place("comparator"), sign);
                canon.put(&place("value"), number.trim());
            } else {
                canon.put_some(&place("value"), text.as_deref());
            }
            if text.is_some() && (sign.is_some() || !is_number) {
                notes.add(obx.path(5), What::Mapping("is no number (OBX-2 NM); read as it stands"));
            }
        }
        Some("CE" | "CWE" | "CNE" | "CF") => {
            let words: Vec<String> = obx.repetitions(5).filter_map(coded).collect();
            let words = (!words.is_empty()).then(|| words.join("；"));
            canon.put_some(&place("value"), words);
        }
        None => {
            notes.add(obx.path(2), What::Mapping("states no type; the value was read as text"));
            canon.put_some(&place("value"), obx.whole_field(5));
        }
        Some(
            "ST" | "TX" | "FT" | "DT" | "TM" | "TS" | "DTM" | "ID" | "IS" | "SI" | "CQ" | "MO"
            | "NA" | "XPN" | "XCN" | "XAD" | "XTN" | "CX" | "EI" | "PL" | "CP" | "CK" | "PN" | "CN"
            | "AD" | "TN" | "NR" | "DR" | "RI" | "TQ" | "XON" | "VR",
        ) => {
            canon.put_some(&place("value"), obx.whole_field(5));
        }
        Some(_) => {
            notes.add(obx.path(2), What::Mapping("is no type of the value; it was read as text"));
            canon.put_some(&place("value"), obx.whole_field(5));
        }
    }
}

/// SN: `comparator^number^separator^number`.
fn structured(value: Rep<'_>) -> (Option<&'static str>, Option<String>) {
    let [first, second, third, fourth] = [1, 2, 3, 4].map(|component| value.text(component));
    let sign = first.and_then(|first| COMPARATORS.into_iter().find(|sign| *sign == first));
    let alone = third.is_none() && fourth.is_none();
    if sign.is_some() && alone && second.is_some() {
        return (sign, second.map(str::to_owned));
    }
    if second.is_none() && alone {
        let (sign, number) = first.map(split_sign).unwrap_or_default();
        let number = number.trim();
        return (sign, (!number.is_empty()).then(|| number.to_owned()));
    }
    let equal = first.filter(|first| *first != "=");
    let text: String = [equal, second, third, fourth].into_iter().flatten().collect();
    (None, Some(text))
}

/// `<10` as `<` and `10`.
fn split_sign(text: &str) -> (Option<&'static str>, &str) {
    let text = text.trim();
    COMPARATORS
        .into_iter()
        .find_map(|sign| Some((Some(sign), text.strip_prefix(sign)?)))
        .unwrap_or((None, text))
}

/// The words of a coded value. Its code is kept among the extras where there are words.
fn coded(rep: Rep<'_>) -> Option<String> {
    let words = [2, 9, 5].into_iter().find_map(|component| rep.text(component));
    words.or_else(|| rep.text(1)).or_else(|| rep.text(4)).map(str::to_owned)
}

/// Writes the results of a body.
pub(crate) fn write(canon: &mut Canon, kind: Kind, zone: &TimeZone) -> Vec<Line> {
    let Some(list) = Lists::of(kind).observations else { return Vec::new() };
    let mut lines = Vec::new();
    for index in 0..canon.len(list) {
        let path = format!("{list}.{index}");
        let parts = canon.len(&format!("{path}.components"));
        let status = status_code(canon, &path);
        let number = (parts > 0).then(|| (index + 1).to_string());
        let mut obx = write_one(canon, &path, status);
        obx.put_some(4, 1, number.clone());
        write_instant(&mut obx, 14, 1, canon, &format!("{path}.at"), zone);
        lines.push(obx);
        for part in 0..parts {
            let mut obx = write_one(canon, &format!("{path}.components.{part}"), status);
            obx.put_some(4, 1, number.as_ref().map(|number| format!("{number}.{}", part + 1)));
            lines.push(obx);
        }
    }
    lines
}

/// OBX-11.
fn status_code(canon: &mut Canon, path: &str) -> &'static str {
    let path = format!("{path}.status");
    let word = canon.text(&path).map(str::to_owned);
    let code = status::code(word.as_deref());
    if word.as_deref() == status::word_of(code) {
        canon.take(&path);
    }
    code
}

fn write_one(canon: &mut Canon, path: &str, status: &str) -> Line {
    let mut obx = Line::new("OBX");
    let part = |part: &str| format!("{path}.{part}");
    // Where there is no value, hospitals write the reason in its place.
    let reason = part("absent_reason.text");
    let is_words = canon.text(&reason).is_some_and(|text| text.trim().parse::<f64>().is_err());
    let has_none = matches!(status, "X" | "I") && is_words;
    let reason = if has_none { canon.take(&reason) } else { None };
    let value = canon.take(&part("value")).or(reason).unwrap_or_default();
    let is_number = value.parse::<f64>().is_ok_and(f64::is_finite);
    let is_long = value.len() > 200 || value.contains('\n');
    match (canon.take(&part("comparator")), is_number, is_long) {
        (Some(sign), _, _) => obx.put(2, 1, "SN").put(5, 1, sign).put(5, 2, value),
        (None, true, _) => obx.put(2, 1, "NM").put(5, 1, value),
        (None, false, true) => obx.put(2, 1, "TX").put(5, 1, value),
        (None, false, false) => obx.put(2, 1, "ST").put(5, 1, value),
    };
    obx.put(11, 1, status);
    write_coded(&mut obx, 3, 1, canon, &part("what"));
    obx.put_some(6, 1, canon.take(&part("unit"))).put_some(7, 1, canon.take(&part("range")));
    for (repetition, flag) in
        (1_u16..).zip(canon.take(&part("flag")).unwrap_or_default().split(' '))
    {
        obx.put_at(8, repetition, 1, 1, flag);
    }
    obx
}
