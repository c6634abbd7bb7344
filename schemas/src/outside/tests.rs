use proptest::prelude::*;

use super::*;

/// Invented people: region 990101, which does not exist.
const IDENTITY_NUMBERS: [&str; 4] =
    ["990101195001010010", "990101195001010002", "99010119620304121X", "990101500101001"];
const PHONES: [&str; 4] = ["13900000001", "+8613900000001", "008613900000001", "0310-1390000"];

/// The identity numbers whose check character fits, whatever the list above says.
fn valid_numbers() -> Vec<&'static str> {
    let valid = IDENTITY_NUMBERS.into_iter().filter(|it| IdentityNumber::read(it).is_ok());
    let valid: Vec<_> = valid.collect();
    assert!(valid.len() >= 2, "{valid:?}");
    valid
}

#[test]
fn a_number_of_a_person_is_no_number_of_a_message() {
    for person in valid_numbers().into_iter().chain(PHONES) {
        assert_eq!(number(person), None, "{person}");
        assert_eq!(number(&format!(" {person} ")), None, "{person}");
    }
    for hidden in [
        "990101-19500101-0010",
        "990101.1950.0101.0010",
        "PAT990101195001010010",
        "990101195001010010/1",
        "7990101195001010010",
        "139-0000-0001",
        "TEL:13900000001",
        "zzz_13900000001",
    ] {
        assert_eq!(number(hidden), None, "{hidden}");
    }
}

#[test]
fn numbers_that_hospitals_give_are_kept() {
    for given in [
        "1",
        "FQ-BESIDE-1",
        "ZY2026-000123",
        "20261121093000123",
        "R2600012345",
        "2026/11/0042",
        "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b",
        "03309912345",
        "1.2.840.113619.2.55.3",
        "A^B|7",
    ] {
        assert_eq!(number(given).as_deref(), Some(given));
    }
}

#[test]
fn what_is_no_number_is_dropped() {
    let long = "1".repeat(NUMBER_CHARS_MAX + 1);
    for wrong in ["", "  ", "success", "汪德福", "1\u{1b}[2J", "a b 1", "1\n2", "№1", &long] {
        assert_eq!(number(wrong), None, "{wrong:?}");
    }
}

#[test]
fn a_place_keeps_what_names_a_field_and_nothing_else() {
    for given in [
        "PID-5",
        "OBX[12]-5[3].1.2",
        "body.patient.identifiers[0].value",
        "Bundle.entry[3].extension[urn:tierlink:extension:transport]",
        "(message)",
        "profiles/330199001.toml",
    ] {
        assert_eq!(place(given), given);
    }
    assert_eq!(place("a\u{1b}[31m.汪"), "a#[31m.#");
    assert_eq!(place("x".repeat(3_000_000)).len(), PLACE_CHARS_MAX);
    assert_eq!(place("extension[990101195001010010]"), "extension[##################]");
    assert_eq!(place("a[2].13900000001"), "a[2].###########");
}

#[test]
fn a_sentence_stays_on_its_line_and_commands_nobody() {
    assert_eq!(sentence("first\r\nERROR forged\u{1b}[2J\u{202E}"), "first  ERROR forged [2J ");
    let long = sentence("长".repeat(3_000_000));
    assert_eq!(long.chars().count(), SENTENCE_CHARS_MAX);
    assert!(long.ends_with('~'), "{long}");
    let cut = format!("{} 990101195001010010 lives here", "x".repeat(SENTENCE_CHARS_MAX - 10));
    assert!(is_harmless(&sentence(cut.clone())) && !sentence(cut).contains("9901"));
    assert_eq!(sentence("HTTP 503, RFC 9457, 20261121"), "HTTP 503, RFC 9457, 20261121");
    assert_eq!(sentence("call 139-0000-0001 now"), "call ###-####-#### now");
    assert_eq!(sentence("电话１３９０００００００１"), "电话###########");
}

#[test]
fn a_code_is_a_letter_and_three_digits() {
    assert_eq!(code("E042"), Some("E042"));
    for wrong in ["", "E42", "E0421", "e042", "汪德福", "E04X", "1234"] {
        assert_eq!(code(wrong), None, "{wrong}");
    }
}

#[test]
fn a_terminal_is_shown_what_is_there_and_told_nothing() {
    assert_eq!(visible("汪德福\u{1b}[2J\u{9b}31m"), "汪德福 [2J 31m");
    assert_eq!(visible("汪德福"), "汪德福");
    let value = serde_json::json!({ "name": "汪\u{9b}\u{202E}\u{E0041}" });
    let printed = serde_json::to_string_pretty(&value).unwrap();
    let shown = visible_json(&printed);
    assert!(!shown.contains('\u{9b}') && shown.contains("汪"), "{shown}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
}

/// Whether a text could still do or show something that it must not.
fn is_harmless(text: &str) -> bool {
    let plain = !text.chars().any(|c| c.is_control() || c == '\u{202E}');
    let digits: String = text.chars().filter_map(digit).collect();
    let whole = |number: &&&str| number.len() == IDENTITY;
    plain && !valid_numbers().iter().filter(whole).any(|number| digits.contains(&number[..17]))
}

fn anything() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        "\\PC{0,40}",
        Just("\u{1b}[2J".to_owned()),
        Just("\u{202E}".to_owned()),
        prop::sample::select(valid_numbers()).prop_map(str::to_owned),
        prop::sample::select(PHONES.to_vec()).prop_map(str::to_owned),
        "[-_./: ]{0,3}",
        Just("x".repeat(5_000)),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_comes_is_bounded_and_harmless(text in anything()) {
        let place = place(text.as_str());
        let sentence = sentence(text.as_str());
        let name = name(&text);

        prop_assert!(place.chars().count() <= PLACE_CHARS_MAX);
        prop_assert!(sentence.chars().count() <= SENTENCE_CHARS_MAX);
        prop_assert!(name.len() <= NAME_CHARS_MAX);
        prop_assert!(is_harmless(&place), "{place:?}");
        prop_assert!(is_harmless(&sentence), "{sentence:?}");
        prop_assert!(is_harmless(name), "{name:?}");
        if let Some(number) = number(&text) {
            prop_assert!(number.len() <= NUMBER_CHARS_MAX && is_harmless(&number), "{number:?}");
            prop_assert!(!number.contains(' '));
        }
    }

    #[test]
    fn what_went_through_once_stays_as_it_is(text in anything()) {
        let place_once = place(text.as_str());
        let sentence_once = sentence(text.as_str());

        prop_assert_eq!(place(place_once.as_str()), place_once.clone());
        prop_assert_eq!(sentence(sentence_once.as_str()), sentence_once.clone());
        if let Some(once) = number(&text) {
            prop_assert_eq!(number(&once), Some(once));
        }
    }

    #[test]
    fn an_identity_number_is_found_in_whatever_is_around_it(
        before in "[A-Z]{0,6}",
        after in "[A-Z]{0,6}",
        person in prop::sample::select(valid_numbers()),
    ) {
        if person.len() == IDENTITY {
            let hidden = format!("{before}{person}{after}");
            prop_assert_eq!(number(&hidden), None);
            prop_assert!(!place(hidden.as_str()).contains(&person[..17]));
            prop_assert!(!sentence(hidden).contains(&person[..17]));
        }
    }
}
