//! What a document says and a test can check is checked: links, paths, commands, figures,
//! environment variables, dependencies and the tests that back a promise.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a document that cannot be read is a failure"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

mod repository;

/// The folders at the top; a path in a document begins with one of them.
const FOLDERS: [&str; 7] =
    ["schemas/", "adapters/", "broker/", "migrations/", "integration-tests/", "ops/", ".ci/"];

/// Every Markdown file with its text.
fn documents() -> Vec<(std::path::PathBuf, String)> {
    repository::files(&repository::top(), ".md")
        .into_iter()
        .map(|path| {
            let text = repository::text(&path);
            (path, text)
        })
        .collect()
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    for (path, text) in documents() {
        for rest in text.split("](").skip(1) {
            let target = rest.split(')').next().unwrap_or_default();
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let leads_to = path.parent().unwrap().join(target);

            assert!(leads_to.exists(), "{} links to {target}", repository::short(&path));
        }
    }
}

#[test]
fn every_path_that_a_document_names_is_there() {
    let names_one = |code: &str| FOLDERS.iter().any(|folder| code.starts_with(folder));
    let is_pattern = |code: &str| code.contains(['<', '>', '*', '…', '{', 'N', ' ', '$']);
    for (path, text) in documents() {
        let named = repository::code(&text);
        for code in named.iter().filter(|code| names_one(code) && !is_pattern(code)) {
            let file = code.split(':').next().unwrap_or_default();

            assert!(
                repository::top().join(file).exists(),
                "{} names {file}",
                repository::short(&path)
            );
        }
    }
}

/// The crates of the workspace, as its manifest lists them.
fn crates() -> BTreeSet<String> {
    let manifest = repository::text(&repository::top().join("Cargo.toml"));
    let members = manifest.split_once("members = [").unwrap().1.split_once(']').unwrap().0;
    members.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_crate_is_a_row_of_the_code_map_and_every_row_a_crate() {
    let text = repository::text(&repository::top().join("ARCHITECTURE.md"));
    let map = text.split_once("## Code map").unwrap().1.split_once("\n## ").unwrap().0;
    let rows = map.lines().filter(|line| line.starts_with("| `"));
    let named: BTreeSet<String> =
        rows.filter_map(|row| row.split('|').nth(1)).flat_map(repository::code).collect();

    assert_eq!(named, crates());
}

/// What `--help` says about one command.
struct Help {
    commands: BTreeSet<String>,
    /// Each option, and whether a value follows it.
    options: BTreeMap<String, bool>,
    takes_more: bool,
}

fn help(command: &[&str]) -> Help {
    let output =
        Command::new(env!("CARGO_BIN_EXE_tierlink")).args(command).arg("--help").output().unwrap();
    assert!(output.status.success(), "tierlink {command:?} --help");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut help = Help { commands: BTreeSet::new(), options: BTreeMap::new(), takes_more: false };
    let mut in_commands = false;
    for line in text.lines() {
        if let Some(usage) = line.strip_prefix("Usage: ") {
            let words: Vec<&str> = usage.split_whitespace().skip(1 + command.len()).collect();
            help.takes_more =
                words.iter().zip([""].iter().chain(words.iter())).any(|(word, before)| {
                    let value = before.starts_with("--");
                    word.contains(['<', '[']) && *word != "[OPTIONS]" && !value
                });
        }
        if !line.starts_with(' ') {
            in_commands = line.starts_with("Commands:");
        }
        let mut words = line.split_whitespace().map(|word| word.trim_end_matches(','));
        if in_commands && line.starts_with("  ") {
            help.commands.extend(words.next().map(str::to_owned));
            continue;
        }
        let option = words.clone().take(2).find(|word| word.starts_with("--"));
        if let Some(option) = option {
            let value = words.any(|word| word.starts_with('<'));
            help.options.insert(option.to_owned(), value);
        }
    }
    help
}

/// The words of a call of the program in a line of code, without comment, pipe and redirection.
fn call(line: &str) -> Option<Vec<String>> {
    let line = line.strip_prefix("$ ").unwrap_or(line);
    let line = line.strip_prefix("sudo -u tierlink ").unwrap_or(line);
    let rest =
        line.strip_prefix("tierlink ").or_else(|| line.strip_prefix("cargo run --release -- "))?;
    let rest = rest.split(" #").next().unwrap_or_default();
    let rest = rest.split(['|', '>']).next().unwrap_or_default();
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// What is wrong with a call.
fn fault(call: &[String]) -> Option<String> {
    let mut command: Vec<&str> = Vec::new();
    let mut known = help(&command);
    let mut words = call.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        if word == "…" || word == "\\" {
            continue;
        }
        if let Some((option, given)) = word
            .starts_with('-')
            .then(|| word.split_once('=').map_or((word, false), |it| (it.0, true)))
        {
            if ["-c", "-h", "--help", "--version"].contains(&option) {
                words.next_if(|_| option == "-c");
                continue;
            }
            match known.options.get(option) {
                None => return Some(format!("there is no option {option}")),
                Some(value) => {
                    words.next_if(|_| *value && !given);
                }
            }
        } else if !known.commands.is_empty() {
            if !known.commands.contains(word) {
                return Some(format!("there is no command {word}"));
            }
            command.push(word);
            known = help(&command);
        } else if !known.takes_more {
            return Some(format!("{word} does not belong there"));
        }
    }
    None
}

#[test]
fn every_command_that_a_document_names_works_as_it_is_written() {
    let mut calls: BTreeMap<Vec<String>, String> = BTreeMap::new();
    for (path, text) in documents() {
        for line in repository::code(&text) {
            if let Some(call) = call(&line) {
                calls.insert(call, repository::short(&path));
            }
        }
    }

    let wrong: Vec<String> = calls
        .iter()
        .filter_map(|(call, path)| {
            fault(call).map(|fault| format!("{path}: tierlink {}: {fault}", call.join(" ")))
        })
        .collect();

    assert!(calls.len() > 20, "the documents name {} commands", calls.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_command_is_in_the_readme() {
    let readme = repository::code(&repository::file("README.md"));
    for command in help(&[]).commands.iter().filter(|command| *command != "help") {
        let nested = help(&[command]).commands;
        let whole = if nested.is_empty() {
            vec![format!("tierlink {command}")]
        } else {
            let nested = nested.iter().filter(|nested| *nested != "help");
            nested.map(|nested| format!("tierlink {command} {nested}")).collect()
        };
        for call in whole {
            assert!(
                readme.iter().any(|code| code == &call || code.starts_with(&format!("{call} "))),
                "README.md does not name `{call}`"
            );
        }
    }
}

/// Words of this sort in a text: letters, digits and `_` after the beginning.
fn words_with(text: &str, beginning: &str) -> BTreeSet<String> {
    text.match_indices(beginning)
        .map(|(at, _)| {
            text[at..]
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect::<String>()
        })
        .filter(|word| word.len() > beginning.len() && !word.ends_with('_'))
        .collect()
}

#[test]
fn every_figure_is_explained_to_operators_and_every_explained_figure_exists() {
    let mut figures = BTreeSet::new();
    for (_, source) in repository::production() {
        if source.contains("metrics::") || source.contains("# TYPE ") {
            let names = repository::literals(&source)
                .filter(|text| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
            figures.extend(names.flat_map(|name| words_with(name, "tierlink_")));
        }
    }
    let explained: BTreeSet<String> = repository::code(&repository::file("ops/README.md"))
        .iter()
        .filter(|code| code.starts_with("tierlink_"))
        .flat_map(|code| words_with(code, "tierlink_"))
        .collect();

    assert_eq!(explained, figures);
}

#[test]
fn every_environment_variable_is_explained_to_operators() {
    let service = repository::top().join("broker/service/src");
    let mut read = BTreeSet::new();
    for (path, source) in repository::production() {
        if path.starts_with(&service) {
            read.extend(
                repository::literals(&source).flat_map(|text| words_with(text, "TIERLINK_")),
            );
        }
    }
    let explained = words_with(&repository::file("ops/README.md"), "TIERLINK_");

    let missing: Vec<_> = read.difference(&explained).collect();
    assert!(!read.is_empty(), "the program reads no variable, so this test looks at nothing");
    assert!(missing.is_empty(), "ops/README.md does not explain {missing:?}");
}

#[test]
fn every_dependency_has_a_reason_and_every_reason_a_dependency() {
    let manifest: toml::Table = repository::file("Cargo.toml").parse().unwrap();
    let used: BTreeSet<String> = manifest["workspace"]["dependencies"]
        .as_table()
        .unwrap()
        .iter()
        .filter(|(_, source)| source.get("path").is_none())
        .map(|(name, _)| name.clone())
        .collect();
    let reasons: BTreeSet<String> = repository::file("CONTRIBUTING.md")
        .lines()
        .skip_while(|line| *line != "## Dependencies")
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split(" | ").next())
        .flat_map(|names| {
            names.split(", ").map(|name| name.trim_matches('`').to_owned()).collect::<Vec<_>>()
        })
        .collect();

    assert_eq!(reasons, used);
}

/// A test's name is a sentence, so it has at least four words.
fn is_test_name(code: &str) -> bool {
    code.split('_').count() >= 4
        && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !code.starts_with("tierlink_")
}

#[test]
fn every_test_that_backs_a_promise_exists() {
    let mut tests = String::new();
    for path in repository::files(&repository::top(), ".rs") {
        tests.push_str(&repository::text(&path));
    }
    let mut named = 0;
    for document in ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"] {
        for code in repository::code(&repository::file(document)) {
            if is_test_name(&code) {
                named += 1;

                assert!(tests.contains(&format!("fn {code}(")), "{document} names the test {code}");
            }
        }
    }

    assert!(named > 10, "the documents name only {named} tests");
}

#[test]
fn every_file_that_systemd_and_the_readme_share_is_called_the_same() {
    let unit = repository::file("ops/systemd/tierlink.service");
    let config =
        unit.lines().find_map(|line| line.strip_prefix("Environment=TIERLINK_CONFIG=")).unwrap();

    assert!(
        repository::file("ops/README.md").contains(config),
        "ops/README.md does not name {config}"
    );
    assert!(unit.contains("ExecStart=/usr/local/bin/tierlink serve"), "the unit starts the broker");
    assert!(Path::new(config).is_absolute(), "{config}");
}
