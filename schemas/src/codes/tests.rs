//! What the code tables promise: all load, all can be found, and nothing is guessed.

use super::*;

/// The columns that hold codes of another table.
const REFERENCES: &[(TableId, &str, TableId)] = &[
    (TableId::InsuranceDocument, "identity_document", TableId::IdentityDocument),
    (TableId::InsuranceKind, "insurance_category", TableId::InsuranceCategory),
    (TableId::Department, "parent", TableId::Department),
    (TableId::OrganisationCategory, "lowest_tier", TableId::Tier),
];

#[test]
fn every_table_loads() {
    for id in TableId::ALL {
        let rows = load::table(*id, id.text()).map(|table| table.rows.len());

        assert!(rows.as_ref().is_ok_and(|rows| *rows > 1), "{id}: {rows:?}");
    }
}

#[test]
fn a_table_is_found_by_its_own_id_key_and_oid() {
    for id in TableId::ALL {
        assert_eq!(table(*id).id(), *id);
        assert_eq!(TableId::from_key(id.key()), Some(*id));
        if let Some(oid) = table(*id).oid() {
            assert_eq!(TableId::from_oid(oid), Some(*id));
        }
    }
    assert_eq!(TableId::from_key("no such table"), None);
}

#[test]
fn every_row_is_found_by_its_code() {
    for id in TableId::ALL {
        for row in table(*id).rows() {
            assert_eq!(lookup(*id, &row.code), Some(row));
        }
    }
}

#[test]
fn every_alias_finds_its_own_row() {
    for id in TableId::ALL {
        for row in table(*id).rows() {
            for alias in &row.aliases {
                assert_eq!(by_name(*id, alias), Some(row), "{id}: {alias}");
            }
        }
    }
}

#[test]
fn every_reference_leads_to_a_row() {
    for (from, column, to) in REFERENCES {
        for code in table(*from).rows().iter().filter_map(|row| row.column(column)) {
            assert!(lookup(*to, code).is_some(), "{from}.{column} names {code}");
        }
    }
}

#[test]
fn the_readme_lists_every_table() {
    let readme = include_str!("../../codes/README.md");

    for id in TableId::ALL {
        assert!(readme.contains(&format!("`{id}.csv`")), "README.md does not list {id}.csv");
    }
}

#[test]
fn a_code_is_found_only_as_written() {
    assert_eq!(lookup(TableId::Sex, "1").unwrap().name_en, "Male");
    assert_eq!(lookup(TableId::Sex, " 1"), None);
    assert_eq!(lookup(TableId::Sex, "男"), None);
    assert_eq!(lookup(TableId::Department, "0304"), None);
}

#[test]
fn a_name_is_found_whatever_its_width_case_and_spaces() {
    let code = |id, name| by_name(id, name).map(|row| row.code.as_str());

    assert_eq!(code(TableId::Department, "心内科"), Some("03.04"));
    assert_eq!(code(TableId::Department, "心血管 内科"), Some("03.04"));
    assert_eq!(code(TableId::Department, "ｉｃｕ"), Some("28"));
    assert_eq!(code(TableId::Urgency, "急危重症（绿色通道）"), Some("emergency"));
    assert_eq!(code(TableId::Sex, "f"), Some("2"));
}

#[test]
fn a_name_that_several_rows_share_finds_none() {
    let others = table(TableId::Department).rows().iter().filter(|row| row.name == "其他");

    assert!(others.count() > 1);
    assert_eq!(by_name(TableId::Department, "其他"), None);
}

#[test]
fn every_other_reason_needs_a_sentence() {
    let reasons = [
        TableId::ReturnReason,
        TableId::DeclineReason,
        TableId::RedirectReason,
        TableId::CancelReason,
        TableId::NoReferralReason,
        TableId::RecollectReason,
    ];

    for id in reasons {
        let other = by_name(id, "其他").unwrap();
        assert!(other.needs_text(), "{id} {}", other.code);
    }
    assert!(!lookup(TableId::DeclineReason, "RJ01").unwrap().needs_text());
}

#[test]
fn tiers_grow_upwards() {
    let ranks: Vec<u8> = table(TableId::Tier)
        .rows()
        .iter()
        .map(|row| row.column("rank").unwrap().parse().unwrap())
        .collect();

    assert_eq!(ranks, [1, 2, 3, 4, 5, 6]);
}
