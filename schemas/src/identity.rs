//! 公民身份号码: the identity number of GB 11643-1999, read the way hospitals really write it.
//!
//! ```text
//!   9 9 0 1 0 1   1 9 5 0 0 1 0 1   0 0 1   0
//!   └─ region ─┘  └─ birth date ─┘  └seq┘   └ check, MOD 11-2 (ISO 7064)
//!                                       └ odd: male, even: female
//! ```
//!
//! Reading is tolerant of form and strict on content: spaces, full-width digits, a small `x` and
//! the 15 digits of GB 11643-1989 are read and reported as [`Tolerance`]; a wrong digit is refused.
//!
//! The region is deliberately not looked up. Regions are merged and renamed every year and the
//! number keeps the old one; exercises use 990101, which nobody will ever be given.
//!
//! A number names a person, so neither the errors nor `Debug` show it. This file reads no clock:
//! whether a birth date lies in the future is asked with today's date as an argument.
//!
//! The codes of organisations are in [`organisation`].

pub mod organisation;

use std::fmt;

use jiff::civil::Date;

/// Longest text looked at. Eighteen digits with a space after each fit; more is no number.
const TEXT_CHARS_MAX: usize = 64;

/// Digits of a number today.
const LENGTH: usize = 18;

/// Digits of a number before 1999: no century, no check character.
const LENGTH_OLD: usize = 15;

/// Nobody alive was born earlier, and the standard's own example is of 1880.
const BIRTH_YEAR_MIN: i16 = 1850;

/// A later year is a slip of the hand for as long as this program will run.
const BIRTH_YEAR_MAX: i16 = 2099;

/// What each of the first 17 digits weighs: 2 to the power of its distance from the end, modulo 11.
const WEIGHTS: [u32; LENGTH - 1] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

/// The check character for each remainder of the weighted sum by 11.
const CHECK: [u8; 11] = *b"10X98765432";

/// A well-formed identity number of 18 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdentityNumber {
    characters: [u8; LENGTH],
    birth_date: Date,
}

/// A way in which a number broke the standard's form and was read anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tolerance {
    /// Spaces or invisible characters stood before, after or between the digits.
    Spaces,
    /// Hyphens stood between the characters.
    Hyphens,
    /// Full-width digits or letters were written.
    FullWidth,
    /// A letter was written small.
    LowerCase,
    /// The number had the 15 digits in use before 1999. It carries no check character, so a wrong
    /// digit in it could not be noticed.
    Upgraded,
}

/// Why a text is no identity number. Names the fault, never the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum IdentityFault {
    /// Nothing but spaces.
    #[error("the identity number is empty; send it, or send another kind of identity document")]
    Empty,
    /// Neither 18 nor 15 characters.
    #[error(
        "an identity number has 18 characters (15 on cards from before 1999); check that it is whole"
    )]
    Length,
    /// Something else than digits, or an X elsewhere than at the end.
    #[error(
        "an identity number has digits only, and X only in the last place; check that it was typed right"
    )]
    Character,
    /// The middle eight digits are no day of the calendar, or an impossible year.
    #[error(
        "digits 7 to 14 of an identity number are the birth date; check that they were typed right"
    )]
    BirthDate,
    /// The check character does not fit the digits.
    #[error(
        "the check character of the identity number does not fit; compare each digit with the card"
    )]
    Checksum,
}

/// The sex that a number states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sex {
    /// The 17th digit is odd.
    Male,
    /// The 17th digit is even.
    Female,
}

impl Sex {
    /// The code in `codes/sex.csv` (GB/T 2261.1-2003).
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Male => "1",
            Self::Female => "2",
        }
    }
}

/// A field that says something else than the number does.
///
/// A reason to warn, not to refuse: registers hold wrong birth dates that nobody can correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mismatch {
    /// The birth date differs.
    BirthDate,
    /// The sex differs.
    Sex,
}

impl IdentityNumber {
    /// Reads a number as a hospital wrote it, and says what had to be tolerated.
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

    /// The 18 characters, with a capital X.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII digits and X get this far, so the text is never empty here.
        std::str::from_utf8(&self.characters).unwrap_or_default()
    }

    /// The birth date that the number states.
    #[must_use]
    pub const fn birth_date(&self) -> Date {
        self.birth_date
    }

    /// The sex that the number states.
    #[must_use]
    pub const fn sex(&self) -> Sex {
        if self.characters[LENGTH - 2] % 2 == 1 { Sex::Male } else { Sex::Female }
    }

    /// Whether the person was born by `today`. A number from the future is a wrong number.
    #[must_use]
    pub fn is_born_by(&self, today: Date) -> bool {
        self.birth_date <= today
    }

    /// The fields beside the number that contradict it.
    ///
    /// `sex` is a code of GB/T 2261.1; unknown and unstated sexes contradict nothing.
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

/// Hides the number: a debug print must not tell who the patient is.
impl fmt::Debug for IdentityNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityNumber(hidden)")
    }
}

/// The characters of `text` in capital ASCII without spaces, and what that took.
///
/// `None` for a text too long to be any number. Hyphens go only where the code allows them.
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
            // Full-width forms stand at a fixed distance from ASCII.
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

/// Spaces, and the marks without width that copying from spreadsheets and web pages leaves.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{200B}'..='\u{200D}' | '\u{FEFF}')
}

/// The 18 characters of a number in today's form.
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

/// The 18 characters of a number in the form of GB 11643-1989: the century goes in, the check
/// character goes on. Only the 20th century can be meant: the form ended in 1999.
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
