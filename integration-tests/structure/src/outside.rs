//! Places that take the time, a random number or a fresh id from the machine, instead of being
//! handed it.

use syn::spanned::Spanned;
use syn::visit::Visit;

/// What gives something that no test can repeat, by the last two names of its path.
const SOURCES: [(&str, &str); 10] = [
    ("Timestamp", "now"),
    ("Zoned", "now"),
    ("SystemTime", "now"),
    ("Uuid", "now_v7"),
    ("Uuid", "now_v6"),
    ("Uuid", "new_v4"),
    ("Uuid", "new_v7"),
    ("rand", "rng"),
    ("rand", "random"),
    ("OsRng", "try_fill_bytes"),
];

/// The places of one file, each as `line: what`. Code for tests only does not count.
pub fn find(source: &str) -> Vec<(usize, String)> {
    let mut look = Look(Vec::new());
    look.visit_file(&syn::parse_file(source).unwrap());
    look.0
}

struct Look(Vec<(usize, String)>);

impl<'ast> Visit<'ast> for Look {
    fn visit_item_mod(&mut self, it: &'ast syn::ItemMod) {
        let is_test = it.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
        });
        if !is_test {
            syn::visit::visit_item_mod(self, it);
        }
    }

    fn visit_path(&mut self, it: &'ast syn::Path) {
        let mut names = it.segments.iter().rev().map(|segment| segment.ident.to_string());
        if let (Some(last), Some(of)) = (names.next(), names.next())
            && SOURCES.contains(&(of.as_str(), last.as_str()))
        {
            self.0.push((it.span().start().line, format!("{of}::{last}")));
        }
        syn::visit::visit_path(self, it);
    }
}
