//! The profiles of the county's organisations, as a test may change them.
//!
//! Waits are short and answers are expected soon, so that a test with a silent hospital is quick. A
//! test in which hospitals think for long says so.

use crate::hospitals::Speaks;

/// The profile of one organisation, to be changed before or between writes.
#[derive(Clone, Debug)]
pub struct Profile {
    pub(super) identity: &'static str,
    /// The lines of `[format]`.
    pub format: &'static str,
    /// Where our messages go. `None`: nowhere yet.
    pub address: Option<String>,
    /// Further lines under `[inbound]`.
    pub inbound: Vec<String>,
    /// So many seconds an answer may take.
    pub answer_seconds: u32,
    /// Further lines under `[outbound]`.
    pub outbound: Vec<String>,
    /// Further lines under `[retry]`. Waits are short already.
    pub retry: Vec<String>,
    /// Further tables, at the end.
    pub more: String,
    /// Further lines before every table, such as `required = […]`.
    pub before: String,
}

/// Identity and format of an organisation, as TOML.
pub(super) const fn described(code: &str) -> (&'static str, &'static str, Speaks) {
    match code.as_bytes() {
        b"330100001" => (
            "name = \"临江市第一人民医院\"\ntier = \"city\"\noutside = true",
            "name = \"fhir\"",
            Speaks::Fhir,
        ),
        b"330199001" => (
            "name = \"龙溪县人民医院\"\ntier = \"county\"\naliases = [\"XRMYY\"]",
            "name = \"hl7v2\"\nversion = \"2.4\"\ncharset = \"UTF-8\"\napplication = \"HIP\"",
            Speaks::Hl7v2,
        ),
        b"330199002" => {
            ("name = \"龙溪县中医院\"\ntier = \"county\"", "name = \"fhir\"", Speaks::Fhir)
        }
        b"330199101" => (
            "name = \"青石镇中心卫生院\"\ntier = \"township\"\nparent = \"330199001\"",
            "name = \"hl7v2\"\nversion = \"2.4\"\ncharset = \"GB18030\"\napplication = \"HIS\"\n\
             facility = \"QSWSY\"",
            Speaks::Hl7v2,
        ),
        b"330199102" => (
            "name = \"白马乡卫生院\"\ntier = \"township\"\nparent = \"330199001\"",
            "name = \"fhir\"",
            Speaks::Fhir,
        ),
        b"330199103" => (
            "name = \"枫桥镇卫生院\"\ntier = \"township\"\nparent = \"330199001\"",
            "name = \"json\"",
            Speaks::Json,
        ),
        _ => (
            "name = \"柳湾村卫生室\"\ntier = \"village\"\nparent = \"330199101\"",
            "name = \"json\"",
            Speaks::Json,
        ),
    }
}

impl Profile {
    pub(super) fn toml(&self, code: &str) -> String {
        let address =
            self.address.as_ref().map_or_else(String::new, |it| format!("address = \"{it}\"\n"));
        format!(
            "{}\n[organisation]\ncode = \"{code}\"\n{}\n\n[format]\n{}\n\n[inbound]\n{}\n\n\
             [outbound]\n{address}token_secret = \"inbox-{code}\"\nanswer_seconds = {}\n{}\n\n\
             [retry]\nfirst_wait_ms = 50\nwait_ms_max = 300\n{}\n\n{}\n",
            self.before,
            self.identity,
            self.format,
            self.inbound.join("\n"),
            self.answer_seconds,
            self.outbound.join("\n"),
            self.retry.join("\n"),
            self.more,
        )
    }
}
