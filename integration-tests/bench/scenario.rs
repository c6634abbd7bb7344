//! The scenarios by name: which there are, and in which order they run.

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Taking messages.
    Intake,
    /// Taking and delivering them.
    EndToEnd,
    /// A fixed rate.
    Steady,
    /// One organisation is silent.
    Outage,
    /// A million closed cases.
    Growth,
    /// SQLite and the in-process bus.
    Embedded,
    /// From the start of the process to ready.
    Start,
    /// Formats, one core.
    Codecs,
}

impl Scenario {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 8] = [
        Self::Intake,
        Self::EndToEnd,
        Self::Steady,
        Self::Outage,
        Self::Growth,
        Self::Embedded,
        Self::Start,
        Self::Codecs,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::EndToEnd => "end-to-end",
            Self::Steady => "steady",
            Self::Outage => "outage",
            Self::Growth => "growth",
            Self::Embedded => "embedded",
            Self::Start => "start",
            Self::Codecs => "codecs",
        }
    }

    /// Reads a name.
    pub fn read(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.name() == name)
    }
}
