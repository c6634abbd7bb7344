//! Results: what was observed, its value in whichever form FHIR has for it, and its parts.
//!
//! A value is kept as it was written, with what changes its meaning in fields of its own: status,
//! comparator, unit, reason for absence.

use serde_json::{Map, Number, Value, json};
use tierlink_schemas::clinical::{Comparator, Component, Observation, ResultStatus};

use crate::bundle::At;
use crate::items::{annotation, modifier, value_of};
use crate::reader::Reader;
use crate::writer::{Rest, put};
use crate::{codes, modifiers};

/// Longest text that is taken for a number. A longer one is a text made of digits.
const NUMBER_CHARS_MAX: usize = 24;

/// Longest reference range and flag that the canonical schema takes.
const RANGE_CHARS_MAX: usize = 400;
const FLAG_CHARS_MAX: usize = 100;

/// What has no field of its own and goes into the remark on a result.
const OBSERVATION_NOTES: [(&str, &str); 3] =
    [("method", "方法"), ("bodySite", "部位"), ("effectivePeriod/end", "检查结束")];

/// A value with what belongs to it.
#[derive(Debug, Default)]
pub struct Measured {
    /// The number or the words.
    pub text: Option<String>,
    /// How the true value lies to it.
    pub comparator: Option<Comparator>,
    /// Its unit.
    pub unit: Option<String>,
}

impl Reader<'_> {
    /// Reads one result. Gives nothing where it does not say what was observed.
    pub fn observation(&mut self, at: At) -> Option<Observation> {
        let status = self.modifier(at, &modifiers::OBSERVATION).ok()?;
        let what = self.concept(at, "code")?;
        let status: ResultStatus = status.and_then(value_of).unwrap_or_default();
        let mut value = self.value(at, "");
        let mut components: Vec<Component> = (0..self.bundle.count(at, "component").min(100))
            .filter_map(|index| self.component(at, &format!("component/{index}")))
            .collect();
        let valued = value.text.is_some() || !components.is_empty();
        if !status.has_value() && valued {
            let text = "the status says that there is no value, and there is one; it was left out";
            self.deviation(codes::LEFT_OUT, self.bundle.field(at, "status"), text);
            self.left_out.push(self.bundle.field(at, "value"));
            value = Measured::default();
            components.clear();
        }
        let mut words = Vec::new();
        let taken_at = self
            .instant_or_words(at, "effectiveDateTime", "检查时间", &mut words)
            .or_else(|| self.time(at, "effectiveInstant"))
            .or_else(|| self.instant_or_words(at, "effectivePeriod/start", "检查开始", &mut words));
        let item = Observation {
            what,
            status,
            value: value.text,
            comparator: value.comparator,
            unit: value.unit,
            range: self.range(at, "referenceRange"),
            flag: self.flag(at, "interpretation"),
            absent_reason: self.concept(at, "dataAbsentReason"),
            at: taken_at,
            components,
            note: self.notes(at, &OBSERVATION_NOTES, words),
        };
        Some(self.with_rest(at, item))
    }

    fn component(&mut self, at: At, path: &str) -> Option<Component> {
        let what = self.concept(at, &format!("{path}/code"))?;
        let value = self.value(at, &format!("{path}/"));
        Some(Component {
            what,
            value: value.text,
            comparator: value.comparator,
            unit: value.unit,
            range: self.range(at, &format!("{path}/referenceRange")),
            flag: self.flag(at, &format!("{path}/interpretation")),
            absent_reason: self.concept(at, &format!("{path}/dataAbsentReason")),
        })
    }

    /// The value as it was written: a number keeps its zeros, a code its words. `before` is the
    /// path of the component, with its last slash.
    fn value(&mut self, at: At, before: &str) -> Measured {
        let part = |name: &str| format!("{before}{name}");
        let quantity = part("valueQuantity");
        if self.bundle.peek(at, &format!("{quantity}/value")).is_some() {
            return self.quantity(at, &quantity);
        }
        for name in ["valueString", "valueInteger", "valueBoolean", "valueDateTime", "valueTime"] {
            if let Some(text) = self.short(at, &part(name), 20_000) {
                return Measured { text: Some(text), ..Measured::default() };
            }
        }
        if let Some(text) = self.phrase(at, &part("valueCodeableConcept")) {
            return Measured { text: Some(text), ..Measured::default() };
        }
        self.compound(at, &part("valueRatio"), ["numerator", "denominator"], ":")
            .or_else(|| self.compound(at, &part("valueRange"), ["low", "high"], "-"))
            .or_else(|| self.spell_out(at, &part("valuePeriod")))
            .unwrap_or_default()
    }

    /// Takes a quantity as it was written.
    pub fn quantity(&mut self, at: At, path: &str) -> Measured {
        let number = self.short(at, &format!("{path}/value"), 20_000).unwrap_or_default();
        let written = self.extensions(at, path).remove("as_written");
        let written = written.as_ref().and_then(Value::as_str);
        let same = |text: &&str| text.parse::<f64>().ok() == number.parse::<f64>().ok();
        let text = written.filter(same).map_or(number.clone(), str::to_owned);
        Measured {
            text: Some(text),
            comparator: self.comparator(at, &format!("{path}/comparator")),
            unit: self.unit(at, path),
        }
    }

    fn unit(&mut self, at: At, path: &str) -> Option<String> {
        let unit = self.short(at, &format!("{path}/unit"), 64);
        unit.or_else(|| self.short(at, &format!("{path}/code"), 64))
    }

    /// Two quantities as one text: `1:128`, `36.5-38.2`. A unit that both share is the unit.
    pub fn compound(
        &mut self,
        at: At,
        path: &str,
        parts: [&str; 2],
        sign: &str,
    ) -> Option<Measured> {
        let [first, second] = parts.map(|part| format!("{path}/{part}"));
        let is_there = |r: &Self, part: &str| r.bundle.peek(at, &format!("{part}/value")).is_some();
        if !is_there(self, &first) && !is_there(self, &second) {
            return None;
        }
        let [first, second] = [first, second].map(|part| {
            if is_there(self, &part) { self.quantity(at, &part) } else { Measured::default() }
        });
        let shared = match (&first.unit, &second.unit) {
            (Some(one), Some(other)) if one != other => None,
            (one, other) => one.clone().or_else(|| other.clone()),
        };
        let spelled = |it: Measured| {
            let comparator = it.comparator.map(Comparator::as_str).unwrap_or_default();
            let unit = it.unit.filter(|_| shared.is_none()).unwrap_or_default();
            format!("{comparator}{}{unit}", it.text.unwrap_or_default())
        };
        let (low, high) = (spelled(first), spelled(second));
        let text = match (low.is_empty(), high.is_empty()) {
            (false, true) if sign == "-" => format!("≥{low}"),
            (true, false) if sign == "-" => format!("≤{high}"),
            (_, _) => format!("{low}{sign}{high}"),
        };
        Some(Measured { text: Some(text), comparator: None, unit: shared })
    }

    fn spell_out(&mut self, at: At, path: &str) -> Option<Measured> {
        let start = self.bundle.take_code(at, &format!("{path}/start"));
        let end = self.bundle.take_code(at, &format!("{path}/end"));
        let text = match (start, end) {
            (None, None) => return None,
            (start, end) => {
                format!("{}—{}", start.unwrap_or_default(), end.unwrap_or_default())
            }
        };
        Some(Measured { text: Some(text), ..Measured::default() })
    }

    /// Every reference range in words, with whom it is for.
    fn range(&mut self, at: At, path: &str) -> Option<String> {
        let mut ranges = Vec::new();
        for index in 0..self.bundle.count(at, path).min(10) {
            let one = format!("{path}/{index}");
            let text = self.short(at, &format!("{one}/text"), RANGE_CHARS_MAX).or_else(|| {
                let found = self.compound(at, &one, ["low", "high"], "-")?;
                let unit = found.unit.filter(|_| index > 0).map(|unit| format!(" {unit}"));
                Some(found.text? + &unit.unwrap_or_default())
            });
            let whom = self.phrase(at, &format!("{one}/appliesTo/0"));
            let kind = self.phrase(at, &format!("{one}/type"));
            let age = self.compound(at, &format!("{one}/age"), ["low", "high"], "-");
            let age = age.and_then(|age| Some(age.text? + &age.unit.unwrap_or_default()));
            let label = [kind, whom, age].into_iter().flatten().collect::<Vec<_>>().join(" ");
            let text = match (text, label.is_empty()) {
                (Some(text), true) => text,
                (Some(text), false) => format!("{label}: {text}"),
                (None, _) => continue,
            };
            ranges.push(text);
        }
        let ranges = ranges.join("; ");
        (!ranges.is_empty() && ranges.chars().count() <= RANGE_CHARS_MAX).then_some(ranges)
    }

    /// Every interpretation.
    fn flag(&mut self, at: At, path: &str) -> Option<String> {
        let mut flags = Vec::new();
        for index in 0..self.bundle.count(at, path).min(10) {
            let one = format!("{path}/{index}");
            let flag = self
                .short(at, &format!("{one}/text"), FLAG_CHARS_MAX)
                .or_else(|| self.short(at, &format!("{one}/coding/0/code"), FLAG_CHARS_MAX))
                .or_else(|| self.short(at, &format!("{one}/coding/0/display"), FLAG_CHARS_MAX));
            flags.extend(flag);
        }
        let flags = flags.join(",");
        (!flags.is_empty() && flags.chars().count() <= FLAG_CHARS_MAX).then_some(flags)
    }

    /// The sign before a quantity. One that is not understood refuses the message.
    fn comparator(&mut self, at: At, path: &str) -> Option<Comparator> {
        let sign = self.bundle.take_code(at, path)?;
        let known = Comparator::ALL.into_iter().find(|it| it.as_str() == sign);
        if known.is_none() {
            let text = "the comparator is not known; send <, <=, >= or >";
            self.problem(codes::MODIFIER, self.bundle.field(at, path), text);
        }
        known
    }
}

/// Writes a result.
pub fn write(rest: &mut Rest, out: &mut Map<String, Value>) {
    put(out, "status", Value::from("final"));
    modifier(rest, out, "status", &modifiers::OBSERVATION);
    put(out, "dataAbsentReason", rest.concept("absent_reason"));
    put(out, "note", annotation(rest));
    put(out, "code", rest.concept("what"));
    put(out, "effectiveDateTime", rest.take("at"));
    write_value(rest, out);
    let components = match rest.take("components") {
        Some(Value::Array(components)) => components,
        Some(_) | None => Vec::new(),
    };
    let components: Vec<Value> = components
        .into_iter()
        .filter_map(|part| {
            let Value::Object(part) = part else { return None };
            let (mut part, mut written) = (Rest(part), Map::new());
            put(&mut written, "code", part.concept("what"));
            put(&mut written, "dataAbsentReason", part.concept("absent_reason"));
            write_value(&mut part, &mut written);
            part.close(&mut written);
            Some(written.into())
        })
        .collect();
    put(out, "component", (!components.is_empty()).then(|| components.into()));
}

/// Writes the value of an observation or of one of its components.
fn write_value(rest: &mut Rest, out: &mut Map<String, Value>) {
    if let Some(text) = rest.text("value") {
        // Only what JSON calls a number is a quantity; `阴性` and `7.10 (复查)` are words.
        match serde_json::from_str::<Number>(&text).ok().filter(|_| text.len() <= NUMBER_CHARS_MAX)
        {
            Some(number) => {
                let same = number.to_string() == text;
                let mut quantity = Map::new();
                put(&mut quantity, "value", Value::Number(number));
                put(&mut quantity, "comparator", rest.take("comparator"));
                put(&mut quantity, "unit", rest.take("unit"));
                if !same {
                    let mut written = Rest::default();
                    written.0.insert("as_written".to_owned(), text.into());
                    written.close(&mut quantity);
                }
                put(out, "valueQuantity", Value::Object(quantity));
            }
            None => put(out, "valueString", Value::from(text)),
        }
    }
    put(out, "referenceRange", rest.text("range").map(|range| json!([{ "text": range }])));
    put(out, "interpretation", rest.text("flag").map(|flag| json!([{ "text": flag }])));
}
