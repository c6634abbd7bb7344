//! What reading an identity number promises: the standard's examples, careless forms, any text.

use jiff::civil::date;
use proptest::prelude::*;

use super::*;

/// Reads `text` and gives the number as text.
fn read(text: &str) -> Result<(String, Vec<Tolerance>), IdentityFault> {
    IdentityNumber::read(text).map(|(number, seen)| (number.as_str().to_owned(), seen))
}

fn number(text: &str) -> IdentityNumber {
    IdentityNumber::read(text).unwrap().0
}

#[test]
fn the_examples_of_the_standard_are_read() {
    let first = number("11010519491231002X");
    assert_eq!((first.birth_date(), first.sex()), (date(1949, 12, 31), Sex::Female));

    let second = number("440524188001010014");
    assert_eq!((second.birth_date(), second.sex()), (date(1880, 1, 1), Sex::Male));
}

#[test]
fn a_region_that_nobody_was_given_is_read() {
    assert_eq!(number("990101195001010010").sex(), Sex::Male);
    assert_eq!(number("99010120150614002X").birth_date(), date(2015, 6, 14));
}

#[test]
fn a_careless_form_is_read_and_each_tolerance_is_reported() {
    use Tolerance::{FullWidth, LowerCase, Spaces};
    let good = "99010120150614002X".to_owned();

    assert_eq!(read("99010120150614002X"), Ok((good.clone(), vec![])));
    assert_eq!(read("99010120150614002x"), Ok((good.clone(), vec![LowerCase])));
    assert_eq!(read(" 990101 20150614 002X\u{3000}"), Ok((good.clone(), vec![Spaces])));
    assert_eq!(read("\u{FEFF}99010120150614002X"), Ok((good.clone(), vec![Spaces])));
    assert_eq!(
        read("９９０１０１２０１５０６１４００２ｘ"),
        Ok((good, vec![FullWidth, LowerCase]))
    );
}

#[test]
fn fifteen_digits_get_their_century_and_check_character() {
    let (upgraded, seen) = read("110105491231002").unwrap();

    assert_eq!(upgraded, "11010519491231002X");
    assert_eq!(seen, [Tolerance::Upgraded]);
}

#[test]
fn each_fault_has_its_name() {
    assert_eq!(read(""), Err(IdentityFault::Empty));
    assert_eq!(read(" \u{3000}"), Err(IdentityFault::Empty));
    assert_eq!(read("9901011950010100"), Err(IdentityFault::Length));
    assert_eq!(read(&" ".repeat(65)), Err(IdentityFault::Length));
    assert_eq!(read("99010119500101X010"), Err(IdentityFault::Character));
    assert_eq!(read("99010150010100X"), Err(IdentityFault::Character));
    assert_eq!(read("990101-19500101001"), Err(IdentityFault::Character));
    assert_eq!(read("九90101195001010010"), Err(IdentityFault::Character));
    assert_eq!(read("990101195001010011"), Err(IdentityFault::Checksum));
}

#[test]
fn a_birth_date_that_no_calendar_has_is_refused() {
    let dates = ["19500230", "19501301", "19500100", "19000229", "18491231", "21000101"];

    for born in dates {
        let text = whole_number(&format!("990101{born}001"));
        assert_eq!(read(&text), Err(IdentityFault::BirthDate), "{born}");
    }
    assert!(read(&whole_number("99010120000229001")).is_ok());
}

#[test]
fn a_number_from_the_future_is_known_by_todays_date() {
    let child = number("99010120150614002X");

    assert!(child.is_born_by(date(2015, 6, 14)));
    assert!(!child.is_born_by(date(2015, 6, 13)));
}

#[test]
fn fields_that_contradict_the_number_are_named() {
    let girl = number("99010120150614002X");
    let day = date(2015, 6, 14);

    assert_eq!(girl.mismatches(Some(day), Some("2")), []);
    assert_eq!(girl.mismatches(None, None), []);
    assert_eq!(girl.mismatches(Some(day), Some("9")), []);
    assert_eq!(girl.mismatches(Some(day), Some("1")), [Mismatch::Sex]);
    assert_eq!(
        girl.mismatches(Some(date(2015, 6, 15)), Some("1")),
        [Mismatch::BirthDate, Mismatch::Sex]
    );
}

#[test]
fn neither_debug_nor_an_error_shows_a_digit_of_the_number() {
    let shown = format!("{:?}", number("990101195001010010"));
    assert_eq!(shown, "IdentityNumber(hidden)");

    let fault = IdentityNumber::read("990101195001010011").unwrap_err();
    assert!(!fault.to_string().contains("990101"));
}

/// Puts the right check character behind 17 digits.
fn whole_number(digits: &str) -> String {
    let mut characters = [b'0'; LENGTH];
    characters[..LENGTH - 1].copy_from_slice(digits.as_bytes());
    characters[LENGTH - 1] = check_character(&characters);
    String::from_utf8(characters.to_vec()).unwrap()
}

prop_compose! {
    fn any_number()(
        region in 0..=999_999_u32, year in BIRTH_YEAR_MIN..=BIRTH_YEAR_MAX,
        month in 1..=12_i8, day in 1..=28_i8, sequence in 0..=999_u32,
    ) -> String {
        whole_number(&format!("{region:06}{year:04}{month:02}{day:02}{sequence:03}"))
    }
}

proptest! {
    #[test]
    fn every_right_number_is_read_as_it_is(text in any_number()) {
        prop_assert_eq!(read(&text), Ok((text, vec![])));
    }

    #[test]
    fn one_wrong_character_is_always_noticed(
        text in any_number(), at in 0..LENGTH, other in 0..11_usize,
    ) {
        let mut wrong = text.clone().into_bytes();
        wrong[at] = CHECK[other];
        let wrong = String::from_utf8(wrong).unwrap();
        prop_assume!(wrong != text);

        prop_assert!(IdentityNumber::read(&wrong).is_err());
    }

    #[test]
    fn two_swapped_neighbours_are_always_noticed(text in any_number(), at in 0..LENGTH - 1) {
        let mut wrong = text.clone().into_bytes();
        wrong.swap(at, at + 1);
        let wrong = String::from_utf8(wrong).unwrap();
        prop_assume!(wrong != text);

        prop_assert!(IdentityNumber::read(&wrong).is_err());
    }

    #[test]
    fn any_text_is_read_or_refused_but_never_panics(text in "\\PC{0,80}") {
        if let Ok((number, _)) = IdentityNumber::read(&text) {
            prop_assert_eq!(number.as_str().len(), LENGTH);
        }
    }

    #[test]
    fn eighteen_of_the_likeliest_characters_never_panic(text in "[0-9Xx０-９ -]{15,20}") {
        if let Ok((number, _)) = IdentityNumber::read(&text) {
            prop_assert_eq!(number.as_str().len(), LENGTH);
        }
    }
}
