//! Splits corrected lines into values, with hl7-parser. No other file knows that crate.
//!
//! hl7-parser answers `Ok` with the rest of a message missing when a line surprises it. Two guards
//! stand round it. Before it, `syntax.rs` makes every line unsurprising, and delimiters are counted
//! so that a hostile message cannot make it build millions of parts. After it, every byte is
//! accounted for: values plus delimiters must be exactly as long as the text that went in.
//! Its errors quote the message, so only the fact of the error leaves this file.
//!
//! The result is flat: only values that are not empty, sorted by place. A referral has some 200 of
//! them, and looking one up is a binary search.

use std::cell::Cell;
use std::ops::Range;

use hl7_parser::Message;

use crate::charset::Charset;
use crate::delimiters::Delimiters;
use crate::escape::unescape;
use crate::fault::Fault;
use crate::limits::{COMPONENTS_MAX, FIELDS_MAX, REPETITIONS_MAX, SUBCOMPONENTS_MAX, VALUES_MAX};
use crate::notes::Notes;
use crate::syntax::Lines;

/// Where a value stands in its segment. All numbers begin with 1, as in the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) field: u16,
    pub(crate) repetition: u16,
    pub(crate) component: u16,
    /// [`WHOLE`] is the component as one text, where a raw delimiter divides it.
    pub(crate) subcomponent: u16,
}

/// The place, before its subcomponents, of a divided component as one text.
pub(crate) const WHOLE: u16 = 0;

impl Place {
    /// Where a repetition begins.
    pub(crate) const fn start(field: u16, repetition: u16) -> Self {
        Self { field, repetition, component: 0, subcomponent: 0 }
    }
}

/// A value that is not empty.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) place: Place,
    pub(crate) text: Box<str>,
    /// Whether it is `""` as it was sent. The same characters behind escapes are text.
    pub(crate) null: bool,
    /// Whether the mapping has used it. What it has not used is kept among the extras.
    pub(crate) taken: Cell<bool>,
}

impl Value {
    /// Whether it repeats its neighbours: a divided component as one text.
    pub(crate) fn is_whole(&self) -> bool {
        self.place.subcomponent == WHOLE
    }
}

/// One segment: its name, which of its name it is, and its values.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) name: [u8; 3],
    pub(crate) nth: usize,
    pub(crate) values: Range<usize>,
}

/// A message, taken apart.
#[derive(Debug)]
pub struct Tree {
    /// What the message is divided by.
    pub delimiters: Delimiters,
    /// The character set that the message came in.
    pub charset: Charset,
    pub(crate) segments: Vec<Segment>,
    pub(crate) values: Vec<Value>,
}

/// Takes mended lines apart.
pub(crate) fn grow(lines: &Lines, charset: Charset, notes: &mut Notes) -> Result<Tree, Fault> {
    count_before(lines)?;
    let broken = |segment: &str| Fault::Structure { segment: segment.to_owned() };
    let message = Message::parse(&lines.text).map_err(|_| broken("MSH"))?;
    if message.raw_value().len() != lines.text.len() || message.segments.len() != lines.count {
        let last = message.segments.last().map_or("MSH", |segment| segment.name);
        return Err(broken(last));
    }

    let mut tree = Tree {
        delimiters: lines.delimiters,
        charset,
        segments: Vec::with_capacity(message.segments.len()),
        values: Vec::with_capacity(256),
    };
    let mut accounted = message.segments.len() - 1;
    for segment in &message.segments {
        accounted += tree.add(segment, notes)?;
    }
    if accounted != lines.text.len() {
        return Err(broken("MSH"));
    }
    Ok(tree)
}

/// Counting delimiters bounds what the parser can build, and costs next to nothing.
fn count_before(lines: &Lines) -> Result<(), Fault> {
    let [component, repetition, _, subcomponent] = lines.delimiters.all_four();
    let divides = [lines.delimiters.field, component, repetition, subcomponent];
    let values = lines.text.chars().filter(|c| divides.contains(c)).count() + lines.count;
    if values > VALUES_MAX {
        let path = "the message".to_owned();
        return Err(Fault::TooMany { path, parts: "values", limit: VALUES_MAX });
    }
    Ok(())
}

impl Tree {
    /// Adds a segment and says how many bytes of the message it accounts for.
    fn add(
        &mut self,
        segment: &hl7_parser::message::Segment<'_>,
        notes: &mut Notes,
    ) -> Result<usize, Fault> {
        let name = <[u8; 3]>::try_from(segment.name.as_bytes())
            .map_err(|_| Fault::Structure { segment: segment.name.to_owned() })?;
        let nth = self.segments.iter().filter(|before| before.name == name).count() + 1;
        let label =
            if nth == 1 { segment.name.to_owned() } else { format!("{}[{nth}]", segment.name) };
        let begin = self.values.len();

        within(segment.fields.len(), FIELDS_MAX, "fields", || label.clone())?;
        let is_msh = segment.name == "MSH";
        // In MSH, fields 1 and 2 are the delimiters themselves, so nothing divides them.
        let undivided: u16 = if is_msh { 2 } else { 0 };
        let mut accounted =
            segment.name.len() + segment.fields.len().saturating_sub(undivided.into());
        for (field, number) in segment.fields.iter().zip(1_u16..) {
            let path = || format!("{label}-{number}");
            if number <= undivided {
                accounted += field.raw_value().len();
                continue;
            }
            within(field.repeats.len(), REPETITIONS_MAX, "repetitions", path)?;
            accounted += field.repeats.len().saturating_sub(1);
            for (repeat, repetition) in field.repeats.iter().zip(1_u16..) {
                within(repeat.components.len(), COMPONENTS_MAX, "components", path)?;
                accounted += repeat.components.len().saturating_sub(1);
                for (component, component_number) in repeat.components.iter().zip(1_u16..) {
                    let parts = &component.subcomponents;
                    within(parts.len(), SUBCOMPONENTS_MAX, "subcomponents", path)?;
                    accounted += parts.len().saturating_sub(1);
                    let place = |subcomponent| Place {
                        field: number,
                        repetition,
                        component: component_number,
                        subcomponent,
                    };
                    if parts.iter().skip(1).any(|part| !part.value.trim().is_empty()) {
                        let raw = component.raw_value();
                        self.add_value(place(WHOLE), raw, &path, &mut Notes::default());
                    }
                    for (part, subcomponent) in parts.iter().zip(1_u16..) {
                        accounted += part.value.len();
                        self.add_value(place(subcomponent), part.value, &path, notes);
                    }
                }
            }
        }
        self.segments.push(Segment { name, nth, values: begin..self.values.len() });
        Ok(accounted)
    }

    fn add_value(&mut self, place: Place, raw: &str, path: &dyn Fn() -> String, notes: &mut Notes) {
        // Blanks around a value are padding in every implementation seen.
        let raw = raw.trim_matches([' ', '\t']);
        if raw.is_empty() {
            return;
        }
        let text = unescape(raw, &self.delimiters, self.charset, &mut |what| {
            notes.add(path(), what);
        });
        let null = raw == crate::escape::NULL;
        self.values.push(Value { place, text: text.into(), null, taken: Cell::new(false) });
    }
}

fn within(
    count: usize,
    limit: usize,
    parts: &'static str,
    path: impl FnOnce() -> String,
) -> Result<(), Fault> {
    if count > limit {
        return Err(Fault::TooMany { path: path(), parts, limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::mend;
    use proptest::prelude::*;

    fn tree(text: &str) -> Result<Tree, Fault> {
        let mut notes = Notes::default();
        grow(&mend(text, &mut notes)?, Charset::UTF_8, &mut notes)
    }

    /// The same message, split by hand: what hl7-parser must agree with.
    fn naively(text: &str) -> Vec<(String, Place, String)> {
        let mut values = Vec::new();
        for line in text.split('\r') {
            let (name, rest) = line.split_at(3);
            let first = if name == "MSH" { 2 } else { 1 };
            let fields = rest.strip_prefix('|').unwrap_or(rest);
            for (field, number) in fields.split('|').zip(first..) {
                if name == "MSH" && number == 2 {
                    continue;
                }
                for (repeat, repetition) in field.split('~').zip(1..) {
                    for (part, component) in repeat.split('^').zip(1..) {
                        for (sub, subcomponent) in part.split('&').zip(1..) {
                            if !sub.trim().is_empty() {
                                let place =
                                    Place { field: number, repetition, component, subcomponent };
                                values.push((name.to_owned(), place, sub.trim().to_owned()));
                            }
                        }
                    }
                }
            }
        }
        values
    }

    fn flat(tree: &Tree) -> Vec<(String, Place, String)> {
        tree.segments
            .iter()
            .flat_map(|segment| {
                let name = String::from_utf8(segment.name.to_vec()).unwrap();
                tree.values[segment.values.clone()]
                    .iter()
                    .filter(|value| !value.is_whole())
                    .map(move |value| (name.clone(), value.place, value.text.to_string()))
            })
            .collect()
    }

    #[test]
    fn a_message_of_nothing_but_delimiters_is_read() {
        assert!(tree("MSH|^~\\&").unwrap().values.is_empty());
        assert!(tree("MSH|^~\\&|").unwrap().values.is_empty());
        assert!(tree("MSH|^~\\&||^~&|\rPID|\rPID||~^&").unwrap().values.is_empty());
    }

    #[test]
    fn a_message_with_too_many_parts_is_refused_before_it_is_built() {
        let code = |text: String| tree(&text).unwrap_err().code();

        assert_eq!(code(format!("MSH|^~\\&|{}", "&".repeat(VALUES_MAX))), "D015");
        assert_eq!(code(format!("MSH|^~\\&|\rPID{}", "|".repeat(FIELDS_MAX + 1))), "D015");
        assert_eq!(code(format!("MSH|^~\\&|\rPID|{}", "~".repeat(REPETITIONS_MAX))), "D015");
        assert_eq!(code(format!("MSH|^~\\&|\rPID|{}", "^".repeat(COMPONENTS_MAX))), "D015");
    }

    proptest! {
        #[test]
        fn hl7_parser_agrees_with_a_naive_split(
            header in r"[a-z王|^~&]{0,20}",
            segments in prop::collection::vec(r"[A-Z][A-Z0-9]{2}\|[a-z王é·𠮷 |^~&]{0,40}", 0..6),
        ) {
            prop_assume!(!segments.iter().any(|s| ["MSH", "FHS", "BHS", "BTS", "FTS"].contains(&&s[..3])));
            let text = std::iter::once(format!("MSH|^~\\&|{header}")).chain(segments).collect::<Vec<_>>().join("\r");

            let tree = tree(&text).unwrap();

            prop_assert_eq!(flat(&tree), naively(text.trim_end()));
        }

        #[test]
        fn no_text_makes_it_panic(text in r"MSH[|^~\\&#$%A-Za-z0-9王\r\n\x0b ]{0,120}") {
            let _ = tree(&text);
        }
    }
}
