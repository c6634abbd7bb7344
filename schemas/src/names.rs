//! Basic identifiers: codes of organisations, tiers, priorities, case numbers.
//!
//! Each is checked when it is made, so that queue names, URLs and log lines can
//! contain it unchanged.

mod lane;

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use lane::{LaneName, NotALaneName, NotASystemName, SYSTEM_NAME_LENGTH_MAX, SystemName};

/// Longest organisation code, in characters. The 22 characters of WS 218-2002 fit, with room for a
/// suffix; the limit keeps queue names well below RabbitMQ's 255 bytes.
pub const ORGANISATION_CODE_LENGTH_MAX: usize = 40;

/// The code of an organisation in this county, such as a 统一社会信用代码 or a WS 218 code.
///
/// Letters, digits, `-`, `_` and `.` only, because it becomes part of queue names and URLs.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct OrganisationCode(
    #[schemars(length(min = 1, max = 40), regex(pattern = "^[A-Za-z0-9._-]{1,40}$"))] String,
);

/// The text is not an organisation code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an organisation code has 1 to 40 characters: letters, digits, '-', '_' and '.'")]
pub struct NotAnOrganisationCode;

impl OrganisationCode {
    /// Checks a code.
    pub fn new(code: impl Into<String>) -> Result<Self, NotAnOrganisationCode> {
        let code = code.into();
        let fits = (1..=ORGANISATION_CODE_LENGTH_MAX).contains(&code.len());
        let plain = code.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if fits && plain { Ok(Self(code)) } else { Err(NotAnOrganisationCode) }
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrganisationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OrganisationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for OrganisationCode {
    type Err = NotAnOrganisationCode;
    fn from_str(code: &str) -> Result<Self, Self::Err> {
        Self::new(code)
    }
}

impl<'de> Deserialize<'de> for OrganisationCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Tier of an organisation, lowest first. Referrals go upwards, discharge-back transfers downwards.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Village clinic or community health station (村级).
    Village,
    /// Township or community health centre (乡级).
    Township,
    /// County hospital (县级).
    County,
    /// City hospital (市级).
    City,
    /// Provincial hospital (省级).
    Province,
    /// National or regional medical centre (国家级).
    National,
}

impl Tier {
    /// Every tier, lowest first.
    pub const ALL: [Self; 6] =
        [Self::Village, Self::Township, Self::County, Self::City, Self::Province, Self::National];

    /// The code in `schemas/codes/tier.csv`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Village => "village",
            Self::Township => "township",
            Self::County => "county",
            Self::City => "city",
            Self::Province => "province",
            Self::National => "national",
        }
    }
}

/// Priority of a case. A safety field: it is never guessed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Emergency (急危重症, green channel): to be answered within minutes; reviews are skipped.
    Emergency,
    /// Urgent (急): to be answered within two hours.
    Urgent,
    /// Routine (普通): to be answered within a day.
    Routine,
    /// Chronic illness or rehabilitation (慢病/康复): to be answered within two days.
    Chronic,
}

impl Priority {
    /// Every priority, most urgent first.
    pub const ALL: [Self; 4] = [Self::Emergency, Self::Urgent, Self::Routine, Self::Chronic];

    /// The code in `schemas/codes/urgency.csv`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::Urgent => "urgent",
            Self::Routine => "routine",
            Self::Chronic => "chronic",
        }
    }
}

/// Longest number, in characters, that a hospital may use for a case.
pub const BUSINESS_NUMBER_LENGTH_MAX: usize = 100;

/// The number of a case, short enough to be read out on the phone: family, year,
/// counter, check digit.
///
/// `R2600012345` is a referral of 2026. The check digit is ISO 7064 MOD 11,10 over the digits
/// before it, which detects one wrong digit or two swapped neighbours.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct CaseNumber(#[schemars(length(min = 1, max = 24))] String);

impl CaseNumber {
    /// Builds the number of a case from family letter, year and counter.
    #[must_use]
    pub fn build(letter: char, year: i16, counter: u64) -> Self {
        let digits = format!("{:02}{counter:07}", year.rem_euclid(100));
        let check = check_digit(&digits);
        Self(format!("{letter}{digits}{check}"))
    }

    /// Reads a number that a person or hospital wrote; spaces, hyphens and lower case are allowed.
    ///
    /// Returns `None` unless it has our form and a valid check digit.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        if text.len() > BUSINESS_NUMBER_LENGTH_MAX {
            return None;
        }
        let plain: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let letter = plain.chars().next().filter(|c| "RTC".contains(*c))?;
        let digits = plain.get(letter.len_utf8()..)?;
        let (body, check) = digits.split_at_checked(digits.len().checked_sub(1)?)?;
        let ours = (9..=20).contains(&body.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && check.starts_with(check_digit(body));
        ours.then_some(Self(plain))
    }

    /// The number as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CaseNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The check digit by ISO 7064 MOD 11,10.
fn check_digit(digits: &str) -> char {
    let mut product = 10;
    for digit in digits.bytes().map(|b| u32::from(b - b'0')) {
        let sum = (digit + product) % 10;
        product = (if sum == 0 { 10 } else { sum } * 2) % 11;
    }
    char::from_digit((11 - product) % 10, 10).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_survives_being_read_out() {
        let number = CaseNumber::build('R', 2026, 1234);

        let spoken = number.as_str().to_lowercase().replacen("26", "26 - ", 1);

        assert_eq!(CaseNumber::read(&spoken), Some(number));
    }

    #[test]
    fn one_misheard_digit_is_noticed() {
        let number = CaseNumber::build('T', 2026, 98_765).as_str().to_owned();
        for at in 1..number.len() {
            for digit in '0'..='9' {
                let mut heard: Vec<char> = number.chars().collect();
                if heard[at] == digit {
                    continue;
                }
                heard[at] = digit;
                let heard: String = heard.into_iter().collect();

                assert_eq!(CaseNumber::read(&heard), None, "{heard}");
            }
        }
    }

    #[test]
    fn an_organisation_code_can_be_a_queue_name() {
        assert!(OrganisationCode::new("12330199MB0001234X").is_ok());
        assert!(OrganisationCode::new("").is_err());
        assert!(OrganisationCode::new("a b").is_err());
        assert!(OrganisationCode::new("县医院").is_err());
        assert!(OrganisationCode::new("a".repeat(41)).is_err());
    }
}
