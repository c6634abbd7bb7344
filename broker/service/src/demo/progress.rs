//! How far each flow is: lines that are rewritten on a terminal, and plain lines anywhere else.
//!
//! It goes to standard error, so that `--json` leaves standard output to the table.

use std::io::{IsTerminal, Write};
use std::time::Instant;

use parking_lot::Mutex;

use super::flows::FLOWS;
use super::story::Flow;
use crate::cli::print::width;

/// How wide the names of flows are printed.
const NAME_WIDTH: usize = 46;

/// How a flow stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It has not begun.
    Waits,
    /// It goes on.
    Runs,
    /// It came to its end.
    Done,
    /// It came to a stop before its end.
    Stuck,
}

impl Mark {
    const fn sign(self) -> &'static str {
        match self {
            Self::Waits => "·",
            Self::Runs => "▶",
            Self::Done => "✔",
            Self::Stuck => "✘",
        }
    }
}

/// Where the lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    /// To a terminal, where they are rewritten.
    CurrentConfig,
    /// To a file or a pipe, one line per step.
    Later,
    /// Nowhere.
    Never,
}

/// The lines of all flows.
pub struct Board {
    lines: Mutex<Vec<(Mark, String)>>,
    watched: Watched,
    begun: Instant,
}

impl Board {
    /// A board on which nothing has begun, on standard error.
    #[must_use]
    pub fn new() -> Self {
        let current_config = std::io::stderr().is_terminal();
        let board = Self::to(if current_config { Watched::CurrentConfig } else { Watched::Later });
        if current_config {
            print(&drawn(&vec![(Mark::Waits, String::new()); FLOWS.len()], false));
        }
        board
    }

    /// A board that nobody sees.
    #[must_use]
    pub fn silent() -> Self {
        Self::to(Watched::Never)
    }

    fn to(watched: Watched) -> Self {
        let lines = Mutex::new(vec![(Mark::Waits, String::new()); FLOWS.len()]);
        Self { lines, watched, begun: Instant::now() }
    }

    /// Whether somebody watches, so that the story should not run away.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.watched == Watched::CurrentConfig
    }

    /// Shows where a flow is.
    pub fn show(&self, flow: &Flow, mark: Mark, text: &str) {
        let Some(at) = FLOWS.iter().position(|other| other.key == flow.key) else { return };
        let mut lines = self.lines.lock();
        if let Some(line) = lines.get_mut(at) {
            *line = (mark, text.to_owned());
        }
        match self.watched {
            Watched::CurrentConfig => print(&drawn(&lines, true)),
            Watched::Later => {
                let seconds = self.begun.elapsed().as_secs_f64();
                print(&format!("{seconds:6.1}s {} {}: {text}\n", mark.sign(), named(flow)));
            }
            Watched::Never => {}
        }
    }
}

impl Default for Board {
    fn default() -> Self {
        Self::new()
    }
}

/// 上转 / up-referral.
fn named(flow: &Flow) -> String {
    format!("{} / {}", flow.zh, flow.en)
}

/// Long lines are cut off and not wrapped meanwhile: a wrapped line would be two to move up over.
const WRAP_OFF: &str = "\x1b[?7l";
const WRAP_ON: &str = "\x1b[?7h";

/// All lines; `again` moves up to the first of them before.
fn drawn(lines: &[(Mark, String)], again: bool) -> String {
    let mut text = if again { format!("\x1b[{}A", lines.len()) } else { String::new() };
    text.push_str(WRAP_OFF);
    for (flow, (mark, what)) in FLOWS.iter().zip(lines) {
        let name = named(flow);
        let pad = " ".repeat(NAME_WIDTH.saturating_sub(width(&name)));
        text.extend(["\x1b[2K ", mark.sign(), " ", &name, &pad, " ", what, "\n"]);
    }
    text.push_str(WRAP_ON);
    text
}

fn print(text: &str) {
    let mut out = std::io::stderr().lock();
    // Whoever closed the terminal does not watch any more.
    let _closed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redrawn_board_covers_the_one_before() {
        let lines = vec![(Mark::Runs, "x".to_owned()); FLOWS.len()];

        let text = drawn(&lines, true);

        assert!(text.starts_with(&format!("\x1b[{}A", FLOWS.len())));
        assert_eq!(text.matches('\n').count(), FLOWS.len());
    }
}
