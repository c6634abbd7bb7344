//! Building a message: values go in with their place, delimiters and escapes come out right.
//!
//! Values may be put in any order. Nothing is ever divided by accident, because text is escaped
//! here and nowhere else.

use crate::charset::Charset;
use crate::delimiters::Delimiters;
use crate::escape::{NULL, escape_into};
use crate::fault::Fault;
use crate::tree::Place;

/// A message that is being written.
#[derive(Debug)]
pub struct Writer {
    delimiters: Delimiters,
    text: String,
}

/// A segment that is being written. Appears in the message when it is ended.
#[derive(Debug)]
#[must_use = "a segment appears in the message only when it is ended"]
pub struct Line {
    name: &'static str,
    values: Vec<(Place, String)>,
    /// Fields that hold an explicit null.
    nulls: Vec<u16>,
}

impl Line {
    /// Begins a segment.
    pub fn new(name: &'static str) -> Self {
        Self { name, values: Vec::with_capacity(12), nulls: Vec::new() }
    }

    /// Puts a component of the first repetition. Empty text puts nothing.
    pub fn put(&mut self, field: u16, component: u16, text: impl Into<String>) -> &mut Self {
        self.put_at(field, 1, component, 1, text)
    }

    /// Puts a component where there is a value for it.
    pub fn put_some(
        &mut self,
        field: u16,
        component: u16,
        text: Option<impl Into<String>>,
    ) -> &mut Self {
        if let Some(text) = text {
            self.put(field, component, text);
        }
        self
    }

    /// Puts a component of any repetition, or a subcomponent.
    pub fn put_at(
        &mut self,
        field: u16,
        repetition: u16,
        component: u16,
        subcomponent: u16,
        text: impl Into<String>,
    ) -> &mut Self {
        let text = text.into();
        if !text.is_empty() {
            self.values.push((Place { field, repetition, component, subcomponent }, text));
        }
        self
    }

    /// Its values with their fields, to be written in another way.
    pub(crate) fn texts(&mut self) -> impl Iterator<Item = (u16, &mut String)> {
        self.values.iter_mut().map(|(place, text)| (place.field, text))
    }

    /// Whether a field holds anything.
    pub(crate) fn holds(&self, field: u16) -> bool {
        self.values.iter().any(|(place, _)| place.field == field)
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Puts an explicit null (`""`), which deletes what the receiver has. A field that holds a value
    /// keeps it.
    pub fn put_null(&mut self, field: u16) {
        let is_filled = self.values.iter().any(|(place, _)| place.field == field);
        if !is_filled && !self.nulls.contains(&field) {
            self.nulls.push(field);
            let place = Place { field, repetition: 1, component: 1, subcomponent: 1 };
            self.values.push((place, NULL.to_owned()));
        }
    }

    /// Whether nothing has been put yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn write(mut self, out: &mut String, delimiters: &Delimiters) {
        self.values.sort_by_key(|(place, _)| *place);
        out.push_str(self.name);
        // MSH-1 is the delimiter itself and MSH-2 may not be escaped, so `Writer` wrote both.
        let begin = if self.name == "MSH" { 2 } else { 0 };
        let mut at = Place { field: begin, repetition: 1, component: 1, subcomponent: 1 };
        if self.name == "MSH" {
            out.push(delimiters.field);
            out.push_str(&delimiters.encoding_characters());
        }
        for (place, text) in &self.values {
            advance(out, at, *place, delimiters);
            at = *place;
            if self.nulls.contains(&place.field) {
                out.push_str(NULL);
            } else {
                escape_into(out, text, delimiters);
            }
        }
        out.push('\r');
    }
}

/// Writes the delimiters between two places.
fn advance(out: &mut String, from: Place, to: Place, delimiters: &Delimiters) {
    let mut push = |from: u16, to: u16, delimiter: char| {
        out.extend(std::iter::repeat_n(delimiter, usize::from(to.saturating_sub(from))));
        from != to
    };
    let moved = push(from.field, to.field, delimiters.field);
    let begin = if moved { 1 } else { from.repetition };
    let moved = push(begin, to.repetition, delimiters.repetition) || moved;
    let begin = if moved { 1 } else { from.component };
    let moved = push(begin, to.component, delimiters.component) || moved;
    let begin = if moved { 1 } else { from.subcomponent };
    push(begin, to.subcomponent, delimiters.subcomponent);
}

impl Writer {
    /// Begins a message. The first line that is added must be MSH.
    #[must_use]
    pub fn new(delimiters: Delimiters) -> Self {
        Self { delimiters, text: String::with_capacity(2048) }
    }

    /// Ends a segment, which puts it into the message.
    pub fn add(&mut self, line: Line) {
        line.write(&mut self.text, &self.delimiters);
    }

    /// Puts a line feed behind every carriage return, for receivers that insist.
    pub fn add_line_feeds(&mut self) {
        self.text = self.text.replace('\r', "\r\n");
    }

    /// The message as text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The message as bytes. A character that the set lacks is a fault that names its field.
    pub fn into_bytes(self, charset: Charset) -> Result<Vec<u8>, Fault> {
        charset.encode(&self.text).map_err(|offset| Fault::Unmappable {
            field: self.field_at(offset),
            charset: charset.msh_18(),
        })
    }

    fn field_at(&self, offset: usize) -> String {
        let before = self.text.get(..offset).unwrap_or_default();
        let line = before.rsplit(['\r', '\n']).next().unwrap_or_default();
        let name = line.get(..3).unwrap_or("MSH");
        let nth = before.split(['\r', '\n']).filter(|other| other.starts_with(name)).count();
        let fields = line.matches(self.delimiters.field).count() + usize::from(name == "MSH");
        if nth > 1 { format!("{name}[{nth}]-{fields}") } else { format!("{name}-{fields}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_out_in_their_places_however_they_went_in() {
        let mut pid = Line::new("PID");
        pid.put(5, 2, "王|五").put(5, 1, "WANG").put_at(3, 2, 4, 2, "1.2").put(3, 1, "7");
        let mut msh = Line::new("MSH");
        msh.put(3, 1, "TIERLINK").put(9, 2, "I12").put(9, 1, "REF");
        let mut writer = Writer::new(Delimiters::default());

        writer.add(msh);
        writer.add(pid);

        assert_eq!(
            writer.text(),
            "MSH|^~\\&|TIERLINK||||||REF^I12\rPID|||7~^^^&1.2||WANG^王\\F\\五\r"
        );
    }

    #[test]
    fn a_character_that_the_set_lacks_is_named_by_its_field() {
        let mut writer = Writer::new(Delimiters::default());
        for text in ["王", "𠮷"] {
            let mut line = Line::new("NTE");
            line.put(1, 1, "1").put(3, 1, text);
            writer.add(line);
        }

        let fault = writer.into_bytes(Charset::named("GBK").unwrap()).unwrap_err();

        assert_eq!((fault.code(), fault.field()), ("D030", "NTE[2]-3"));
    }
}
