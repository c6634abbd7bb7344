//! Looks up values by their place in the message, and records which were used.
//!
//! Places are numbered as in the standard, from 1: `PID-5.1`, `PID-3[2].4.2`, `OBX[3]-5`.
//! Every value that is read is marked. What is left in the end (local segments, fields that the
//! canonical message has no place for) is kept as extras, so that no text of a message is lost.
//!
//! `""` is HL7's explicit null: "delete what you have". It is not the same as nothing at all,
//! and never text.

use std::cmp::Ordering;

use crate::tree::{Place, Segment, Tree, Value, WHOLE};

/// Segments about one thing that a later message can delete fields of.
const DELETED_IN: [&str; 4] = ["PID", "NK1", "IN1", "PV1"];

/// Content of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given<'t> {
    /// Nothing: the sender does not state it.
    Absent,
    /// `""`: the sender states that there is no value.
    Null,
    /// A value that is not null.
    Text(&'t str),
}

/// One segment of a message.
#[derive(Clone, Copy, Debug)]
pub struct Seg<'t> {
    tree: &'t Tree,
    segment: &'t Segment,
}

/// One repetition of a field.
#[derive(Clone, Copy, Debug)]
pub struct Rep<'t> {
    seg: Seg<'t>,
    field: u16,
    repetition: u16,
}

/// A value that was not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Path of its place.
    pub path: String,
    /// The value as text.
    pub text: String,
}

impl Tree {
    /// All segments, in the order of the message.
    pub fn segments(&self) -> impl Iterator<Item = Seg<'_>> {
        self.segments.iter().map(move |segment| Seg { tree: self, segment })
    }

    /// All segments of one name.
    pub fn all<'t>(&'t self, name: &str) -> impl Iterator<Item = Seg<'t>> + use<'t> {
        let name = <[u8; 3]>::try_from(name.as_bytes()).unwrap_or_default();
        self.segments().filter(move |seg| seg.segment.name == name)
    }

    /// The first segment of a name.
    pub fn first(&self, name: &str) -> Option<Seg<'_>> {
        self.all(name).next()
    }

    /// The text at a written path such as `PID-5.1` or `OBX[2]-5`.
    pub fn text(&self, path: &str) -> Option<&str> {
        let (segment, rest) = path.split_once('-')?;
        let (name, nth) = numbered(segment)?;
        let mut parts = rest.split('.');
        let (field, repetition) = numbered(parts.next()?)?;
        let component = parts.next().map_or(Some(1), |part| part.parse().ok())?;
        let subcomponent = parts.next().map_or(Some(1), |part| part.parse().ok())?;
        let seg = self.all(name).nth(usize::from(nth).checked_sub(1)?)?;
        let rep = Rep { seg, field: field.parse().ok()?, repetition };
        rep.sub(component, subcomponent)
    }

    /// The fields that hold nothing but an explicit null: what their sender deletes.
    #[must_use]
    pub(crate) fn deleted(&self) -> Vec<String> {
        let of = |seg: Seg<'_>| {
            let is_null = |field: &u16| {
                let mut values = seg.values().iter().filter(|value| value.place.field == *field);
                values.all(|value| value.null)
            };
            seg.fields().filter(is_null).map(|field| seg.path(field)).collect::<Vec<_>>()
        };
        self.segments().filter(|seg| DELETED_IN.contains(&seg.name())).flat_map(of).collect()
    }

    /// The components that were read as one text although a raw delimiter divides them.
    #[must_use]
    pub fn joined(&self) -> Vec<String> {
        let of = |seg: Seg<'_>| {
            let joined = seg.values().iter().filter(|value| value.is_whole() && value.taken.get());
            joined.map(|value| seg.path(value.place.field)).collect::<Vec<_>>()
        };
        self.segments().flat_map(of).collect()
    }

    /// Everything that nobody has read so far and that is wanted: by segment, field and text. It
    /// counts as read from now on.
    pub(crate) fn take_left_over(&self, is_wanted: &dyn Fn(&str, u16, &str) -> bool) -> Vec<Left> {
        let mut wanted = Vec::new();
        for seg in self.segments() {
            for field in seg.fields() {
                let mut left = Vec::new();
                for rep in seg.all_repetitions(field) {
                    rep.collect_left_over(&mut left);
                }
                left.retain(|it: &LeftAt<'_>| is_wanted(seg.name(), field, &it.left.text));
                for it in &left {
                    it.values.iter().for_each(|value| value.taken.set(true));
                }
                wanted.extend(left.into_iter().map(|it| it.left));
            }
        }
        wanted
    }

    /// Everything that nobody has read so far.
    #[must_use]
    pub fn left_over(&self) -> Vec<Left> {
        self.segments().flat_map(Seg::left_over).collect()
    }
}

/// `PID` is the first, `PID[2]` the second.
fn numbered(text: &str) -> Option<(&str, u16)> {
    match text.split_once('[') {
        None => Some((text, 1)),
        Some((name, rest)) => Some((name, rest.strip_suffix(']')?.parse().ok()?)),
    }
}

impl<'t> Seg<'t> {
    /// Name of the segment, such as `PID`.
    #[must_use]
    pub fn name(self) -> &'t str {
        std::str::from_utf8(&self.segment.name).unwrap_or("???")
    }

    /// Its name and, from the second on, its number: `OBX[2]`.
    #[must_use]
    pub fn label(self) -> String {
        match self.segment.nth {
            1 => self.name().to_owned(),
            nth => format!("{}[{nth}]", self.name()),
        }
    }

    /// The written path of a field.
    #[must_use]
    pub fn path(self, field: u16) -> String {
        format!("{}-{field}", self.label())
    }

    fn values(self) -> &'t [Value] {
        self.tree.values.get(self.segment.values.clone()).unwrap_or_default()
    }

    /// Notes for the check of MAPPING.md that the mapping looks for this field.
    fn asked(self, field: u16) {
        #[cfg(test)]
        asked::note(self.name(), field);
        let _ = (self, field);
    }

    fn find(self, place: Place) -> Option<&'t Value> {
        self.asked(place.field);
        let values = self.values();
        values.binary_search_by(|value| value.place.cmp(&place)).ok().and_then(|at| values.get(at))
    }

    /// The values from one place up to another. A search, because a scan for each repetition of a
    /// field with thousands of them would take too long.
    fn between(self, from: Place, to: Place) -> &'t [Value] {
        let values = self.values();
        let begin = values.partition_point(|value| value.place < from);
        let end = values.partition_point(|value| value.place < to);
        values.get(begin..end).unwrap_or_default()
    }

    fn of_field(self, field: u16) -> &'t [Value] {
        self.asked(field);
        self.between(Place::start(field, 0), Place::start(field.saturating_add(1), 0))
    }

    /// Whether a field holds anything, a null included.
    #[must_use]
    pub fn has(self, field: u16) -> bool {
        !self.of_field(field).is_empty()
    }

    /// Whether a field holds nothing but an explicit null.
    #[must_use]
    pub fn is_null(self, field: u16) -> bool {
        self.first(field).given(1) == Given::Null
    }

    /// The first repetition of a field, empty or not.
    #[must_use]
    pub fn first(self, field: u16) -> Rep<'t> {
        Rep { seg: self, field, repetition: 1 }
    }

    /// A component of the first repetition of a field.
    pub fn text(self, field: u16, component: u16) -> Option<&'t str> {
        self.first(field).text(component)
    }

    /// The first repetition of a field as one text, delimiters in it included.
    pub fn whole(self, field: u16) -> Option<String> {
        self.first(field).whole()
    }

    /// The repetitions of a field that hold anything.
    pub fn repetitions(self, field: u16) -> impl Iterator<Item = Rep<'t>> {
        self.asked(field);
        self.all_repetitions(field)
    }

    /// The same for whoever goes through everything.
    fn all_repetitions(self, field: u16) -> impl Iterator<Item = Rep<'t>> {
        let mut last = 0;
        self.values().iter().filter(move |value| value.place.field == field).filter_map(
            move |value| {
                let repetition = value.place.repetition;
                (repetition != last).then(|| {
                    last = repetition;
                    Rep { seg: self, field, repetition }
                })
            },
        )
    }

    /// All repetitions of a field as one text. Free text with an unescaped `~` arrives so.
    pub fn whole_field(self, field: u16) -> Option<String> {
        let repetition = self.tree.delimiters.repetition.to_string();
        let texts: Vec<String> = self.repetitions(field).filter_map(Rep::whole).collect();
        (!texts.is_empty()).then(|| texts.join(&repetition))
    }

    /// The numbers of the fields that hold anything.
    pub fn fields(self) -> impl Iterator<Item = u16> {
        let mut last = 0;
        self.values().iter().filter_map(move |value| {
            let field = value.place.field;
            (field != last).then(|| {
                last = field;
                field
            })
        })
    }

    /// Marks the whole segment as read.
    pub fn take(self) {
        for value in self.values() {
            value.taken.set(true);
        }
    }

    fn left_over(self) -> Vec<Left> {
        let mut left = Vec::new();
        for field in self.fields() {
            for rep in self.all_repetitions(field) {
                rep.collect_left_over(&mut left);
            }
        }
        left.into_iter().map(|it| it.left).collect()
    }
}

impl<'t> Rep<'t> {
    /// The written path of a component.
    #[must_use]
    pub fn path(self, component: u16) -> String {
        format!("{}.{component}", self.own_path())
    }

    /// The written path of the repetition.
    #[must_use]
    pub fn own_path(self) -> String {
        match self.repetition {
            1 => self.seg.path(self.field),
            nth => format!("{}[{nth}]", self.seg.path(self.field)),
        }
    }

    fn values(self) -> impl Iterator<Item = &'t Value> {
        self.all_values().filter(|value| !value.is_whole())
    }

    fn all_values(self) -> impl Iterator<Item = &'t Value> {
        let (field, repetition) = (self.field, self.repetition);
        let end = Place::start(field, repetition.saturating_add(1));
        self.seg.between(Place::start(field, repetition), end).iter()
    }

    fn find(self, component: u16, subcomponent: u16) -> Option<&'t Value> {
        let (field, repetition) = (self.field, self.repetition);
        self.seg.find(Place { field, repetition, component, subcomponent })
    }

    /// A component of a type without subcomponents: all of it, where a raw delimiter divides it.
    fn undivided(self, component: u16) -> Option<&'t Value> {
        self.find(component, WHOLE).or_else(|| self.find(component, 1))
    }

    /// What stands in a component. Does not mark it as read.
    #[must_use]
    pub fn given(self, component: u16) -> Given<'t> {
        match self.undivided(component) {
            None => Given::Absent,
            Some(value) if value.null => Given::Null,
            Some(value) => Given::Text(&value.text),
        }
    }

    /// A component, without marking it as read.
    #[must_use]
    pub fn peek(self, component: u16) -> Option<&'t str> {
        match self.given(component) {
            Given::Text(text) => Some(text),
            Given::Absent | Given::Null => None,
        }
    }

    /// Whether any of it was read.
    #[must_use]
    pub fn is_read(self) -> bool {
        self.values().any(|value| value.taken.get())
    }

    /// How many characters its texts have together.
    #[must_use]
    pub fn chars(self) -> usize {
        self.values().map(|value| value.text.chars().count()).sum()
    }

    /// A subcomponent, without marking it as read.
    #[must_use]
    pub fn peek_sub(self, component: u16, subcomponent: u16) -> Option<&'t str> {
        let value = self.find(component, subcomponent)?;
        (!value.null).then_some(&*value.text)
    }

    /// A component. Null reads as nothing. For components whose type has no subcomponents: what a
    /// raw delimiter divides is read as one text. Others are read with [`Rep::sub`].
    pub fn text(self, component: u16) -> Option<&'t str> {
        let value = self.undivided(component)?;
        for part in self.all_values().filter(|part| part.place.component == component) {
            part.taken.set(true);
        }
        (!value.null).then_some(&*value.text)
    }

    /// A subcomponent. Null reads as nothing.
    pub fn sub(self, component: u16, subcomponent: u16) -> Option<&'t str> {
        let value = self.find(component, subcomponent)?;
        value.taken.set(true);
        (!value.null).then_some(&*value.text)
    }

    /// The repetition as one text, with the delimiters between its parts.
    pub fn whole(self) -> Option<String> {
        self.seg.asked(self.field);
        for value in self.all_values() {
            value.taken.set(true);
        }
        self.joined()
    }

    /// The same without marking it as read.
    fn joined(self) -> Option<String> {
        let delimiters = &self.seg.tree.delimiters;
        let mut text = String::new();
        let (mut component, mut subcomponent) = (1, 1);
        for value in self.values().filter(|value| !value.null) {
            match value.place.component.cmp(&component) {
                Ordering::Greater => {
                    for _ in component..value.place.component {
                        text.push(delimiters.component);
                    }
                    (component, subcomponent) = (value.place.component, 1);
                }
                Ordering::Equal | Ordering::Less => {}
            }
            for _ in subcomponent..value.place.subcomponent {
                text.push(delimiters.subcomponent);
            }
            subcomponent = value.place.subcomponent;
            text.push_str(&value.text);
        }
        (!text.is_empty()).then_some(text)
    }

    /// A repetition that nobody has touched is kept in one piece; of others, the rest.
    fn collect_left_over(self, left: &mut Vec<LeftAt<'t>>) {
        let untouched = self.values().all(|value| !value.taken.get());
        if untouched {
            if let Some(text) = self.joined() {
                let values = self.values().collect();
                left.push(LeftAt { left: Left { path: self.own_path(), text }, values });
            }
            return;
        }
        for value in self.values().filter(|value| !value.taken.get() && !value.null) {
            let mut path = self.path(value.place.component);
            if value.place.subcomponent > 1 {
                path = format!("{path}.{}", value.place.subcomponent);
            }
            let text = value.text.to_string();
            left.push(LeftAt { left: Left { path, text }, values: vec![value] });
        }
    }
}

/// Which fields the mapping has looked for, found or not.
#[cfg(test)]
pub(crate) mod asked {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    thread_local! {
        static FIELDS: RefCell<BTreeSet<(String, u16)>> = const { RefCell::new(BTreeSet::new()) };
    }

    pub(super) fn note(segment: &str, field: u16) {
        FIELDS.with_borrow_mut(|fields| fields.insert((segment.to_owned(), field)));
    }

    /// Everything that was noted in this thread since the last call.
    pub(crate) fn take() -> BTreeSet<(String, u16)> {
        FIELDS.take()
    }
}

/// What is left over, with the values that it is made of.
struct LeftAt<'t> {
    left: Left,
    values: Vec<&'t Value>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charset::Charset;
    use crate::notes::Notes;

    fn tree(text: &str) -> Tree {
        let mut notes = Notes::default();
        let lines = crate::syntax::mend(text, &mut notes).unwrap();
        crate::tree::grow(&lines, Charset::UTF_8, &mut notes).unwrap()
    }

    #[test]
    fn values_are_found_by_their_written_path() {
        let tree = tree("MSH|^~\\&|HIS|A\rPID|1||7^^^H&1&ISO^MR~8^^^G\rOBX|1|ST\rOBX|2|NM|\r");

        assert_eq!(tree.text("MSH-3"), Some("HIS"));
        assert_eq!(tree.text("PID-3.4.2"), Some("1"));
        assert_eq!(tree.text("PID-3[2].4"), Some("G"));
        assert_eq!(tree.text("OBX[2]-2"), Some("NM"));
        for absent in ["PID-99", "PV1-1", "OBX[3]-1", "PID", "PID-x", "PID-3[0]", "OBX[0]-1"] {
            assert_eq!(tree.text(absent), None, "{absent}");
        }
    }

    #[test]
    fn an_explicit_null_is_neither_absent_nor_text() {
        let tree = tree("MSH|^~\\&|HIS\rPID|1|\"\"||x");
        let pid = tree.first("PID").unwrap();

        assert_eq!(pid.first(2).given(1), Given::Null);
        assert_eq!(pid.first(3).given(1), Given::Absent);
        assert_eq!(pid.first(4).given(1), Given::Text("x"));
        assert_eq!(pid.text(2, 1), None);
        assert!(pid.is_null(2) && pid.has(2) && !pid.has(3));
    }

    #[test]
    fn free_text_with_delimiters_in_it_is_read_whole() {
        let tree = tree("MSH|^~\\&|HIS\rOBX|1|FT|||血压^140&90~甲^^乙");
        let obx = tree.first("OBX").unwrap();

        assert_eq!(obx.whole_field(5).as_deref(), Some("血压^140&90~甲^^乙"));
    }

    #[test]
    fn what_nobody_read_is_left_over_and_nothing_else_is() {
        let tree = tree("MSH|^~\\&|HIS\rPID|1||7^^^H~8^^^G||\"\"\rZPI|甲^乙|丙");
        let pid = tree.first("PID").unwrap();
        tree.text("MSH-3");
        pid.text(1, 1);
        pid.text(3, 1);

        let left: Vec<(String, String)> =
            tree.left_over().into_iter().map(|left| (left.path, left.text)).collect();

        let want = [("PID-3.4", "H"), ("PID-3[2]", "8^^^G"), ("ZPI-1", "甲^乙"), ("ZPI-2", "丙")];
        assert_eq!(left, want.map(|(path, text)| (path.to_owned(), text.to_owned())));
    }
}
