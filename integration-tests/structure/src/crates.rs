//! The crates of a workspace as modules, items and names, read from their sources.
//!
//! This is a small part of name resolution: enough to say in which file an item stands that a path
//! names, through imports and re-exports. It knows no types, so it sees a method only where an
//! `impl` block stands in another file than its type.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit::Visit;

/// Every source of a workspace by its path, such as `broker/core/src/lib.rs`.
pub type Sources = BTreeMap<String, String>;

/// A module of a crate: its index in `Crate::modules`.
type ModuleId = usize;
/// A file of a crate: its index in `Crate::files`.
pub type FileId = usize;

/// One crate: a library, a program, a test or a benchmark.
#[derive(Default)]
pub struct Crate {
    /// Paths of its files; the first is its root.
    pub files: Vec<String>,
    modules: Vec<Module>,
    /// Methods that an `impl` block defines, with the files that define one of that name.
    methods: BTreeMap<String, BTreeSet<FileId>>,
    /// The methods whose `impl` block stands in another file than its type.
    split_off: BTreeSet<(String, FileId)>,
}

#[derive(Default)]
struct Module {
    file: FileId,
    parent: Option<ModuleId>,
    children: BTreeMap<String, ModuleId>,
    items: BTreeSet<String>,
    imports: Vec<Import>,
    /// Paths that its code names, imports aside.
    mentions: Vec<Mention>,
    /// The types of its inherent `impl` blocks, with the methods of each.
    impls: Vec<(Vec<String>, Vec<String>)>,
}

struct Import {
    /// The name that it brings in. `None` for a glob.
    name: Option<String>,
    path: Vec<String>,
    line: usize,
    /// Whether others may use the name: then the file passes it on, and does not itself use it.
    passed_on: bool,
}

struct Mention {
    path: Vec<String>,
    line: usize,
    is_method: bool,
}

/// What a path leads to.
#[derive(Clone, Copy)]
enum Target {
    Module(ModuleId),
    /// An item that stands in this module.
    Item(ModuleId),
    /// Something of another crate.
    Elsewhere,
}

/// That one file uses an item of another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The file that uses.
    pub from: FileId,
    /// The file that defines the item.
    pub to: FileId,
    /// The line in `from`, counted from 1.
    pub line: usize,
    /// The path or method as it is written there.
    pub what: String,
}

/// Whether an attribute says that the item is for tests only.
fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.to_token_stream().to_string().replace(' ', "") == "cfg(test)"
    })
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(it) => &it.attrs,
        syn::Item::Enum(it) => &it.attrs,
        syn::Item::Fn(it) => &it.attrs,
        syn::Item::Impl(it) => &it.attrs,
        syn::Item::Macro(it) => &it.attrs,
        syn::Item::Mod(it) => &it.attrs,
        syn::Item::Static(it) => &it.attrs,
        syn::Item::Struct(it) => &it.attrs,
        syn::Item::Trait(it) => &it.attrs,
        syn::Item::Type(it) => &it.attrs,
        syn::Item::Use(it) => &it.attrs,
        _ => &[],
    }
}

/// The name that an item defines.
fn name(item: &syn::Item) -> Option<String> {
    Some(match item {
        syn::Item::Const(it) => it.ident.to_string(),
        syn::Item::Enum(it) => it.ident.to_string(),
        syn::Item::Fn(it) => it.sig.ident.to_string(),
        syn::Item::Macro(it) => it.ident.as_ref()?.to_string(),
        syn::Item::Static(it) => it.ident.to_string(),
        syn::Item::Struct(it) => it.ident.to_string(),
        syn::Item::Trait(it) => it.ident.to_string(),
        syn::Item::Type(it) => it.ident.to_string(),
        syn::Item::Union(it) => it.ident.to_string(),
        _ => return None,
    })
}

/// The imports inside functions; they are read as if they stood at the top of the module.
struct InnerImports(Vec<Import>);

impl<'ast> Visit<'ast> for InnerImports {
    fn visit_item_use(&mut self, it: &'ast syn::ItemUse) {
        spread(&it.tree, &mut Vec::new(), false, &mut self.0);
    }
}

/// Adds one import for each name that a `use` brings in.
fn spread(tree: &syn::UseTree, path: &mut Vec<String>, passed_on: bool, to: &mut Vec<Import>) {
    let mut add = |name: Option<String>, path: Vec<String>, line: usize| {
        to.push(Import { name, path, line, passed_on });
    };
    match tree {
        syn::UseTree::Path(it) => {
            path.push(it.ident.to_string());
            spread(&it.tree, path, passed_on, to);
            path.pop();
        }
        syn::UseTree::Name(it) => {
            let line = it.ident.span().start().line;
            if it.ident == "self" {
                add(path.last().cloned(), path.clone(), line);
            } else {
                let name = it.ident.to_string();
                add(Some(name.clone()), [path.clone(), vec![name]].concat(), line);
            }
        }
        syn::UseTree::Rename(it) => {
            let line = it.ident.span().start().line;
            let mut whole = path.clone();
            if it.ident != "self" {
                whole.push(it.ident.to_string());
            }
            add(Some(it.rename.to_string()), whole, line);
        }
        syn::UseTree::Glob(it) => {
            add(None, path.clone(), it.star_token.spans[0].start().line);
        }
        syn::UseTree::Group(it) => {
            for tree in &it.items {
                spread(tree, path, passed_on, to);
            }
        }
    }
}

/// Collects `a::b::c`, single names and `.method(` from tokens, so that macros are read as well.
fn mentions(tokens: TokenStream, to: &mut Vec<Mention>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is = |at: usize, c: char| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == c);
    let joint = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':' && p.spacing() == Spacing::Joint);
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => mentions(group.stream(), to),
            TokenTree::Ident(first) => {
                let line = first.span().start().line;
                let after_dot = at > 0 && is(at - 1, '.') && !(at > 1 && is(at - 2, '.'));
                let lifetime = at > 0 && is(at - 1, '\'');
                let mut path = vec![first.to_string()];
                while joint(at + 1) && is(at + 2, ':') {
                    let Some(TokenTree::Ident(next)) = tokens.get(at + 3) else { break };
                    path.push(next.to_string());
                    at += 3;
                }
                let called = matches!(tokens.get(at + 1), Some(TokenTree::Group(it)) if it.delimiter() == Delimiter::Parenthesis)
                    || joint(at + 1);
                if !lifetime && (!after_dot || called) {
                    to.push(Mention { path, line, is_method: after_dot });
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        at += 1;
    }
}

impl Crate {
    /// Reads the crate whose root is this file, with every file that it declares.
    pub fn read(root: &str, sources: &Sources) -> Self {
        let mut read = Self::default();
        let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
        read.file(root, folder, None, sources);
        read.note_split_impls();
        read
    }

    fn file(
        &mut self,
        path: &str,
        folder: &str,
        parent: Option<ModuleId>,
        sources: &Sources,
    ) -> ModuleId {
        let text = sources.get(path).unwrap_or_else(|| panic!("{path} is declared and not there"));
        let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        self.files.push(path.to_owned());
        let file = self.files.len() - 1;
        self.module(file, folder, parent, &syntax.items, sources)
    }

    fn module(
        &mut self,
        file: FileId,
        folder: &str,
        parent: Option<ModuleId>,
        items: &[syn::Item],
        sources: &Sources,
    ) -> ModuleId {
        let id = self.modules.len();
        self.modules.push(Module { file, parent, ..Module::default() });
        for item in items.iter().filter(|item| !is_for_tests(attributes(item))) {
            match item {
                syn::Item::Mod(it) => {
                    let name = it.ident.to_string();
                    let below = format!("{folder}/{name}");
                    let child = if let Some((_, items)) = &it.content {
                        self.module(file, &below, Some(id), items, sources)
                    } else {
                        let path = place(it, folder, &self.files[file], sources);
                        self.file(&path, &below, Some(id), sources)
                    };
                    self.modules[id].children.insert(name, child);
                }
                syn::Item::Use(it) => {
                    let passed_on = !matches!(it.vis, syn::Visibility::Inherited);
                    let imports = &mut self.modules[id].imports;
                    spread(&it.tree, &mut Vec::new(), passed_on, imports);
                }
                other => {
                    let module = &mut self.modules[id];
                    module.items.extend(name(other));
                    mentions(other.to_token_stream(), &mut module.mentions);
                    let mut inner = InnerImports(Vec::new());
                    inner.visit_item(other);
                    module.imports.append(&mut inner.0);
                    if let syn::Item::Impl(it) = other {
                        self.note_methods(id, it);
                    }
                    if let syn::Item::Trait(it) = other {
                        for item in &it.items {
                            if let syn::TraitItem::Fn(method) = item {
                                let files = self.methods.entry(method.sig.ident.to_string());
                                files.or_default().insert(file);
                            }
                        }
                    }
                }
            }
        }
        id
    }

    fn note_methods(&mut self, module: ModuleId, it: &syn::ItemImpl) {
        let file = self.modules[module].file;
        let names: Vec<String> = it
            .items
            .iter()
            .filter_map(|item| match item {
                syn::ImplItem::Fn(method) => Some(method.sig.ident.to_string()),
                _ => None,
            })
            .collect();
        for name in &names {
            self.methods.entry(name.clone()).or_default().insert(file);
        }
        if let (None, syn::Type::Path(of)) = (&it.trait_, &*it.self_ty) {
            let path = of.path.segments.iter().map(|it| it.ident.to_string()).collect();
            self.modules[module].impls.push((path, names));
        }
    }

    fn note_split_impls(&mut self) {
        let mut found = BTreeSet::new();
        for (id, module) in self.modules.iter().enumerate() {
            for (of, names) in &module.impls {
                if let Some(Target::Item(home)) = self.resolve(id, of, &mut BTreeSet::new())
                    && self.modules[home].file != module.file
                {
                    found.extend(names.iter().map(|name| (name.clone(), module.file)));
                }
            }
        }
        self.split_off = found;
    }

    /// Where a path leads that stands in a module. `None` for what is of another crate.
    fn resolve(
        &self,
        from: ModuleId,
        path: &[String],
        seen: &mut BTreeSet<(ModuleId, String)>,
    ) -> Option<Target> {
        let (first, mut rest) = path.split_first()?;
        let mut target = match first.as_str() {
            "crate" => Target::Module(0),
            "self" => Target::Module(from),
            "super" => Target::Module(self.modules[from].parent?),
            name => self.look_up(from, name, rest.is_empty(), seen)?,
        };
        while let (Target::Module(at), Some((next, after))) = (target, rest.split_first()) {
            target = if next == "super" {
                Target::Module(self.modules[at].parent?)
            } else {
                // What is not found was defined by a macro.
                self.look_up(at, next, after.is_empty(), seen).unwrap_or(Target::Item(at))
            };
            rest = after;
        }
        Some(target)
    }

    fn look_up(
        &self,
        at: ModuleId,
        name: &str,
        is_last: bool,
        seen: &mut BTreeSet<(ModuleId, String)>,
    ) -> Option<Target> {
        let module = &self.modules[at];
        let child = module.children.get(name).map(|child| Target::Module(*child));
        if child.is_some() && !is_last {
            return child;
        }
        if module.items.contains(name) {
            return Some(Target::Item(at));
        }
        if !seen.insert((at, name.to_owned())) {
            return child;
        }
        let named = module.imports.iter().filter(|import| import.name.as_deref() == Some(name));
        let mut is_imported = false;
        for import in named {
            is_imported = true;
            if let Some(target) = self.resolve(at, &import.path, seen) {
                return Some(target);
            }
        }
        if child.is_some() {
            return child;
        }
        if is_imported {
            return Some(Target::Elsewhere);
        }
        for glob in module.imports.iter().filter(|import| import.name.is_none()) {
            if let Some(Target::Module(from)) = self.resolve(at, &glob.path, seen)
                && from != at
                && let Some(target) = self.look_up(from, name, is_last, seen)
            {
                return Some(target);
            }
        }
        None
    }

    /// Which file uses an item of which other file, once for each pair.
    pub fn uses(&self) -> BTreeMap<(FileId, FileId), Use> {
        let mut uses = BTreeMap::new();
        for (id, module) in self.modules.iter().enumerate() {
            let mut add = |to: FileId, line: usize, what: String| {
                let from = module.file;
                if to != from {
                    uses.entry((from, to)).or_insert(Use { from, to, line, what });
                }
            };
            for import in module.imports.iter().filter(|import| !import.passed_on) {
                if let Some(Target::Item(home)) =
                    self.resolve(id, &import.path, &mut BTreeSet::new())
                {
                    add(self.modules[home].file, import.line, import.path.join("::"));
                }
            }
            for mention in &module.mentions {
                let shown = mention.path.join("::");
                if mention.is_method {
                    let files = self.methods.get(&shown);
                    if let Some(file) = files.filter(|it| it.len() == 1).and_then(BTreeSet::first)
                        && self.split_off.contains(&(shown.clone(), *file))
                    {
                        add(*file, mention.line, format!(".{shown}()"));
                    }
                    continue;
                }
                let imported = module.imports.iter().any(|import| {
                    import.name.as_deref().is_none_or(|name| name == mention.path[0])
                });
                if mention.path.len() == 1 && (!imported || module.items.contains(&shown)) {
                    continue;
                }
                if let Some(Target::Item(home)) =
                    self.resolve(id, &mention.path, &mut BTreeSet::new())
                {
                    add(self.modules[home].file, mention.line, shown);
                }
            }
        }
        uses
    }
}

/// The file of `mod name;`, declared in `declaring`, whose own modules stand in `folder`.
fn place(it: &syn::ItemMod, folder: &str, declaring: &str, sources: &Sources) -> String {
    let name = &it.ident;
    let given = it.attrs.iter().find(|attribute| attribute.path().is_ident("path"));
    if let Some(syn::Meta::NameValue(meta)) = given.map(|attribute| &attribute.meta)
        && let syn::Expr::Lit(literal) = &meta.value
        && let syn::Lit::Str(text) = &literal.lit
    {
        let mut parts: Vec<&str> = declaring.split('/').collect();
        parts.pop();
        let text = text.value();
        for part in text.split('/') {
            match part {
                ".." => {
                    parts.pop();
                }
                "." => {}
                other => parts.push(other),
            }
        }
        return parts.join("/");
    }
    let beside = format!("{folder}/{name}.rs");
    if sources.contains_key(&beside) { beside } else { format!("{folder}/{name}/mod.rs") }
}
