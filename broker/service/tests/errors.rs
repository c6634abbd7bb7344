//! Every error code has a page for whoever is called at 3 a.m., and every page has a code.
//!
//! A code is a letter of a layer and three digits in a source file, as a text of its own
//! (`"D012"`) or at the beginning of one (`"X004: the program …"`).
#![expect(clippy::unwrap_used, clippy::panic, reason = "a page that cannot be read is a failure")]

use std::collections::{BTreeMap, BTreeSet};

#[expect(dead_code, reason = "the other half is for tests/docs.rs")]
mod repository;

/// Decode, check, rule, endpoint, store, bus, API, start-up.
const LAYERS: &[u8] = b"DCRESBAX";

/// The code that a text is or begins with.
fn code_of(text: &str) -> Option<&str> {
    let code = text.get(..4)?;
    let ends = matches!(text.as_bytes().get(4), None | Some(b':' | b' '));
    let (letter, digits) = code.as_bytes().split_first()?;
    (ends && LAYERS.contains(letter) && digits.iter().all(u8::is_ascii_digit)).then_some(code)
}

/// Each code, with a file that declares or prints it.
fn declared() -> BTreeMap<String, String> {
    let mut declared = BTreeMap::new();
    for (path, source) in repository::production() {
        for code in repository::literals(&source).filter_map(code_of) {
            declared.insert(code.to_owned(), repository::short(&path));
        }
    }
    declared
}

/// Each page, by the code that it is named after.
fn pages() -> BTreeMap<String, String> {
    repository::files(&repository::top().join("ops/errors"), ".md")
        .into_iter()
        .map(|path| {
            let code = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (code, repository::text(&path))
        })
        .collect()
}

#[test]
fn every_code_has_a_page_and_every_page_has_a_code() {
    let declared = declared();
    let pages: BTreeSet<String> = pages().into_keys().collect();

    let without_page: Vec<_> = declared.iter().filter(|(code, _)| !pages.contains(*code)).collect();
    let without_code: Vec<_> = pages.iter().filter(|code| !declared.contains_key(*code)).collect();

    assert!(without_page.is_empty(), "no page in ops/errors for {without_page:?}");
    assert!(without_code.is_empty(), "no source declares {without_code:?}");
}

#[test]
fn every_page_says_what_to_check_what_to_do_and_whom_to_call() {
    for (code, page) in pages() {
        let title = page.strip_prefix(&format!("# {code}: ")).and_then(|rest| rest.lines().next());
        let meaning = page.lines().nth(2).unwrap_or_default();
        let advice: Vec<&str> = page
            .lines()
            .filter_map(|line| {
                ["Check   ", "Fix     ", "Call    "].into_iter().find(|word| line.starts_with(word))
            })
            .collect();

        assert!(title.is_some_and(|title| !title.is_empty()), "{code}: the title is `# {code}: …`");
        assert!(
            meaning.ends_with(['.', ':', ',', ';']) || meaning.len() > 40,
            "{code}: what it means is missing"
        );
        assert_eq!(advice, ["Check   ", "Fix     ", "Call    "], "{code}");
    }
}

#[test]
fn every_page_that_the_program_points_to_is_there() {
    let pages = pages();
    let mut pointed = 0;
    for (path, source) in repository::production() {
        for rest in source.split("ops/errors/").skip(1) {
            let name = rest.get(..4).unwrap_or_default();
            let Some(code) = code_of(name) else { continue };
            pointed += 1;

            assert!(pages.contains_key(code), "{} points to {code}", repository::short(&path));
        }
    }

    assert!(pointed > 0, "no source points to a page, so this test looks at nothing");
}
