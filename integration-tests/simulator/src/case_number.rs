//! The broker's case numbers, as they are found in a text of any format.

/// `R2600000011`: a letter and ten digits or more. No other number of ours has this shape.
pub(crate) fn is_case_number(word: &str) -> bool {
    word.strip_prefix(['R', 'T', 'C'])
        .is_some_and(|rest| rest.len() >= 10 && rest.bytes().all(|b| b.is_ascii_digit()))
}

/// Every number in `text` that looks like one of the broker's.
pub(crate) fn case_numbers(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
        if is_case_number(word) && !found.iter().any(|known| known == word) {
            found.push(word.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_numbers_are_found_in_every_format() {
        let text = r#"RF1|A||||QS-7|||R2600000011^TIERLINK~X"T2600000012"R26"#;

        assert_eq!(case_numbers(text), ["R2600000011", "T2600000012"]);
    }
}
