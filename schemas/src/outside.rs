//! What may be kept and shown of a text that comes from outside.
//!
//! ```text
//!   number    another system's own number     records, receipts   dropped if it may be a person's
//!   place     the name of a field             errors, records     what may be a value is blotted out
//!   sentence  words in an error               errors, logs        the same, on one line
//!   name      one step of a place             places              replaced as a whole
//!   code      a code of ours, said by others  errors              dropped if it has another form
//!   visible   what a person asked to see      the terminal        commands become spaces
//! ```
//!
//! Hospitals, gateways and whoever stands between write into answers, receipts, element names and
//! certificates what they like: three megabytes, commands for a terminal, a patient's number.
//! Operators read it later, and it stays in the store. So every such text goes through here, and
//! each sort has a length, a set of characters, and one place where it may appear. [`Problem`],
//! [`Deviation`] and [`Loss`] use it whenever one is made.
//!
//! A number of a person is recognised by its form, as far as one can: a resident identity number by
//! its birth date and check character, with 18 or 15 digits, and a telephone number. Nobody can
//! recognise all that could be written, so this is the last of several guards: codecs never pass
//! on the words of a destination.
//!
//! Deliberately not here: what a message itself says. That is for its receivers, and is stored and
//! sent on as it is.
//!
//! [`Problem`]: crate::Problem
//! [`Deviation`]: crate::Deviation
//! [`Loss`]: crate::Loss

use std::borrow::Cow;

use crate::identity::IdentityNumber;

/// Longest number of another system, in characters.
pub const NUMBER_CHARS_MAX: usize = 100;

/// Longest name of a field, in characters.
pub const PLACE_CHARS_MAX: usize = 200;

/// Longest text of an error, in characters.
pub const SENTENCE_CHARS_MAX: usize = 1_000;

/// Longest name of one step of a place, in characters. Longer ones are probably texts.
pub const NAME_CHARS_MAX: usize = 40;

/// Most digits in the name of one step. More could be somebody's number.
const NAME_DIGITS_MAX: usize = 3;

/// What is shown instead of a name that may be anything.
pub const UNREADABLE_NAME: &str = "(unreadable name)";

/// What takes the place of a digit, or of a character that may not appear.
const BLOT: char = '#';

/// Fewest digits in a row that are blotted out where somebody's number was found. Shorter rows are
/// kept, because they number fields and repetitions.
const BLOTTED_DIGITS_MIN: usize = 3;

/// Characters beyond the length of a text in which numbers are looked for as well.
const LOOKED_AT_BEYOND: usize = 64;

/// Length of an identity number of today, in characters.
const IDENTITY: usize = 18;
/// Length of an identity number from before 1999.
const IDENTITY_OLD: usize = 15;
/// Length of a mobile telephone number.
const MOBILE: usize = 11;

/// A number that another system gave to a message or a case: printable ASCII without spaces, with at
/// least one digit. `None` if it is anything else, or may be the number of a person.
#[must_use]
pub fn number(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = (1..=NUMBER_CHARS_MAX).contains(&text.len());
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:#|+=~^@".contains(&b));
    let counts = text.bytes().any(|b| b.is_ascii_digit());
    (fits && plain && counts && !is_of_a_person(text)).then(|| text.to_owned())
}

/// The name of a field, as a path: printable ASCII, at most [`PLACE_CHARS_MAX`].
#[must_use]
pub fn place(text: impl Into<String>) -> String {
    let plain = |c: char| c == ' ' || c.is_ascii_graphic();
    bounded(text.into(), PLACE_CHARS_MAX, |c| if plain(c) { c } else { BLOT })
}

/// Words for a person, on one line and at most [`SENTENCE_CHARS_MAX`] long: no commands for a
/// terminal, no marks that turn the reading order, no number of a person.
#[must_use]
pub fn sentence(text: impl Into<String>) -> String {
    bounded(text.into(), SENTENCE_CHARS_MAX, |c| if is_command(c) { ' ' } else { c })
}

/// The text with each character as `shown` shows it, without numbers of persons, cut to length.
fn bounded(text: String, chars_max: usize, shown: impl Fn(char) -> char) -> String {
    let whole = text.len() <= chars_max;
    let text = if whole && text.chars().all(|c| shown(c) == c) {
        text
    } else {
        // Somewhat more than is kept, so that a number at the end is recognised before it is cut.
        text.chars().take(chars_max + LOOKED_AT_BEYOND).map(shown).collect()
    };
    let mut text = without_persons(text);
    if !whole && let Some((end, _)) = text.char_indices().nth(chars_max) {
        text.truncate(end);
        text.pop();
        text.push('~');
    }
    text
}

/// One step of a place, such as the name of an element. [`UNREADABLE_NAME`] if it can be anything but
/// a name.
#[must_use]
pub fn name(text: &str) -> &str {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    let short = (1..=NAME_CHARS_MAX).contains(&text.len());
    let digits = text.chars().filter(char::is_ascii_digit).count();
    if plain && short && digits <= NAME_DIGITS_MAX { text } else { UNREADABLE_NAME }
}

/// An error code of ours that somebody else names: a letter and three digits.
#[must_use]
pub fn code(text: &str) -> Option<&str> {
    let (letter, digits) = text.split_at_checked(1)?;
    let fits = letter.bytes().all(|b| b.is_ascii_uppercase())
        && digits.len() == 3
        && digits.bytes().all(|b| b.is_ascii_digit());
    fits.then_some(text)
}

/// A text for a terminal: commands become spaces, and nothing else changes.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_command) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_command(c) { ' ' } else { c }).collect())
}

/// JSON for a terminal: what is a command is written as an escape, so that the value stays the same.
/// The line ends that lay it out stay.
#[must_use]
pub fn visible_json(json: &str) -> Cow<'_, str> {
    let hidden = |c: char| is_command(c) && c != '\n';
    if !json.contains(hidden) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if hidden(c) {
            let units = c
                .encode_utf16(&mut [0; 2])
                .iter()
                .fold(String::new(), |text, unit| format!("{text}\\u{unit:04x}"));
            escaped.push_str(&units);
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Whether a character does something to a terminal or to the order of reading, instead of being
/// seen.
fn is_command(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// Blots out the digits of a text in which the number of a person was found.
fn without_persons(text: String) -> String {
    if !names_a_person(&text) {
        return text;
    }
    let mut blotted = String::with_capacity(text.len());
    let mut row = String::new();
    let end = |row: &mut String, blotted: &mut String| {
        if row.chars().count() >= BLOTTED_DIGITS_MIN {
            blotted.extend(row.chars().map(|_| BLOT));
        } else {
            blotted.push_str(row);
        }
        row.clear();
    };
    for c in text.chars() {
        if digit(c).is_some() {
            row.push(c);
        } else {
            end(&mut row, &mut blotted);
            blotted.push(c);
        }
    }
    end(&mut row, &mut blotted);
    blotted
}

/// Whether a number of another system may be that of a person. Such a number is a word of its own,
/// so nothing around it tells the two apart.
fn is_of_a_person(text: &str) -> bool {
    let joined: String = text.chars().filter(|c| !is_joint(*c)).collect();
    let is_uuid = text.len() == 36 && uuid::Uuid::parse_str(text).is_ok();
    holds_identity(&joined)
        || (!is_uuid
            && [text, &joined].into_iter().any(|text| rows(text).any(|row| is_short(&row))))
        || is_landline(text)
}

/// Whether words hold the number of a person, as a word of its own.
fn names_a_person(text: &str) -> bool {
    // Hardly any text has so many digits.
    if text.chars().filter(|c| digit(*c).is_some()).count() < MOBILE - 1 {
        return false;
    }
    let joined: String = text.chars().filter(|c| !is_joint(*c) && *c != ' ').collect();
    let words = |c: char| !(c.is_ascii_alphanumeric() || digit(c).is_some() || is_joint(c));
    holds_identity(&joined)
        || text.split(words).any(|word| {
            let whole: String = word.chars().filter(|c| !is_joint(*c)).collect();
            let parts = word.split(is_joint);
            parts
                .chain([whole.as_str()])
                .any(|part| digits_of(part).is_some_and(|digits| is_short(&digits)))
                || is_landline(word)
        })
}

/// What people write between the digits of one number.
const fn is_joint(c: char) -> bool {
    matches!(c, '-' | '_' | '.' | '/' | ':')
}

/// A digit as ASCII, also a full-width one.
fn digit(c: char) -> Option<char> {
    match c {
        '0'..='9' => Some(c),
        '０'..='９' => char::from_u32(u32::from(c) - u32::from('０') + u32::from('0')),
        _ => None,
    }
}

/// The text as ASCII digits, with an X at its end if there is one. `None` if anything else is in it.
fn digits_of(text: &str) -> Option<Cow<'_, str>> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return (!text.is_empty()).then_some(Cow::Borrowed(text));
    }
    text.chars().map(digit).collect::<Option<String>>().map(Cow::Owned)
}

/// The rows of digits in a text.
fn rows(text: &str) -> impl Iterator<Item = String> {
    text.split(|c| digit(c).is_none())
        .filter(|row| !row.is_empty())
        .filter_map(|row| digits_of(row).map(Cow::into_owned))
}

/// Whether somewhere in the text 18 characters are an identity number, whatever is around them: its
/// birth date and its check character are hardly there by chance.
fn holds_identity(text: &str) -> bool {
    let characters: Vec<char> = text.chars().map(|c| digit(c).unwrap_or(c)).collect();
    characters.windows(IDENTITY).any(|window| {
        let (last, digits) = (window[IDENTITY - 1], &window[..IDENTITY - 1]);
        digits.iter().all(char::is_ascii_digit)
            && (last.is_ascii_digit() || matches!(last, 'x' | 'X' | 'ｘ' | 'Ｘ'))
            && IdentityNumber::read(&String::from_iter(window)).is_ok()
    })
}

/// Whether a row of digits as a whole is an identity number from before 1999 or a mobile number.
/// Neither has a check character, so the whole row must be one.
fn is_short(row: &str) -> bool {
    match row.len() {
        MOBILE => is_mobile(row),
        IDENTITY_OLD if IdentityNumber::read(row).is_ok() => true,
        // With the code of the country, as it is written and as it is dialled.
        _ => ["86", "0086"].iter().any(|code| row.strip_prefix(code).is_some_and(is_mobile)),
    }
}

/// Whether eleven digits are a mobile number: 13 to 19 in front.
fn is_mobile(digits: &str) -> bool {
    digits.len() == MOBILE
        && digits.starts_with('1')
        && digits.as_bytes().get(1).is_some_and(|b| (b'3'..=b'9').contains(b))
}

/// Whether a word is a telephone number with an area code: `0310-1234567`.
fn is_landline(word: &str) -> bool {
    let mut parts = word.split('-');
    let (Some(area), Some(number), None) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    area.starts_with('0')
        && (3..=4).contains(&area.len())
        && (7..=8).contains(&number.len())
        && is_digits(area)
        && is_digits(number)
}

#[cfg(test)]
mod tests;
