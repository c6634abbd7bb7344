//! That the checks see what they look for: small sources that break each rule, and some that
//! nearly do.

use std::collections::BTreeMap;

use tierlink_structure::circles::circles;
use tierlink_structure::crates::{Crate, Sources};
use tierlink_structure::{catch_all, lists, outside};

/// The circles of a crate with these files below `src/`, each as its files.
fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    let sources: Sources =
        files.iter().map(|(path, text)| (format!("src/{path}"), (*text).to_owned())).collect();
    let whole = Crate::read("src/lib.rs", &sources);
    circles(&whole)
        .into_iter()
        .map(|circle| circle.files.into_iter().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn two_files_that_use_each_other_are_a_circle() {
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::B; pub struct A; fn f(_: B) {}"),
        ("b.rs", "pub struct B; pub fn g() { let _ = super::a::A; }"),
    ]);

    assert_eq!(found, ["src/a.rs src/b.rs"]);
}

#[test]
fn a_circle_is_told_step_by_step() {
    let sources: Sources = [
        ("src/lib.rs", "mod a; mod b; mod c;"),
        ("src/a.rs", "\nuse crate::b::f; pub fn a() { f() }"),
        ("src/b.rs", "pub fn f() { crate::c::g(); }"),
        ("src/c.rs", "pub fn g() { crate::a::a(); }"),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()))
    .into();

    let found = circles(&Crate::read("src/lib.rs", &sources));

    assert_eq!(
        found[0].way,
        "  src/a.rs:2 uses crate::b::f of src/b.rs\n  \
           src/b.rs:1 uses crate::c::g of src/c.rs\n  \
           src/c.rs:1 uses crate::a::a of src/a.rs\n"
    );
}

#[test]
fn a_parent_that_only_declares_and_re_exports_makes_no_circle() {
    let found = circles_of(&[
        ("lib.rs", "mod a; pub use a::one; pub const MAX: u8 = 1;"),
        ("a.rs", "mod b; pub use b::one; pub struct A;"),
        ("a/b.rs", "use super::A; pub fn one(_: A) -> u8 { crate::MAX }"),
    ]);

    assert_eq!(found, [""; 0]);
}

#[test]
fn a_parent_that_calls_a_child_which_uses_the_parent_is_a_circle() {
    let found = circles_of(&[
        ("lib.rs", "mod a;"),
        ("a.rs", "mod b; pub struct A; pub fn two(a: A) { b::one(a) }"),
        ("a/b.rs", "use super::*; pub fn one(_: A) {}"),
    ]);

    assert_eq!(found, ["src/a.rs src/a/b.rs"]);
}

#[test]
fn a_re_export_is_followed_to_the_file_that_defines_the_item() {
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b; pub use a::A;"),
        ("a.rs", "pub struct A; fn f() { crate::b::g() }"),
        ("b.rs", "pub fn g() {} fn h() -> crate::A { todo!() }"),
    ]);

    assert_eq!(found, ["src/a.rs src/b.rs"]);
}

#[test]
fn a_re_export_of_another_crate_is_no_use_of_the_file_that_re_exports_it() {
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub use elsewhere::Peer; fn f() { crate::b::g() }"),
        ("b.rs", "use crate::a::Peer; pub fn g() -> Peer { todo!() }"),
    ]);

    assert_eq!(found, [""; 0]);
}

#[test]
fn a_path_inside_a_macro_and_a_method_of_a_split_impl_are_uses() {
    let inside_macro = circles_of(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub fn f() -> u8 { 1 } fn g() { println!(\"{}\", crate::b::h()) }"),
        ("b.rs", "pub fn h() -> u8 { super::a::f() }"),
    ]);
    let method = circles_of(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub struct A; impl A { fn f(&self) { self.far_away() } }"),
        ("b.rs", "use crate::a::A; impl A { pub fn far_away(&self) {} }"),
    ]);

    assert_eq!(inside_macro, ["src/a.rs src/b.rs"]);
    assert_eq!(method, ["src/a.rs src/b.rs"]);
}

#[test]
fn what_only_tests_use_makes_no_circle() {
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub struct A; #[cfg(test)] mod tests { use crate::b::g; }"),
        ("b.rs", "use crate::a::A; pub fn g() -> A { A }"),
    ]);

    assert_eq!(found, [""; 0]);
}

/// Whether a function body breaks the rule of catch-all arms.
fn is_found(body: &str) -> bool {
    let source = format!("use Family::*; fn f() {{ {body} }}");
    let mut variants = BTreeMap::new();
    catch_all::note_variants("enum Family { Referral, Transfer }", &mut variants);
    !catch_all::find(&source, &variants).is_empty()
}

#[test]
fn an_arm_that_takes_any_variant_is_found() {
    for body in [
        "match kind { Kind::Submit => 1, _ => 2 }",
        "match kind { Kind::Submit => 1, other => g(other) }",
        "match body { Body::Submit(it) => 1, Body::Accept(_) | _ => 2 }",
        "match (state, act) { (State::Open, Act::Close) => 1, (State::Open | State::Shut, _) => 2 }",
        "match (state, act) { (State::Open, Act::Close) => 1, (State::Open, ..) => 2 }",
        "match kind { Some(Kind::Submit) => 1, Some(_) => 2, None => 3 }",
        "match at { Here { kind: Kind::Submit, .. } => 1, Here { size, .. } => 2 }",
        "match family { Referral => 1, _ => 2 }",
        "assert!(match &kind { &Kind::Submit => true, _ => false })",
        "let x = matches!(state, State::Open | State::Shut);",
        "if let Some(Kind::Submit | Kind::Amend) = kind { 1 } else { 2 }",
    ] {
        assert!(is_found(body), "{body}");
    }
}

#[test]
fn matches_that_name_every_variant_or_are_about_something_else_are_left_alone() {
    for body in [
        "match kind { Kind::Submit | Kind::Amend => 1, Kind::Accept => 2 }",
        "match body { Body::Submit(it) => 1, Body::Accept(_) => 2 }",
        "match (kind, text) { (Kind::Submit, \"a\") => 1, (Kind::Submit | Kind::Amend, _) => 2 }",
        "match kind { Some(Kind::Submit) => 1, None => 3 }",
        "match state { any if any.is_over() => 1, State::Open => 2, State::Shut => 3 }",
        "match text { \"submit\" => 1, _ => 2 }",
        "match found { Found::One => 1, _ => 2 }",
        "match role { Role::MAX => 1, _ => 2 }",
        "let x = matches!(state, State::Open);",
        "let Some(Kind::Submit) = kind else { return };",
    ] {
        assert!(!is_found(body), "{body}");
    }
}

#[test]
fn a_match_over_the_text_of_a_kind_is_seen() {
    let source = "fn f(kind: Kind) -> u8 { match kind.verb() { \"amend\" => 1, _ => 2 } }";

    let found = catch_all::find(source, &BTreeMap::new());

    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_list_that_leaves_a_variant_out_is_seen_and_a_whole_one_is_not() {
    let list = |all: &str| {
        format!("enum E {{ A, B(u8), C {{ d: u8 }} }} impl E {{ const ALL: [Self; 3] = {all}; }}")
    };

    let found = lists::incomplete(&list("[Self::A, Self::C { d: 1 }]"));
    let whole = lists::incomplete(&list("[Self::A, Self::B(2), Self::C { d: 1 }]"));

    assert_eq!(found, [(1, "E::ALL leaves out B".to_owned())]);
    assert_eq!(whole, []);
}

#[test]
fn a_clock_that_is_read_is_found_and_one_of_a_test_is_not() {
    let found = outside::find(
        "fn f() -> jiff::Timestamp { Timestamp::now() }\n\
         fn g(late: bool) { late.then(jiff::Timestamp::now); let _ = uuid::Uuid::now_v7(); }\n\
         fn h(environment: &dyn Environment) { environment.now(); Instant::now(); }\n\
         #[cfg(test)] mod tests { fn t() { Timestamp::now(); } }",
    );

    let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [1, 2, 2], "{found:?}");
}
