//! XTN and XAD: the number to call first, every other one, and addresses, each with its use.
//!
//! Which number is the telephone follows from XTN.2 and XTN.3, or from its shape, never from its
//! place in the list: an e-mail that comes first is no telephone.

use crate::canon::Canon;
use crate::header::Version;
use crate::notes::{Notes, What};
use crate::read::{Rep, Seg};
use crate::time::{self, Zones};
use crate::types::{read_address, write_address};
use crate::write::Line;

/// XTN.3 (HL7 table 0202) to the means.
const EQUIPMENT: [(&str, &str); 10] = [
    ("PH", "phone"),
    ("CP", "phone"),
    ("SAT", "phone"),
    ("FX", "fax"),
    ("Internet", "email"),
    ("X.400", "email"),
    ("BP", "pager"),
    ("MD", "other"),
    ("TDD", "other"),
    ("TTY", "other"),
];

/// XTN.2 (HL7 table 0201) to the use.
const USES: [(&str, &str); 6] = [
    ("PRN", "home"),
    ("WPN", "work"),
    ("VHN", "temporary"),
    ("PRS", "mobile"),
    ("ORN", "home"),
    ("ASN", "work"),
];

/// Most further numbers and addresses of the canonical message.
const FURTHER_MAX: usize = 20;
const ADDRESSES_MAX: usize = 10;

struct Telecom {
    system: &'static str,
    value: String,
    r#use: Option<&'static str>,
}

fn read_one(rep: Rep<'_>, of_work: bool, zones: &Zones) -> Option<Telecom> {
    let number = [1, 12].into_iter().find_map(|component| rep.text(component));
    let address = rep.text(4);
    let parts: String = [5, 6, 7].into_iter().filter_map(|part| rep.text(part)).collect();
    let equipment = rep.text(3);
    let code = rep.text(2);
    let known = equipment.and_then(|written| {
        EQUIPMENT.iter().find(|(it, _)| it.eq_ignore_ascii_case(written)).map(|(_, system)| *system)
    });
    let parts = Some(parts.as_str()).filter(|parts| !parts.is_empty());
    let has_at = |text: Option<&str>| text.is_some_and(|text| text.contains('@'));
    let system = if has_at(address.or(number)) || code == Some("NET") {
        "email"
    } else if code == Some("BPN") {
        "pager"
    } else {
        known.unwrap_or("phone")
    };
    let value = if system == "email" { address.or(number) } else { number.or(parts).or(address) };
    let stated = code.and_then(|code| USES.iter().find(|(it, _)| *it == code)).map(|(_, it)| *it);
    let mobile = equipment.is_some_and(|it| it.eq_ignore_ascii_case("CP")).then_some("mobile");
    let r#use = if has_ended(rep, zones) {
        Some("former")
    } else {
        mobile.or(stated).or(of_work.then_some("work"))
    };
    rep.text(13);
    rep.text(14);
    Some(Telecom { system, value: value?.to_owned(), r#use })
}

fn has_ended(rep: Rep<'_>, zones: &Zones) -> bool {
    let end = rep.peek(14).and_then(time::read).and_then(|moment| moment.end(zones));
    end.zip(zones.sent).is_some_and(|(end, sent)| end < sent)
}

/// Reads the numbers of a person: the first telephone into `main`, the rest into `further`. The
/// second of `fields` is that for the place of work.
pub(crate) fn read(
    seg: Seg<'_>,
    fields: &[u16],
    main: &str,
    further: &str,
    zones: &Zones,
    canon: &mut Canon,
) {
    let mut all: Vec<Telecom> = Vec::new();
    for (nth, field) in fields.iter().enumerate() {
        all.extend(seg.repetitions(*field).filter_map(|rep| read_one(rep, nth > 0, zones)));
    }
    let is_main = |it: &Telecom| it.system == "phone" && it.r#use != Some("former");
    let at = all.iter().position(is_main);
    let phone = at.map(|at| all.remove(at));
    if let Some(phone) = &phone {
        canon.put(main, phone.value.as_str());
    }
    for (nth, telecom) in all.into_iter().take(FURTHER_MAX).enumerate() {
        canon.put(&format!("{further}.{nth}.system"), telecom.system);
        canon.put(&format!("{further}.{nth}.value"), telecom.value);
        canon.put_some(&format!("{further}.{nth}.use"), telecom.r#use);
    }
}

/// Reads the numbers of a party, of which only one is known.
pub(crate) fn read_phone(seg: Seg<'_>, field: u16, zones: &Zones) -> Option<String> {
    let mut canon = Canon::new();
    read(seg, &[field], "phone", "further", zones, &mut canon);
    canon.take("phone").or_else(|| canon.take("further.0.value"))
}

/// Writes the numbers of a person. What HL7 has no code for travels on its own.
pub(crate) fn write(
    line: &mut Line,
    field: u16,
    canon: &mut Canon,
    main: &str,
    further: &str,
    version: Version,
) {
    let mut repetition = 1;
    if let Some(phone) = canon.take(main) {
        line.put_at(field, 1, number_place(version), 1, phone);
        repetition = 2;
    }
    for index in 0..canon.len(further) {
        let part = |part: &str| format!("{further}.{index}.{part}");
        let system = canon.text(&part("system"));
        let r#use = canon.text(&part("use"));
        let equipment = match (system, r#use) {
            (Some("phone"), Some("mobile")) => "CP",
            (Some("phone"), _) => "PH",
            (Some("fax"), use_) if use_ != Some("mobile") => "FX",
            (Some("email"), use_) if use_ != Some("mobile") => "Internet",
            (Some("pager"), use_) if use_ != Some("mobile") => "BP",
            _ => continue,
        };
        let code = match r#use {
            None | Some("mobile") => None,
            Some(known) => match USES.iter().find(|(_, it)| *it == known) {
                Some((code, _)) => Some(*code),
                // A number that is no longer in use must not look like one that is.
                None => continue,
            },
        };
        // The first telephone would be taken for the one to call.
        if repetition == 1 && system == Some("phone") {
            continue;
        }
        let place = if system == Some("email") { 4 } else { number_place(version) };
        if let Some(value) = canon.take(&part("value")) {
            canon.take(&part("system"));
            canon.take(&part("use"));
            line.put_at(field, repetition, place, 1, value);
            line.put_at(field, repetition, 2, 1, code.unwrap_or_default());
            line.put_at(field, repetition, 3, 1, equipment);
            repetition += 1;
        }
    }
}

/// From version 2.7 on, the whole number stands in XTN.12.
const fn number_place(version: Version) -> u16 {
    if version.has_long_numbers() { 12 } else { 1 }
}

/// Writes the number of a party.
pub(crate) fn write_phone(
    line: &mut Line,
    field: u16,
    canon: &mut Canon,
    path: &str,
    version: Version,
) {
    line.put_some(field, number_place(version), canon.take(path));
}

/// XAD.7 (HL7 table 0190) to the use, and whether the patient lives there. The first of a use is
/// the one that we write.
const ADDRESS_USES: [(&str, &str, bool); 14] = [
    ("H", "home", true),
    ("P", "home", true),
    ("C", "temporary", true),
    ("B", "work", false),
    ("O", "work", false),
    ("BA", "former", false),
    ("L", "registered", false),
    ("RH", "registered", false),
    ("N", "birth", false),
    ("BR", "birth", false),
    ("BDL", "birth", false),
    ("F", "birth", false),
    ("BI", "billing", false),
    ("M", "billing", false),
];

/// Reads addresses: the one where the patient lives into `main`, the rest into `others`.
pub(crate) fn read_addresses(
    seg: Seg<'_>,
    field: u16,
    main: &str,
    others: &str,
    canon: &mut Canon,
    notes: &mut Notes,
) {
    let of = |rep: &Rep<'_>| {
        let code = rep.peek(7);
        let known = code.and_then(|code| ADDRESS_USES.iter().find(|(it, _, _)| *it == code));
        (code.is_some(), known)
    };
    let all: Vec<Rep<'_>> = seg.repetitions(field).collect();
    let lives = all.iter().position(|rep| match of(rep) {
        (_, Some((_, _, lives))) => *lives,
        (stated, None) => !stated,
    });
    let first = lives.or_else(|| (!all.is_empty()).then_some(0));
    for (nth, rep) in all.iter().enumerate() {
        let is_main = Some(nth) == first;
        let index = canon.len(others);
        if !is_main && index >= ADDRESSES_MAX {
            continue;
        }
        let path = if is_main { main.to_owned() } else { format!("{others}.{index}") };
        read_address(*rep, &path, canon);
        match of(rep) {
            (_, Some((_, r#use, _))) => canon.put(&format!("{path}.use"), *r#use),
            (true, None) => notes
                .add(rep.path(7), What::Mapping("is no address type of HL7 table 0190; not used")),
            (false, None) => {}
        }
        rep.text(7);
    }
}

/// Writes addresses.
pub(crate) fn write_addresses(
    line: &mut Line,
    field: u16,
    canon: &mut Canon,
    main: &str,
    others: &str,
) {
    let further = (0..canon.len(others)).map(|index| format!("{others}.{index}"));
    let all: Vec<String> = std::iter::once(main.to_owned()).chain(further).collect();
    for (repetition, path) in (1_u16..).zip(all) {
        let stated = format!("{path}.use");
        let known = canon.text(&stated);
        let known = ADDRESS_USES.iter().find(|(_, it, _)| known == Some(*it));
        // Another address where the patient could live would be read as the main one.
        if repetition > 1 && known.is_none() {
            continue;
        }
        write_address(line, field, repetition, canon, &path);
        if let Some((code, _, _)) = known {
            line.put_at(field, repetition, 7, 1, *code);
            canon.take(&stated);
        }
    }
}
