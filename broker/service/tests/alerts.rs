//! Every alert watches figures that exist, has words and a page, and is tested to fire and to clear.
//!
//! `promtool` reads the rules in the whole-system tests, where it can be had. These checks need
//! nothing but the files, so they run always. They read only the plain form in which the rules are
//! written, and refuse every line that is not of that form.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a file that cannot be read is a failure")]

use std::collections::BTreeSet;

mod repository;

/// Made by Prometheus itself for everything that it scrapes.
const OF_PROMETHEUS: [&str; 1] = ["up"];
/// What an expression may use beside figures and labels.
const WORDS: [&str; 15] = [
    "absent",
    "abs",
    "and",
    "by",
    "changes",
    "increase",
    "max",
    "min",
    "on",
    "or",
    "sum",
    "time",
    "timestamp",
    "unless",
    "m",
];
/// Labels of our own figures, and those that Prometheus adds. None can hold anything of a patient.
const LABELS: [&str; 4] = ["instance", "job", "lane", "lease"];

/// One alert, as it stands in the file.
#[derive(Default)]
struct Alert {
    name: String,
    expression: String,
    severity: String,
    summary: String,
    description: String,
    runbook: String,
}

fn alerts() -> Vec<Alert> {
    let mut alerts: Vec<Alert> = Vec::new();
    let text = repository::file("ops/prometheus/alerts.yml");
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        if let Some(name) = line.strip_prefix("      - alert: ") {
            alerts.push(Alert { name: name.to_owned(), ..Alert::default() });
            continue;
        }
        let known = ["groups:", "  - name: ", "    rules:", "        expr: |", "        for: "];
        let heading = ["        labels:", "        annotations:"].contains(&line);
        if heading || known.iter().any(|known| line.starts_with(known)) {
            continue;
        }
        let alert = alerts.last_mut().unwrap_or_else(|| panic!("before all alerts: {line}"));
        let rest = line.strip_prefix("          ").unwrap_or_else(|| panic!("{line}"));
        let quoted = |text: &str| text.strip_prefix('\'')?.strip_suffix('\'').map(str::to_owned);
        match rest.split_once(": ") {
            Some(("severity", word)) => word.clone_into(&mut alert.severity),
            Some(("summary", text)) => alert.summary = quoted(text).unwrap(),
            Some(("description", text)) => alert.description = quoted(text).unwrap(),
            Some(("runbook", path)) => path.clone_into(&mut alert.runbook),
            _ => alert.expression.push_str(rest),
        }
    }
    assert!(alerts.len() >= 15, "only {} alerts were read", alerts.len());
    alerts
}

/// The words of an expression, without what stands in quotes and without durations.
fn words(expression: &str) -> BTreeSet<String> {
    expression
        .split('"')
        .step_by(2)
        .flat_map(|part| part.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()))
        .map(str::to_owned)
        .collect()
}

/// Every figure that `ops/README.md` explains. Another test holds that list to the program's own.
fn figures() -> BTreeSet<String> {
    let code = repository::code(&repository::file("ops/README.md"));
    code.into_iter().filter(|code| code.starts_with("tierlink_")).collect()
}

/// Seen to fail with `tierlink_bus_upp` in an expression, and with a label `patient`.
#[test]
fn every_alert_watches_figures_that_the_broker_has() {
    let figures = figures();
    for Alert { name, expression, .. } in alerts() {
        let mut watched = 0;
        for word in words(&expression) {
            if figures.contains(&word) || OF_PROMETHEUS.contains(&word.as_str()) {
                watched += 1;
            } else {
                let fine = WORDS.contains(&word.as_str()) || LABELS.contains(&word.as_str());
                assert!(fine, "{name} uses {word}, which is no figure in ops/README.md");
            }
        }
        assert!(watched > 0, "{name} watches nothing: {expression}");
    }
}

/// Seen to fail with a description of which the English half was gone, and with `{{ $labels.case }}`.
#[test]
fn every_alert_says_chinese_first_and_english_second_and_nothing_of_a_patient() {
    let chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    for Alert { name, severity, summary, description, .. } in alerts() {
        assert!(["critical", "warning"].contains(&severity.as_str()), "{name}: {severity}");
        for text in [&summary, &description] {
            let (first, second) =
                text.split_once(" · ").unwrap_or_else(|| panic!("{name}: {text}"));
            assert!(chinese(first) && !chinese(second), "{name}: {text}");
            for rest in text.split("$labels.").skip(1) {
                let label: String = rest.chars().take_while(char::is_ascii_alphabetic).collect();
                assert!(LABELS.contains(&label.as_str()), "{name} shows the label {label}");
            }
        }
    }
}

/// Seen to fail with a page renamed, with a line gone from the index, and with "Wake" gone.
#[test]
fn every_alert_has_its_page_and_every_page_its_alert() {
    let index = repository::file("ops/README.md");
    let mut named = BTreeSet::new();
    for alert in alerts() {
        let Alert { name, severity, summary, runbook, .. } = alert;
        assert_eq!(runbook, format!("ops/runbooks/{name}.md"));
        let page = repository::file(&runbook);
        let chinese = summary.split(" · ").next().unwrap();
        let title = page.lines().next().unwrap_or_default();
        assert!(title.starts_with(&format!("# {name}: ")), "{runbook}: {title}");
        assert!(title.ends_with(&format!("({chinese})")), "{runbook} lacks {chinese}");
        for part in ["**For patients.** ", "**Look**", "**Do**", "**Over when** ", "**Wake** "] {
            assert_eq!(page.matches(part).count(), 1, "{runbook} lacks {part}");
        }
        let row = format!("| [{name}](runbooks/{name}.md) | {severity} | {chinese}: ");
        assert!(index.contains(&row), "ops/README.md lacks the row {row}");
        named.insert(runbook);
    }
    let folder = repository::top().join("ops/runbooks");
    let pages: BTreeSet<String> =
        repository::files(&folder, ".md").iter().map(|path| repository::short(path)).collect();
    assert_eq!(pages, named);
}

/// Seen to fail with `tierlink_outbox_age_seconds` in a page.
#[test]
fn every_figure_that_a_page_names_exists() {
    let figures = figures();
    for path in repository::files(&repository::top().join("ops/runbooks"), ".md") {
        for code in repository::code(&repository::text(&path)) {
            if code.starts_with("tierlink_") {
                assert!(figures.contains(&code), "{} names {code}", repository::short(&path));
            }
        }
    }
}

/// Seen to fail with the test of `TierLinkStoreAway` renamed, and with every `exp_samples: []` gone.
#[test]
fn every_alert_is_tested_to_fire_and_to_clear() {
    let text = repository::file("ops/prometheus/alerts_test.yml");
    let tests: Vec<&str> = text.split("\n  - name: ").skip(1).collect();
    for Alert { name, .. } in alerts() {
        let fires = format!("exp_samples: [{{ labels: '{{alertname=\"{name}\"}}', value: 1 }}]");
        let whole = tests.iter().any(|test| {
            let begins = test.lines().next() == Some(name.as_str());
            let after = test.split(&fires).last().unwrap_or_default();
            begins && test.contains(&fires) && after.contains("exp_samples: []")
        });
        assert!(whole, "no test shows that {name} fires and then clears");
    }
}

/// The page that `tierlink doctor` names must be there as well.
#[test]
fn every_page_that_the_program_names_exists() {
    let mut named = 0;
    for (path, source) in repository::production() {
        for literal in repository::literals(&source) {
            for at in literal.match_indices("ops/runbooks/").map(|(at, _)| at) {
                let page = &literal[at..];
                assert!(
                    repository::top().join(page).exists(),
                    "{} names {page}",
                    repository::short(&path)
                );
                named += 1;
            }
        }
    }
    assert!(named >= 5, "the program names only {named} pages");
}
