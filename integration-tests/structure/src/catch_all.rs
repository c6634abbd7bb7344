//! Matches over states, acts, kinds and events that answer for variants nobody has thought of.

use std::collections::{BTreeMap, BTreeSet};

use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Arm, Expr, Pat, Token};

/// The enums whose every variant must be answered by name.
pub const LISTED: [&str; 7] = ["Kind", "Family", "Body", "State", "Act", "Event", "Outcome"];

/// Methods that give a part of a kind's name. A match over their texts always has a catch-all arm.
const NAMES_OF_KINDS: [&str; 1] = ["verb"];

/// Where in a pattern something stands: `["0"]` is the first of a tuple, `["Some", "0"]` what is
/// in a `Some`.
type Place = Vec<String>;

/// The places of one file that answer for any variant, each as `line: what`.
pub fn find(source: &str, variants: &BTreeMap<String, BTreeSet<String>>) -> Vec<(usize, String)> {
    let file = syn::parse_file(source).unwrap();
    let mut look = Look { variants, bare: BTreeMap::new(), own: None, found: Vec::new() };
    let mut imports = Imports { look: &mut look, path: Vec::new() };
    imports.visit_file(&file);
    look.visit_file(&file);
    look.found
}

/// The variants of each listed enum that a source defines.
pub fn note_variants(source: &str, into: &mut BTreeMap<String, BTreeSet<String>>) {
    struct Enums<'m>(&'m mut BTreeMap<String, BTreeSet<String>>);
    impl<'ast> Visit<'ast> for Enums<'_> {
        fn visit_item_enum(&mut self, it: &'ast syn::ItemEnum) {
            let name = it.ident.to_string();
            if LISTED.contains(&name.as_str()) {
                let variants = it.variants.iter().map(|variant| variant.ident.to_string());
                self.0.entry(name).or_default().extend(variants);
            }
        }
    }
    Enums(into).visit_file(&syn::parse_file(source).unwrap());
}

struct Look<'v> {
    variants: &'v BTreeMap<String, BTreeSet<String>>,
    /// Variants that the file imports by their bare names, with their enum.
    bare: BTreeMap<String, String>,
    /// The listed enum that `Self` is.
    own: Option<String>,
    found: Vec<(usize, String)>,
}

/// Reads `use State::{Open, Closed}` and `use State::*`.
struct Imports<'l, 'v> {
    look: &'l mut Look<'v>,
    path: Vec<String>,
}

impl<'ast> Visit<'ast> for Imports<'_, '_> {
    fn visit_use_path(&mut self, it: &'ast syn::UsePath) {
        self.path.push(it.ident.to_string());
        self.visit_use_tree(&it.tree);
        self.path.pop();
    }

    fn visit_use_name(&mut self, it: &'ast syn::UseName) {
        if let Some(of) = self.path.last().filter(|last| LISTED.contains(&last.as_str())) {
            self.look.bare.insert(it.ident.to_string(), of.clone());
        }
    }

    fn visit_use_glob(&mut self, _: &'ast syn::UseGlob) {
        if let Some(of) = self.path.last().filter(|last| LISTED.contains(&last.as_str())) {
            let variants = self.look.variants.get(of).into_iter().flatten();
            let bare: Vec<_> = variants.map(|variant| (variant.clone(), of.clone())).collect();
            self.look.bare.extend(bare);
        }
    }
}

impl Look<'_> {
    /// The listed enum and variant that a path names.
    fn variant(&self, path: &syn::Path) -> Option<(String, String)> {
        let mut names = path.segments.iter().rev().map(|segment| segment.ident.to_string());
        let last = names.next()?;
        let of = match names.next() {
            None => self.bare.get(&last)?.clone(),
            Some(of) if of == "Self" => self.own.clone()?,
            Some(of) => of,
        };
        let is_variant = last.chars().next()?.is_uppercase() && last.to_uppercase() != last;
        (is_variant && LISTED.contains(&of.as_str())).then_some((of, last))
    }

    /// Every place where a pattern names a variant of a listed enum.
    fn named(&self, pattern: &Pat, at: &Place, to: &mut BTreeMap<Place, BTreeSet<String>>) {
        let mut note = |path: &syn::Path| {
            if let Some((of, variant)) = self.variant(path) {
                to.entry(at.clone()).or_default().insert(format!("{of}::{variant}"));
            }
        };
        match pattern {
            Pat::Path(it) => note(&it.path),
            Pat::TupleStruct(it) => note(&it.path),
            Pat::Struct(it) => note(&it.path),
            Pat::Ident(it) if it.subpat.is_none() => note(&syn::Path::from(it.ident.clone())),
            _ => {}
        }
        for (place, inner) in inside(pattern, at) {
            self.named(inner, &place, to);
        }
    }

    /// Whether a pattern takes any variant at one of these places.
    fn takes_any(&self, pattern: &Pat, at: &Place, named: &BTreeSet<Place>) -> bool {
        let below = |at: &Place| named.iter().any(|place| place.starts_with(at));
        let any = match pattern {
            Pat::Wild(_) => below(at),
            Pat::Ident(it) if it.subpat.is_none() => {
                self.variant(&syn::Path::from(it.ident.clone())).is_none()
                    && it.ident.to_string().starts_with(|c: char| c.is_lowercase() || c == '_')
                    && below(at)
            }
            _ => false,
        };
        any || unsaid(pattern, at, named)
            || inside(pattern, at)
                .into_iter()
                .any(|(place, inner)| self.takes_any(inner, &place, named))
    }

    fn check_arms(&mut self, arms: &[Arm]) {
        let mut named = BTreeMap::new();
        for arm in arms {
            self.named(&arm.pat, &Place::new(), &mut named);
        }
        let places: BTreeSet<Place> = named.keys().cloned().collect();
        for arm in arms.iter().filter(|arm| arm.guard.is_none()) {
            if self.takes_any(&arm.pat, &Place::new(), &places) {
                let of = named.values().flatten().next().cloned().unwrap_or_default();
                let line = arm.pat.span().start().line;
                self.found.push((line, format!("an arm takes any variant, beside {of}")));
            }
        }
    }

    /// A pattern that stands alone (`matches!`, `if let`) may ask for one variant. One that lists
    /// several sorts all of them in two, and a new variant would be sorted without a word.
    fn check_alone(&mut self, pattern: &Pat) {
        let mut named = BTreeMap::new();
        self.named(pattern, &Place::new(), &mut named);
        for variants in named.values().filter(|variants| variants.len() > 1) {
            let list: Vec<_> = variants.iter().map(String::as_str).collect();
            let line = pattern.span().start().line;
            let text = format!("sorts variants without naming the others: {}", list.join(", "));
            self.found.push((line, text));
        }
    }
}

/// The patterns of a tuple before its `..`, each with its place.
fn numbered<'p>(patterns: &'p Punctuated<Pat, Token![,]>, at: &Place) -> Vec<(Place, &'p Pat)> {
    let before_rest = patterns.iter().take_while(|pattern| !matches!(pattern, Pat::Rest(_)));
    let at = |n: usize| [at.clone(), vec![n.to_string()]].concat();
    before_rest.enumerate().map(|(n, pattern)| (at(n), pattern)).collect()
}

/// The patterns inside a pattern, each with its place.
fn inside<'p>(pattern: &'p Pat, at: &Place) -> Vec<(Place, &'p Pat)> {
    let step = |name: &str| [at.clone(), vec![name.to_owned()]].concat();
    match pattern {
        Pat::Or(it) => it.cases.iter().map(|case| (at.clone(), case)).collect(),
        Pat::Paren(it) => vec![(at.clone(), &*it.pat)],
        Pat::Reference(it) => vec![(at.clone(), &*it.pat)],
        Pat::Ident(it) => it.subpat.iter().map(|(_, inner)| (at.clone(), &**inner)).collect(),
        Pat::Tuple(it) => numbered(&it.elems, at),
        Pat::TupleStruct(it) => {
            let name = it.path.segments.last().map(|s| s.ident.to_string()).unwrap_or_default();
            numbered(&it.elems, &step(&name))
        }
        Pat::Struct(it) => {
            let name = it.path.segments.last().map(|s| s.ident.to_string()).unwrap_or_default();
            let at = step(&name);
            it.fields
                .iter()
                .map(|field| {
                    let member = match &field.member {
                        syn::Member::Named(name) => name.to_string(),
                        syn::Member::Unnamed(index) => index.index.to_string(),
                    };
                    ([at.clone(), vec![member]].concat(), &*field.pat)
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a `..` of this pattern leaves out one of these places.
fn unsaid(pattern: &Pat, at: &Place, named: &BTreeSet<Place>) -> bool {
    let said: BTreeSet<Place> = inside(pattern, at).into_iter().map(|(place, _)| place).collect();
    let leaves_out = |base: &Place| {
        named.iter().any(|place| {
            place.len() > base.len()
                && place.starts_with(base)
                && !said.iter().any(|said| place.starts_with(said))
        })
    };
    let with = |path: &syn::Path| {
        let name = path.segments.last().map(|s| s.ident.to_string()).unwrap_or_default();
        [at.clone(), vec![name]].concat()
    };
    match pattern {
        Pat::Struct(it) if it.rest.is_some() => leaves_out(&with(&it.path)),
        Pat::Tuple(it) if it.elems.iter().any(|p| matches!(p, Pat::Rest(_))) => leaves_out(at),
        Pat::TupleStruct(it) if it.elems.iter().any(|p| matches!(p, Pat::Rest(_))) => {
            leaves_out(&with(&it.path))
        }
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Look<'_> {
    fn visit_item_impl(&mut self, it: &'ast syn::ItemImpl) {
        let own = match &*it.self_ty {
            syn::Type::Path(of) => of.path.segments.last().map(|s| s.ident.to_string()),
            _ => None,
        };
        let outer = std::mem::replace(&mut self.own, own);
        syn::visit::visit_item_impl(self, it);
        self.own = outer;
    }

    fn visit_expr_match(&mut self, it: &'ast syn::ExprMatch) {
        self.check_arms(&it.arms);
        if let Expr::MethodCall(call) = &*it.expr
            && NAMES_OF_KINDS.contains(&call.method.to_string().as_str())
        {
            let line = it.span().start().line;
            let text = format!("matches the text of `{}`, which a new kind passes by", call.method);
            self.found.push((line, text));
        }
        syn::visit::visit_expr_match(self, it);
    }

    fn visit_expr_let(&mut self, it: &'ast syn::ExprLet) {
        self.check_alone(&it.pat);
        syn::visit::visit_expr_let(self, it);
    }

    fn visit_local(&mut self, it: &'ast syn::Local) {
        self.check_alone(&it.pat);
        syn::visit::visit_local(self, it);
    }

    fn visit_macro(&mut self, it: &'ast syn::Macro) {
        if it.path.is_ident("matches") {
            let parse = |input: syn::parse::ParseStream<'_>| {
                let asked: Expr = input.parse()?;
                input.parse::<Token![,]>()?;
                let pattern = Pat::parse_multi_with_leading_vert(input)?;
                input.parse::<proc_macro2::TokenStream>()?;
                Ok((asked, pattern))
            };
            if let Ok((asked, pattern)) = parse.parse2(it.tokens.clone()) {
                self.check_alone(&pattern);
                Look::visit_expr(self, &asked);
            }
            return;
        }
        let arguments = Punctuated::<Expr, Token![,]>::parse_terminated;
        if let Ok(arguments) = arguments.parse2(it.tokens.clone()) {
            for argument in &arguments {
                Look::visit_expr(self, argument);
            }
        }
    }
}
