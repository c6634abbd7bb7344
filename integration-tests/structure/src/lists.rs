//! Lists of every variant of an enum that leave some out.
//!
//! A list called `ALL` is what tests and help texts go by, and the compiler does not notice a new
//! variant that is missing there.

use std::collections::{BTreeMap, BTreeSet};

use syn::spanned::Spanned;
use syn::visit::Visit;

/// The lists of one file that are called `ALL` and leave variants of their enum out: the line, and
/// which. The enum must stand in the same file.
pub fn incomplete(source: &str) -> Vec<(usize, String)> {
    let file = syn::parse_file(source).unwrap();
    let mut lists = Lists::default();
    lists.visit_file(&file);
    let mut found = Vec::new();
    for (line, of, listed) in &lists.listed {
        let Some(variants) = lists.enums.get(of) else { continue };
        let missing: Vec<&str> = variants.difference(listed).map(String::as_str).collect();
        if !missing.is_empty() {
            found.push((*line, format!("{of}::ALL leaves out {}", missing.join(", "))));
        }
    }
    found
}

#[derive(Default)]
struct Lists {
    enums: BTreeMap<String, BTreeSet<String>>,
    /// Line, name of the enum, and the variants that its list names.
    listed: Vec<(usize, String, BTreeSet<String>)>,
}

impl<'ast> Visit<'ast> for Lists {
    fn visit_item_enum(&mut self, it: &'ast syn::ItemEnum) {
        let variants = it.variants.iter().map(|variant| variant.ident.to_string());
        self.enums.insert(it.ident.to_string(), variants.collect());
    }

    fn visit_item_impl(&mut self, it: &'ast syn::ItemImpl) {
        let syn::Type::Path(of) = it.self_ty.as_ref() else { return };
        let Some(of) = of.path.get_ident() else { return };
        for item in &it.items {
            if let syn::ImplItem::Const(list) = item
                && list.ident == "ALL"
            {
                let mut named = Named::default();
                named.visit_expr(&list.expr);
                self.listed.push((list.span().start().line, of.to_string(), named.0));
            }
        }
    }
}

/// What stands behind `Self::`.
#[derive(Default)]
struct Named(BTreeSet<String>);

impl<'ast> Visit<'ast> for Named {
    fn visit_path(&mut self, it: &'ast syn::Path) {
        let mut parts = it.segments.iter().map(|part| part.ident.to_string());
        if let (Some(first), Some(variant)) = (parts.next(), parts.next())
            && first == "Self"
        {
            self.0.insert(variant);
        }
        syn::visit::visit_path(self, it);
    }
}
