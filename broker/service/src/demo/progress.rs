//! Shows the progress of flows: lines rewritten in place on a terminal, plain lines elsewhere.
//!
//! Written to standard error, so that with `--json` standard output has only the table.

use std::io::{IsTerminal, Write};
use std::time::Instant;

use parking_lot::Mutex;

use super::flows::FLOWS;
use super::story::Flow;
use crate::cli::print::width;

/// Width of flow names, in columns.
const NAME_WIDTH: usize = 46;

/// Progress of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It has not begun.
    Waits,
    /// It is running.
    Runs,
    /// Ended as planned.
    Done,
    /// Stopped before its end.
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

/// Where progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    /// On a terminal, rewritten in place.
    Terminal,
    /// In a file or a pipe, one line per step.
    Lines,
    /// Progress is not shown.
    None,
}

/// The progress of all flows.
pub struct Board {
    lines: Mutex<Vec<(Mark, String)>>,
    output: Output,
    begun: Instant,
}

impl Board {
    /// Shows progress on standard error.
    #[must_use]
    pub fn new() -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let board = Self::to(if is_terminal { Output::Terminal } else { Output::Lines });
        if is_terminal {
            print(&drawn(&vec![(Mark::Waits, String::new()); FLOWS.len()], false));
        }
        board
    }

    /// A board that shows nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self::to(Output::None)
    }

    fn to(output: Output) -> Self {
        let lines = Mutex::new(vec![(Mark::Waits, String::new()); FLOWS.len()]);
        Self { lines, output, begun: Instant::now() }
    }

    /// Whether a person follows on a terminal, so that the demo should not be too fast.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.output == Output::Terminal
    }

    /// Shows the progress of one flow.
    pub fn show(&self, flow: &Flow, mark: Mark, text: &str) {
        let Some(at) = FLOWS.iter().position(|other| other.key == flow.key) else { return };
        let mut lines = self.lines.lock();
        if let Some(line) = lines.get_mut(at) {
            *line = (mark, text.to_owned());
        }
        match self.output {
            Output::Terminal => print(&drawn(&lines, true)),
            Output::Lines => {
                let seconds = self.begun.elapsed().as_secs_f64();
                print(&format!("{seconds:6.1}s {} {}: {text}\n", mark.sign(), named(flow)));
            }
            Output::None => {}
        }
    }
}

impl Default for Board {
    fn default() -> Self {
        Self::new()
    }
}

/// The name of a flow, in Chinese and English.
fn named(flow: &Flow) -> String {
    format!("{} / {}", flow.zh, flow.en)
}

/// Turns line wrap off: a wrapped line would take two rows, and the cursor would move
/// up too little.
const WRAP_OFF: &str = "\x1b[?7l";
const WRAP_ON: &str = "\x1b[?7h";

/// All lines. With `again`, first moves the cursor up to overwrite them.
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
    // The terminal may be closed, which is fine.
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
