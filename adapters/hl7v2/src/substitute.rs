//! Characters that the receiver's character set lacks: one of them must not hold up a patient.
//!
//! ```text
//!   signs    µ ² • ≤ …       ─▶ what they are usually written as: u 2 · <=
//!   anything else            ─▶ the placeholder 〓
//!   in the name of a person  ─▶ always the placeholder, and a remark that names the character
//! ```
//!
//! Each is a loss that is recorded. A name with a placeholder is sent only where a number says too
//! who the patient is, or in an emergency; without one it is refused, which parks the delivery.
//!
//! A set without the placeholder has no Chinese at all, so it is not what the hospital reads; then
//! the character refuses the message, too.

use tierlink_schemas::Loss;

use crate::charset::Charset;
use crate::fault::Fault;
use crate::write::Line;

/// 〓, which GB 2312 has for characters that are missing.
const PLACEHOLDER: char = '〓';

/// Most characters that a remark names.
const NAMED_MAX: usize = 10;

/// Fields that hold names of people.
const NAMES: [(&str, u16); 13] = [
    ("PID", 5),
    ("PID", 6),
    ("PID", 9),
    ("NK1", 2),
    ("PRD", 2),
    ("AIP", 3),
    ("ARQ", 15),
    ("ARQ", 19),
    ("OBR", 32),
    ("OBX", 16),
    ("PV1", 7),
    ("ORC", 12),
    ("IN1", 16),
];

/// Signs with a usual other way of writing them. Superscript and vulgar fractions are not here:
/// what they become depends on what stands before them.
const SIGNS: [(char, &str); 34] = [
    ('µ', "u"),
    ('μ', "u"),
    ('•', "·"),
    ('‧', "·"),
    ('−', "-"),
    ('‐', "-"),
    ('‑', "-"),
    ('–', "-"),
    ('—', "-"),
    ('≤', "<="),
    ('≥', ">="),
    ('⩽', "<="),
    ('⩾', ">="),
    ('±', "+/-"),
    ('×', "x"),
    ('÷', "/"),
    ('℃', "°C"),
    ('°', "度"),
    ('Ω', "欧"),
    ('Ω', "欧"),
    ('‰', "/1000"),
    ('®', "(R)"),
    ('™', "(TM)"),
    ('©', "(C)"),
    ('€', "EUR"),
    ('£', "GBP"),
    ('\u{a0}', " "),
    ('\u{2009}', " "),
    ('\u{202f}', " "),
    ('\u{200b}', ""),
    ('\u{feff}', ""),
    ('\u{fe0f}', ""),
    ('‹', "<"),
    ('›', ">"),
];

const SUPERSCRIPTS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
const SUBSCRIPTS: [char; 10] = ['₀', '₁', '₂', '₃', '₄', '₅', '₆', '₇', '₈', '₉'];
const FRACTIONS: [(char, &str); 3] = [('½', "1/2"), ('¼', "1/4"), ('¾', "3/4")];

/// What became of the characters of one message.
#[derive(Debug, Default)]
pub(crate) struct Substituted {
    /// One for each field.
    pub(crate) losses: Vec<Loss>,
    /// Names the characters of names that are missing; nothing where no name has any.
    pub(crate) remark: Option<String>,
}

/// Writes `lines` so that the character set has every character.
pub(crate) fn fit(
    lines: &mut [Line],
    charset: Charset,
    is_emergency: bool,
) -> Result<Substituted, Fault> {
    let mut done = Substituted::default();
    if !has(charset, PLACEHOLDER) {
        return Ok(done);
    }
    let is_numbered = lines.iter().any(|line| line.name() == "PID" && line.holds(3));
    let mut missing: Vec<char> = Vec::new();
    let names: Vec<&str> = lines.iter().map(Line::name).collect();
    for (at, line) in lines.iter_mut().enumerate() {
        let name = line.name();
        let nth = names.iter().take(at + 1).filter(|other| **other == name).count();
        for (field, text) in line.texts() {
            if charset.encode(text).is_ok() {
                continue;
            }
            let place =
                if nth > 1 { format!("{name}[{nth}]-{field}") } else { format!("{name}-{field}") };
            let is_name = NAMES.contains(&(name, field));
            if is_name && name == "PID" && !is_numbered && !is_emergency {
                return Err(Fault::Unmappable { field: place, charset: charset.msh_18() });
            }
            if is_name {
                let lacks = text.chars().filter(|c| !has(charset, *c));
                missing.extend(lacks.filter(|c| !missing.contains(c)).collect::<Vec<_>>());
            }
            *text = written(text, charset, is_name);
            let told = if is_name {
                "a character of the name is not in the receiver's character set; 〓 stands in its \
                 place and a remark names it"
            } else {
                "a character is not in the receiver's character set; it was written in another way"
            };
            if !done.losses.iter().any(|loss| loss.field == place) {
                done.losses.push(Loss::plain(place, told));
            }
        }
    }
    done.remark = remark(&missing);
    Ok(done)
}

fn has(charset: Charset, character: char) -> bool {
    charset.encode(character.encode_utf8(&mut [0; 4])).is_ok()
}

fn written(text: &str, charset: Charset, is_name: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if has(charset, character) {
            out.push(character);
        } else if is_name {
            out.push(PLACEHOLDER);
        } else {
            push_other(&mut out, character, charset);
        }
    }
    out
}

/// Pushes what a character is written as. `10⁹` must not become `109`, nor `1½` `11/2`.
fn push_other(out: &mut String, character: char, charset: Charset) {
    let digit = |list: &[char; 10]| list.iter().position(|it| *it == character);
    let behind_digit = out.chars().next_back().is_some_and(|before| before.is_ascii_digit());
    if let Some(digit) = digit(&SUPERSCRIPTS) {
        let goes_on = behind_digit
            && out.rsplit(|c: char| !c.is_ascii_digit()).count() > 1
            && out.trim_end_matches(|c: char| c.is_ascii_digit()).ends_with('^');
        if behind_digit && !goes_on {
            out.push('^');
        }
        out.push_str(&digit.to_string());
    } else if let Some(digit) = digit(&SUBSCRIPTS) {
        out.push_str(&digit.to_string());
    } else if let Some((_, words)) = FRACTIONS.iter().find(|(sign, _)| *sign == character) {
        if behind_digit {
            out.push(' ');
        }
        out.push_str(words);
    } else {
        let sign = SIGNS.iter().find(|(sign, _)| *sign == character).map(|(_, words)| *words);
        match sign.filter(|words| charset.encode(words).is_ok()) {
            Some(words) => out.push_str(words),
            None => out.push(PLACEHOLDER),
        }
    }
}

fn remark(missing: &[char]) -> Option<String> {
    if missing.is_empty() {
        return None;
    }
    let named: Vec<String> = missing
        .iter()
        .take(NAMED_MAX)
        .map(|character| format!("U+{:04X}", u32::from(*character)))
        .collect();
    Some(format!(
        "[平台提示] 姓名中有本院字符集没有的字，以〓代替；原字的统一码：{}",
        named.join("、")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gbk() -> Charset {
        Charset::named("GBK").unwrap()
    }

    #[test]
    fn a_sign_becomes_what_it_is_usually_written_as_and_no_number_changes() {
        for (text, want) in [
            ("肌酐 88 µmol/L", "肌酐 88 umol/L"),
            ("体表面积 1.7 m²", "体表面积 1.7 m2"),
            ("白细胞 10⁹/L", "白细胞 10^9/L"),
            ("10¹²/L", "10^12/L"),
            ("每次 1½ 片", "每次 1 1/2 片"),
            ("½ 片", "1/2 片"),
            ("• 低盐", "· 低盐"),
            ("CO₂", "CO2"),
            ("好转🙂", "好转〓"),
        ] {
            assert_eq!(written(text, gbk(), false), want);
        }
        assert_eq!(written("𠮷µ", gbk(), true), "〓〓", "nothing is guessed in a name");
    }
}
