//! The two national codes of organisations, with their check characters.
//!
//! ```text
//!   统一社会信用代码, GB 32100-2015          全国组织机构代码, GB 11714-1997
//!   9 1  350100  M000100Y4  3                 D2143569  X
//!   │ │  region  └ GB 11714 │ MOD 31          └ 8 ────┘ │ MOD 11
//!   │ └ category            └ check                     └ check
//!   └ registering authority
//! ```
//!
//! Neither the organisation nor the region is looked up. The broker identifies organisations by the
//! codes in their profiles; these checks are for fields that must have a national code.

use std::fmt;

use super::{Tolerance, plain};

const CREDIT_LENGTH: usize = 18;
const LEGACY_LENGTH: usize = 9;

/// The characters of GB 32100 in the order of their values. I, O, S, V and Z are left out, because
/// they look like digits.
const CREDIT_ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";

/// Weights of the characters of a credit code: 3 to the power of the position, modulo 31.
const CREDIT_WEIGHTS: [usize; CREDIT_LENGTH - 1] =
    [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];

/// Weights of the characters of a GB 11714 code.
const LEGACY_WEIGHTS: [usize; LEGACY_LENGTH - 1] = [3, 7, 9, 10, 5, 8, 4, 2];

/// Why a text is not a national code of an organisation. Never quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum OrganisationFault {
    /// The number of characters is wrong.
    #[error(
        "a 统一社会信用代码 has 18 characters and a 组织机构代码 has 9; check that it is whole"
    )]
    Length,
    /// A character is not allowed at its position.
    #[error(
        "the code holds a character that cannot stand at its place; check O against 0 and I against 1"
    )]
    Character,
    /// The check character does not match.
    #[error(
        "the check character of the code does not fit; compare it with the licence of the organisation"
    )]
    Checksum,
}

/// A valid unified social credit code (统一社会信用代码, GB 32100-2015).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CreditCode([u8; CREDIT_LENGTH]);

/// A valid organisation code (全国组织机构代码, GB 11714-1997). Replaced by credit codes in 2015, but still
/// part of them and of the 22 characters of WS 218-2002.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LegacyCode([u8; LEGACY_LENGTH]);

impl CreditCode {
    /// Reads a code as a person or system wrote it. Also returns what had to be tolerated.
    pub fn read(text: &str) -> Result<(Self, Vec<Tolerance>), OrganisationFault> {
        let (code, tolerances) = ascii::<CREDIT_LENGTH>(text)?;
        let mut sum = 0;
        for (at, (character, weight)) in code.iter().zip(CREDIT_WEIGHTS).enumerate() {
            let in_region = (2..8).contains(&at);
            if in_region && !character.is_ascii_digit() {
                return Err(OrganisationFault::Character);
            }
            sum += credit_value(*character).ok_or(OrganisationFault::Character)? * weight;
        }
        let check = credit_value(code[CREDIT_LENGTH - 1]).ok_or(OrganisationFault::Character)?;
        if (sum + check) % CREDIT_ALPHABET.len() != 0 {
            return Err(OrganisationFault::Checksum);
        }
        Ok((Self(code), tolerances))
    }

    /// The 18 characters, in upper case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The GB/T 2260 code of the place of registration, six digits.
    #[must_use]
    pub fn region(&self) -> &str {
        self.as_str().get(2..8).unwrap_or_default()
    }

    /// The GB 11714 code inside; `None` if it is not valid, as for units registered by authorities
    /// with numbers of their own.
    #[must_use]
    pub fn legacy_code(&self) -> Option<LegacyCode> {
        LegacyCode::read(self.as_str().get(8..17)?).ok().map(|(code, _)| code)
    }
}

impl LegacyCode {
    /// Reads a code as a person or system wrote it, with or without a hyphen before the check
    /// character. Also returns what had to be tolerated.
    pub fn read(text: &str) -> Result<(Self, Vec<Tolerance>), OrganisationFault> {
        let (code, tolerances) = ascii::<LEGACY_LENGTH>(text)?;
        let mut sum = 0;
        for (character, weight) in code.iter().zip(LEGACY_WEIGHTS) {
            sum += legacy_value(*character).ok_or(OrganisationFault::Character)? * weight;
        }
        let check = match code[LEGACY_LENGTH - 1] {
            b'X' => 10,
            digit if digit.is_ascii_digit() => usize::from(digit - b'0'),
            _ => return Err(OrganisationFault::Character),
        };
        // The check value is 11 less the remainder, and 11 is written as 0: both are
        // equal modulo 11.
        if (sum + check) % 11 != 0 {
            return Err(OrganisationFault::Checksum);
        }
        Ok((Self(code), tolerances))
    }

    /// The nine characters, in upper case without a hyphen.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for CreditCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for CreditCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for LegacyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for LegacyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Exactly `N` upper-case ASCII characters from `text`.
fn ascii<const N: usize>(text: &str) -> Result<([u8; N], Vec<Tolerance>), OrganisationFault> {
    let (written, tolerances) = plain(text, true).ok_or(OrganisationFault::Length)?;
    if written.len() != N {
        return Err(OrganisationFault::Length);
    }
    let mut code = [b'0'; N];
    for (slot, character) in code.iter_mut().zip(written) {
        let ascii = u8::try_from(character).ok().filter(u8::is_ascii_alphanumeric);
        *slot = ascii.ok_or(OrganisationFault::Character)?;
    }
    Ok((code, tolerances))
}

fn credit_value(character: u8) -> Option<usize> {
    CREDIT_ALPHABET.iter().position(|it| *it == character)
}

/// The value of a character: digits as they are, letters from A = 10 to Z = 35.
fn legacy_value(character: u8) -> Option<usize> {
    char::from(character).to_digit(36).and_then(|value| usize::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn credit(text: &str) -> Result<(String, Vec<Tolerance>), OrganisationFault> {
        CreditCode::read(text).map(|(code, seen)| (code.to_string(), seen))
    }

    fn legacy(text: &str) -> Result<(String, Vec<Tolerance>), OrganisationFault> {
        LegacyCode::read(text).map(|(code, seen)| (code.to_string(), seen))
    }

    #[test]
    fn a_credit_code_is_read_with_its_parts() {
        let (code, seen) = CreditCode::read("91350100M000100Y43").unwrap();

        assert_eq!(seen, []);
        assert_eq!(code.region(), "350100");
        assert_eq!(code.legacy_code().map(|it| it.to_string()), Some("M000100Y4".into()));
    }

    #[test]
    fn a_legacy_code_is_read_with_and_without_its_hyphen() {
        let good = "D2143569X".to_owned();

        assert_eq!(legacy("D2143569X"), Ok((good.clone(), vec![])));
        assert_eq!(legacy("D2143569-X"), Ok((good.clone(), vec![Tolerance::Hyphens])));
        assert_eq!(legacy("d2143569x "), Ok((good, vec![Tolerance::LowerCase, Tolerance::Spaces])));
    }

    #[test]
    fn a_code_with_the_wrong_shape_is_refused() {
        assert_eq!(credit(""), Err(OrganisationFault::Length));
        assert_eq!(credit("91350100M000100Y4"), Err(OrganisationFault::Length));
        assert_eq!(credit("9135010OM000100Y43"), Err(OrganisationFault::Character));
        assert_eq!(credit("91350A00M000100Y43"), Err(OrganisationFault::Character));
        assert_eq!(credit("91350100M000100Y4医"), Err(OrganisationFault::Character));
        assert_eq!(legacy("D2143569"), Err(OrganisationFault::Length));
        assert_eq!(legacy("D2143569A"), Err(OrganisationFault::Character));
    }

    #[test]
    fn one_wrong_character_of_a_credit_code_is_always_noticed() {
        let good = "91350100M000100Y43";
        for at in 0..CREDIT_LENGTH {
            for other in CREDIT_ALPHABET {
                let mut wrong = good.as_bytes().to_vec();
                if wrong[at] == *other {
                    continue;
                }
                wrong[at] = *other;

                assert!(credit(&String::from_utf8(wrong).unwrap()).is_err());
            }
        }
    }

    #[test]
    fn one_wrong_digit_of_a_legacy_code_is_always_noticed() {
        let good = "D2143569X";
        for at in 1..LEGACY_LENGTH {
            for other in *b"0123456789" {
                let mut wrong = good.as_bytes().to_vec();
                if wrong[at] == other {
                    continue;
                }
                wrong[at] = other;

                assert!(legacy(&String::from_utf8(wrong).unwrap()).is_err());
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_but_never_panics(text in "\\PC{0,80}|[0-9A-Za-z-]{8,20}") {
            if let Ok((code, _)) = CreditCode::read(&text) {
                prop_assert_eq!(code.as_str().len(), CREDIT_LENGTH);
            }
            if let Ok((code, _)) = LegacyCode::read(&text) {
                prop_assert_eq!(code.as_str().len(), LEGACY_LENGTH);
            }
        }
    }
}
