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
    #[error("an identity number has 18 characters (15 on cards from before 1999); check that it is whole")]
    Length,
    /// Something else than digits, or an X elsewhere than at the end.
    #[error("an identity number has digits only, and X only in the last place; check that it was typed right")]
    Character,
    /// The middle eight digits are no day of the calendar, or an impossible year.
    #[error("digits 7 to 14 of an identity number are the birth date; check that they were typed right")]
    BirthDate,
    /// The check character does not fit the digits.
    #[error("the check character of the identity number does not fit; compare each digit with the card")]
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
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    /// Reads `text` and gives the number as text.
    fn read(text: &str) -> Result<(String, Vec<Tolerance>), IdentityFault> {
        IdentityNumber::read(text).map(|(number, seen)| (number.as_str().to_owned(), seen))
    }

    fn number(text: &str) -> IdentityNumber {
        IdentityNumber::read(text).unwrap().0
    }

    #[test]
    fn the_examples_of_the_standard_are_read() {
        let first = number("11010519491231002X");
        assert_eq!((first.birth_date(), first.sex()), (date(1949, 12, 31), Sex::Female));

        let second = number("440524188001010014");
        assert_eq!((second.birth_date(), second.sex()), (date(1880, 1, 1), Sex::Male));
    }

    #[test]
    fn a_region_that_nobody_was_given_is_read() {
        assert_eq!(number("990101195001010010").sex(), Sex::Male);
        assert_eq!(number("99010120150614002X").birth_date(), date(2015, 6, 14));
    }

    #[test]
    fn a_careless_form_is_read_and_each_tolerance_is_reported() {
        use Tolerance::{FullWidth, LowerCase, Spaces};
        let good = "99010120150614002X".to_owned();

        assert_eq!(read("99010120150614002X"), Ok((good.clone(), vec![])));
        assert_eq!(read("99010120150614002x"), Ok((good.clone(), vec![LowerCase])));
        assert_eq!(read(" 990101 20150614 002X\u{3000}"), Ok((good.clone(), vec![Spaces])));
        assert_eq!(read("\u{FEFF}99010120150614002X"), Ok((good.clone(), vec![Spaces])));
        assert_eq!(
            read("９９０１０１２０１５０６１４００２ｘ"),
            Ok((good, vec![FullWidth, LowerCase]))
        );
    }

    #[test]
    fn fifteen_digits_get_their_century_and_check_character() {
        let (upgraded, seen) = read("110105491231002").unwrap();

        assert_eq!(upgraded, "11010519491231002X");
        assert_eq!(seen, [Tolerance::Upgraded]);
    }

    #[test]
    fn each_fault_has_its_name() {
        assert_eq!(read(""), Err(IdentityFault::Empty));
        assert_eq!(read(" \u{3000}"), Err(IdentityFault::Empty));
        assert_eq!(read("9901011950010100"), Err(IdentityFault::Length));
        assert_eq!(read(&" ".repeat(65)), Err(IdentityFault::Length));
        assert_eq!(read("99010119500101X010"), Err(IdentityFault::Character));
        assert_eq!(read("99010150010100X"), Err(IdentityFault::Character));
        assert_eq!(read("990101-19500101001"), Err(IdentityFault::Character));
        assert_eq!(read("九90101195001010010"), Err(IdentityFault::Character));
        assert_eq!(read("990101195001010011"), Err(IdentityFault::Checksum));
    }

    #[test]
    fn a_birth_date_that_no_calendar_has_is_refused() {
        let dates = ["19500230", "19501301", "19500100", "19000229", "18491231", "21000101"];

        for born in dates {
            let text = whole_number(&format!("990101{born}001"));
            assert_eq!(read(&text), Err(IdentityFault::BirthDate), "{born}");
        }
        assert!(read(&whole_number("99010120000229001")).is_ok());
    }

    #[test]
    fn a_number_from_the_future_is_known_by_todays_date() {
        let child = number("99010120150614002X");

        assert!(child.is_born_by(date(2015, 6, 14)));
        assert!(!child.is_born_by(date(2015, 6, 13)));
    }

    #[test]
    fn fields_that_contradict_the_number_are_named() {
        let girl = number("99010120150614002X");
        let day = date(2015, 6, 14);

        assert_eq!(girl.mismatches(Some(day), Some("2")), []);
        assert_eq!(girl.mismatches(None, None), []);
        assert_eq!(girl.mismatches(Some(day), Some("9")), []);
        assert_eq!(girl.mismatches(Some(day), Some("1")), [Mismatch::Sex]);
        assert_eq!(
            girl.mismatches(Some(date(2015, 6, 15)), Some("1")),
            [Mismatch::BirthDate, Mismatch::Sex]
        );
    }

    #[test]
    fn neither_debug_nor_an_error_shows_a_digit_of_the_number() {
        let shown = format!("{:?}", number("990101195001010010"));
        assert_eq!(shown, "IdentityNumber(hidden)");

        let fault = IdentityNumber::read("990101195001010011").unwrap_err();
        assert!(!fault.to_string().contains("990101"));
    }

    /// Puts the right check character behind 17 digits.
    fn whole_number(digits: &str) -> String {
        let mut characters = [b'0'; LENGTH];
        characters[..LENGTH - 1].copy_from_slice(digits.as_bytes());
        characters[LENGTH - 1] = check_character(&characters);
        String::from_utf8(characters.to_vec()).unwrap()
    }

    prop_compose! {
        fn any_number()(
            region in 0..=999_999_u32, year in BIRTH_YEAR_MIN..=BIRTH_YEAR_MAX,
            month in 1..=12_i8, day in 1..=28_i8, sequence in 0..=999_u32,
        ) -> String {
            whole_number(&format!("{region:06}{year:04}{month:02}{day:02}{sequence:03}"))
        }
    }

    proptest! {
        #[test]
        fn every_right_number_is_read_as_it_is(text in any_number()) {
            prop_assert_eq!(read(&text), Ok((text, vec![])));
        }

        #[test]
        fn one_wrong_character_is_always_noticed(
            text in any_number(), at in 0..LENGTH, other in 0..11_usize,
        ) {
            let mut wrong = text.clone().into_bytes();
            wrong[at] = CHECK[other];
            let wrong = String::from_utf8(wrong).unwrap();
            prop_assume!(wrong != text);

            prop_assert!(IdentityNumber::read(&wrong).is_err());
        }

        #[test]
        fn two_swapped_neighbours_are_always_noticed(text in any_number(), at in 0..LENGTH - 1) {
            let mut wrong = text.clone().into_bytes();
            wrong.swap(at, at + 1);
            let wrong = String::from_utf8(wrong).unwrap();
            prop_assume!(wrong != text);

            prop_assert!(IdentityNumber::read(&wrong).is_err());
        }

        #[test]
        fn any_text_is_read_or_refused_but_never_panics(text in "\\PC{0,80}") {
            if let Ok((number, _)) = IdentityNumber::read(&text) {
                prop_assert_eq!(number.as_str().len(), LENGTH);
            }
        }

        #[test]
        fn eighteen_of_the_likeliest_characters_never_panic(text in "[0-9Xx０-９ -]{15,20}") {
            if let Ok((number, _)) = IdentityNumber::read(&text) {
                prop_assert_eq!(number.as_str().len(), LENGTH);
            }
        }
    }
}
