//! Resident identity numbers (公民身份号码, GB 11643-1999), read as hospitals really write them.
//!
//! ```text
//!   9 9 0 1 0 1   1 9 5 0 0 1 0 1   0 0 1   0
//!   └─ region ─┘  └─ birth date ─┘  └seq┘   └ check, MOD 11-2 (ISO 7064)
//!                                       └ odd: male, even: female
//! ```
//!
//! Reading is tolerant about form and strict about content: spaces, full-width digits, a
//! lower-case `x` and the 15 digits of GB 11643-1989 are read and reported as [`Tolerance`]; a
//! wrong digit is refused.
//!
//! The region is not looked up, because regions are merged and renamed while numbers keep the old
//! one. Tests and exercises use 990101, which does not exist.
//!
//! A number identifies a person, so neither errors nor `Debug` show it. This file reads no clock:
//! today's date is an argument.
//!
//! [`organisation`] has the codes of organisations.

pub mod organisation;

use std::fmt;

use jiff::civil::Date;

/// Longest text to read, in characters. Eighteen digits with a space after each fit.
const TEXT_CHARS_MAX: usize = 64;

/// Length of a number, in characters.
const LENGTH: usize = 18;

/// Length of a number from before 1999: without century and check character.
const LENGTH_OLD: usize = 15;

/// Earliest birth year. The example in the standard is of 1880.
const BIRTH_YEAR_MIN: i16 = 1850;

/// Latest birth year. A later one is a typing mistake.
const BIRTH_YEAR_MAX: i16 = 2099;

/// Weights of the first 17 digits: 2 to the power of the distance from the end, modulo 11.
const WEIGHTS: [u32; LENGTH - 1] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

/// The check character for each remainder of the weighted sum modulo 11.
const CHECK: [u8; 11] = *b"10X98765432";

/// A valid identity number of 18 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdentityNumber {
    characters: [u8; LENGTH],
    birth_date: Date,
}

/// How a number broke the form of the standard and was read anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tolerance {
    /// There were spaces or invisible characters.
    Spaces,
    /// There were hyphens.
    Hyphens,
    /// There were full-width digits or letters.
    FullWidth,
    /// There was a lower-case letter.
    LowerCase,
    /// It had the 15 digits used before 1999, which have no check character, so a wrong digit
    /// cannot be noticed.
    Upgraded,
}

/// Why a text is not an identity number. Never quotes the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum IdentityFault {
    /// The text is blank.
    #[error("the identity number is empty; send it, or send another kind of identity document")]
    Empty,
    /// It has neither 18 nor 15 characters.
    #[error(
        "an identity number has 18 characters (15 on cards from before 1999); check that it is whole"
    )]
    Length,
    /// It has a character other than a digit, or an X that is not at the end.
    #[error(
        "an identity number has digits only, and X only in the last place; check that it was typed right"
    )]
    Character,
    /// Digits 7 to 14 are not a date, or the year is impossible.
    #[error(
        "digits 7 to 14 of an identity number are the birth date; check that they were typed right"
    )]
    BirthDate,
    /// The check character does not match the digits.
    #[error(
        "the check character of the identity number does not fit; compare each digit with the card"
    )]
    Checksum,
}

/// The sex that an identity number states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sex {
    /// The 17th digit is odd.
    Male,
    /// The 17th digit is even.
    Female,
}

impl Sex {
    /// The code of GB/T 2261.1-2003, as in `codes/sex.csv`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Male => "1",
            Self::Female => "2",
        }
    }
}

/// A field that contradicts the identity number.
///
/// A warning and no reason to refuse by itself, because some registers have wrong birth dates that
/// nobody can correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mismatch {
    /// The birth date contradicts the number.
    BirthDate,
    /// The sex contradicts the number.
    Sex,
}

impl IdentityNumber {
    /// Reads a number as a hospital wrote it. Also returns what had to be tolerated.
    pub fn read(text: &str) -> Result<(Self, Vec<Tolerance>), IdentityFault> {
        let (plain, mut tolerances) = plain(text, false).ok_or(IdentityFault::Length)?;
        let characters = match plain.len() {
            0 => return Err(IdentityFault::Empty),
            LENGTH => whole(&plain)?,
            LENGTH_OLD => {
                tolerances.push(Tolerance::Upgraded);
                upgraded(&plain)?
            }
            _ => return Err(IdentityFault::Length),
        };
        let birth_date = birth_date(&characters).ok_or(IdentityFault::BirthDate)?;
        if characters[LENGTH - 1] != check_character(&characters) {
            return Err(IdentityFault::Checksum);
        }
        Ok((Self { characters, birth_date }, tolerances))
    }

    /// The 18 characters, with an upper-case X.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII digits and X are stored, so this is always valid UTF-8.
        std::str::from_utf8(&self.characters).unwrap_or_default()
    }

    /// The birth date in the number.
    #[must_use]
    pub const fn birth_date(&self) -> Date {
        self.birth_date
    }

    /// The sex in the number.
    #[must_use]
    pub const fn sex(&self) -> Sex {
        if self.characters[LENGTH - 2] % 2 == 1 { Sex::Male } else { Sex::Female }
    }

    /// Whether the person is born by `today`. Otherwise the number is wrong.
    #[must_use]
    pub fn is_born_by(&self, today: Date) -> bool {
        self.birth_date <= today
    }

    /// The fields that contradict the number.
    ///
    /// `sex` is a code of GB/T 2261.1; `0` and `9` contradict nothing.
    #[must_use]
    pub fn mismatches(&self, birth_date: Option<Date>, sex: Option<&str>) -> Vec<Mismatch> {
        let mut mismatches = Vec::new();
        if birth_date.is_some_and(|given| given != self.birth_date) {
            mismatches.push(Mismatch::BirthDate);
        }
        if sex.is_some_and(|given| matches!(given, "1" | "2") && given != self.sex().code()) {
            mismatches.push(Mismatch::Sex);
        }
        mismatches
    }
}

/// Hides the number, because a debug output must not identify the patient.
impl fmt::Debug for IdentityNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityNumber(hidden)")
    }
}

/// The characters of `text` in upper-case ASCII without spaces, and what had to be tolerated.
///
/// `None` if the text is too long. Hyphens are removed only if `hyphens` allows them.
fn plain(text: &str, hyphens: bool) -> Option<(Vec<char>, Vec<Tolerance>)> {
    if text.chars().nth(TEXT_CHARS_MAX).is_some() {
        return None;
    }
    let mut plain = Vec::new();
    let mut tolerances = Vec::new();
    let mut note = |tolerance| {
        if !tolerances.contains(&tolerance) {
            tolerances.push(tolerance);
        }
    };
    for written in text.chars() {
        let character = match written {
            // Full-width forms are at a fixed distance from ASCII.
            '\u{FF01}'..='\u{FF5E}' => {
                note(Tolerance::FullWidth);
                char::from_u32(u32::from(written) - 0xFF01 + 0x21).unwrap_or(written)
            }
            _ => written,
        };
        if is_blank(character) {
            note(Tolerance::Spaces);
        } else if hyphens && character == '-' {
            note(Tolerance::Hyphens);
        } else {
            if character.is_ascii_lowercase() {
                note(Tolerance::LowerCase);
            }
            plain.push(character.to_ascii_uppercase());
        }
    }
    Some((plain, tolerances))
}

/// Spaces, and invisible characters that copying from spreadsheets and web pages leaves.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{200B}'..='\u{200D}' | '\u{FEFF}')
}

/// Checks 18 characters in the present form.
fn whole(plain: &[char]) -> Result<[u8; LENGTH], IdentityFault> {
    let mut characters = [b'0'; LENGTH];
    for (at, (slot, written)) in characters.iter_mut().zip(plain).enumerate() {
        *slot = match written {
            'X' if at == LENGTH - 1 => b'X',
            _ => digit(*written)?,
        };
    }
    Ok(characters)
}

/// Converts 15 digits of GB 11643-1989: inserts the century and appends the check character. The
/// century is always the 20th, because this form ended in 1999.
fn upgraded(plain: &[char]) -> Result<[u8; LENGTH], IdentityFault> {
    let mut characters = [b'0'; LENGTH];
    characters[6..8].copy_from_slice(b"19");
    for (at, written) in plain.iter().enumerate() {
        characters[if at < 6 { at } else { at + 2 }] = digit(*written)?;
    }
    characters[LENGTH - 1] = check_character(&characters);
    Ok(characters)
}

fn digit(written: char) -> Result<u8, IdentityFault> {
    let ascii = u8::try_from(written).ok().filter(u8::is_ascii_digit);
    ascii.ok_or(IdentityFault::Character)
}

/// MOD 11-2 of ISO 7064 over the first 17 digits.
fn check_character(characters: &[u8; LENGTH]) -> u8 {
    let sum: u32 =
        characters.iter().zip(WEIGHTS).map(|(it, weight)| u32::from(it - b'0') * weight).sum();
    CHECK[sum as usize % CHECK.len()]
}

fn birth_date(characters: &[u8; LENGTH]) -> Option<Date> {
    let number = |digits: &[u8]| digits.iter().fold(0, |sum, it| sum * 10 + i16::from(it - b'0'));
    let year = number(&characters[6..10]);
    let month = i8::try_from(number(&characters[10..12])).ok()?;
    let day = i8::try_from(number(&characters[12..14])).ok()?;
    let date = Date::new(year, month, day).ok()?;
    (BIRTH_YEAR_MIN..=BIRTH_YEAR_MAX).contains(&year).then_some(date)
}

#[cfg(test)]
mod tests;
