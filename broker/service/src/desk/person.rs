//! Who acts and why, as texts that can be recorded and shown: of limited length, on one line, and
//! without characters that would make a list show something else than was written.

use tierlink_store::Through;

/// Longest reason, in characters: enough for a ticket number and two sentences.
pub const REASON_CHARS_MAX: usize = 500;
/// Longest name of a person or a token, in characters.
pub const NAME_CHARS_MAX: usize = 100;

/// Why a person, a reason or a token's name is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsaid {
    /// The reason is missing.
    #[error("say why: it is recorded, and shown by `tierlink acts list`")]
    Reason,
    /// The reason is too long.
    #[error("the reason is longer than {REASON_CHARS_MAX} characters; shorten it")]
    LongReason,
    /// The name of whoever acts is empty or too long.
    #[error("the name of whoever acts must have 1 to {NAME_CHARS_MAX} characters")]
    PersonName,
    /// The name of a token is empty or too long.
    #[error("the name of a token must have 1 to {NAME_CHARS_MAX} characters")]
    TokenName,
}

/// Who acts, and how it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    name: String,
    through: Through,
}

impl Person {
    /// A person at the command line: the given name, or else the user of the terminal. Behind
    /// `sudo` that is the user who called it, not root.
    pub fn at_terminal(name: Option<&str>) -> Result<Self, Unsaid> {
        let name = match name {
            Some(given) => self::name(given).ok_or(Unsaid::PersonName)?,
            None => user_of(&["SUDO_USER", "USER", "LOGNAME"]),
        };
        Ok(Self { name, through: Through::CommandLine })
    }

    /// The holder of this operator's token.
    #[must_use]
    pub fn with_token(token: &str) -> Self {
        let name = name(token).unwrap_or_else(|| "unnamed token".to_owned());
        Self { name, through: Through::Api }
    }

    /// Whoever may send signals to this process: the user it runs as, or root.
    #[must_use]
    pub fn with_signal() -> Self {
        Self { name: user_of(&["USER", "LOGNAME"]), through: Through::Signal }
    }

    /// The name to record.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The way to record.
    #[must_use]
    pub fn through(&self) -> Through {
        self.through
    }
}

/// The user named by the first of these environment variables that is set, or else the numeric id
/// of the user that this process runs as.
fn user_of(variables: &[&str]) -> String {
    let mut named = variables.iter().filter_map(|variable| std::env::var(variable).ok());
    named.find_map(|user| name(&user)).unwrap_or_else(user_number)
}

fn user_number() -> String {
    use std::os::unix::fs::MetadataExt;
    // The owner of `/proc/self` is the user that the process runs as.
    std::fs::metadata("/proc/self")
        .map_or_else(|_| "operator".to_owned(), |process| format!("user {}", process.uid()))
}

/// Why somebody acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String);

impl Reason {
    /// Checks a reason: not blank, and at most [`REASON_CHARS_MAX`] characters.
    pub fn new(text: &str) -> Result<Self, Unsaid> {
        let text = on_one_line(text);
        if text.is_empty() {
            return Err(Unsaid::Reason);
        }
        if text.chars().count() > REASON_CHARS_MAX {
            return Err(Unsaid::LongReason);
        }
        Ok(Self(text))
    }

    /// The reason of a reload by signal, since a signal carries no text.
    #[must_use]
    pub fn hang_up() -> Self {
        Self("SIGHUP".to_owned())
    }

    /// The text to record.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// A name of a person or a token; `None` if it is empty or too long.
pub(super) fn name(text: &str) -> Option<String> {
    let text = on_one_line(text);
    let fits = (1..=NAME_CHARS_MAX).contains(&text.chars().count());
    fits.then_some(text)
}

/// Replaces line ends and tabs by blanks, and removes other control characters and those that
/// change the text direction.
fn on_one_line(text: &str) -> String {
    let shown: String = text
        .chars()
        .filter_map(|c| match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
            '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => None,
            c if c.is_control() => None,
            c => Some(c),
        })
        .collect();
    shown.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_stands_on_one_line_and_shows_what_was_written() {
        let reason = Reason::new("  told by\ntelephone\0\u{1b}[2J \u{202E}txet \u{7f}  ").unwrap();

        assert_eq!(reason.text(), "told by telephone[2J txet");
    }

    #[test]
    fn a_reason_must_say_something_and_not_too_much() {
        let longest = "电".repeat(REASON_CHARS_MAX);

        assert!(Reason::new(&longest).is_ok());
        assert!(matches!(Reason::new(&format!("{longest}话")), Err(Unsaid::LongReason)));
        for empty in ["", " \n ", "\0\u{7}"] {
            assert!(matches!(Reason::new(empty), Err(Unsaid::Reason)), "{empty:?}");
        }
    }

    #[test]
    fn a_person_at_the_terminal_has_a_name() {
        let given = Person::at_terminal(Some("孙\u{7}主任")).unwrap();
        let found = Person::at_terminal(None).unwrap();

        assert_eq!(given.name(), "孙主任");
        assert!(!found.name().is_empty());
        assert!(matches!(Person::at_terminal(Some(" ")), Err(Unsaid::PersonName)));
    }
}
