//! A Bundle to read from: its resources, the references between them, and what nobody has read yet.
//!
//! Readers *take* texts by path (`name/0/text`). Whatever is left over in the end becomes the
//! message's extras, so an element that this crate does not know is kept and not lost. Taking
//! is only marking: two readers may take the same text, because one Organization may be both
//! sender and requester.
//!
//! Paths bend: an object where FHIR has a list counts as a list of one, and the other way round.
//! Bent places are remembered and become deviations.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value};
use tierlink_schemas::{Problem, outside};

use crate::leaves::each_leaf;
use crate::limits::{EXTENSION_DEPTH_MAX, EXTENSIONS_MAX, RESOURCES_MAX};
use crate::{codes, extension, systems};

/// Most digits in the number of an item: a message has fewer elements.
const INDEX_DIGITS_MAX: usize = 6;

/// The place of a resource in [`Bundle`].
pub type At = usize;

/// A resource of the Bundle.
#[derive(Debug)]
pub struct Resource {
    /// Its type, such as `Patient`.
    pub kind: String,
    /// Its name in paths: `Patient`, or `Observation[2]` where there are several.
    pub path: String,
    /// `fullUrl` of its entry.
    pub full_url: Option<String>,
    /// Its elements, as JSON.
    pub body: Value,
    /// Pointers of the leaves that somebody took.
    pub taken: HashSet<String>,
    /// Those of them that were taken as words beside what the kind of message reads.
    in_words: HashSet<String>,
    /// Whether it is left out: it is no fact, or about somebody else.
    pub left_out: bool,
    /// The resource that contains it.
    parent: Option<At>,
}

/// A whole message.
#[derive(Debug)]
pub struct Bundle {
    /// All resources, the Bundle's own elements first.
    pub resources: Vec<Resource>,
    /// Which resource a reference means. Ambiguous ones are left out: nothing is guessed.
    by_reference: HashMap<String, Option<At>>,
    /// Places whose shape was bent.
    pub bent: BTreeSet<String>,
}

/// Elements that every resource has, and those that name its patient.
const EVERYWHERE: [&str; 9] =
    ["resourceType", "id", "meta", "text", "status", "subject", "patient", "for", "beneficiary"];

/// The Bundle's own elements are kept as a resource too, at this place.
pub const BUNDLE: At = 0;

impl Bundle {
    /// Takes a tree apart.
    pub fn open(tree: Value) -> Result<Self, Problem> {
        let mut head = unwrapped(tree);
        if head.get("resourceType").and_then(Value::as_str) != Some("Bundle") {
            let text = "this is no Bundle; send a Bundle of type message";
            return Err(Problem::new(codes::NO_MESSAGE, "resourceType", text));
        }
        let mut bundle =
            Self { resources: Vec::new(), by_reference: HashMap::new(), bent: BTreeSet::new() };
        let entries = head.get_mut("entry").map(Value::take);
        bundle.add(head, None, None)?;
        match entries {
            None | Some(Value::Null) => {}
            Some(Value::Array(entries)) => {
                for (index, entry) in entries.into_iter().enumerate() {
                    bundle.add_entry(index, entry)?;
                }
            }
            Some(other) => {
                bundle.bent.insert("Bundle.entry".to_owned());
                bundle.add_entry(0, other)?;
            }
        }
        bundle.name_paths();
        Ok(bundle)
    }

    fn add_entry(&mut self, index: usize, entry: Value) -> Result<(), Problem> {
        let Value::Object(mut entry) = entry else {
            self.keep(&format!("entry{index}"), entry);
            return Ok(());
        };
        let full_url = entry.get("fullUrl").and_then(Value::as_str).map(str::to_owned);
        let resource = entry.remove("resource");
        if resource.is_some() {
            entry.remove("fullUrl");
        }
        if !entry.is_empty() {
            self.keep(&format!("entry{index}"), Value::Object(entry));
        }
        match resource {
            Some(resource @ Value::Object(_)) => self.add(resource, full_url, None).map(|_| ()),
            Some(other) => {
                self.keep(&format!("resource{index}"), other);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Keeps something that is no resource beside the Bundle's own elements, for the extras.
    fn keep(&mut self, name: &str, value: Value) {
        if let Some(Value::Object(head)) = self.resources.get_mut(BUNDLE).map(|r| &mut r.body) {
            head.insert(name.to_owned(), value);
        }
    }

    fn add(
        &mut self,
        mut body: Value,
        full_url: Option<String>,
        parent: Option<At>,
    ) -> Result<At, Problem> {
        if self.resources.len() > RESOURCES_MAX {
            let text = "the message has too many resources; split it";
            return Err(Problem::new(codes::TOO_MUCH, "Bundle.entry", text));
        }
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let kind = text("resourceType").unwrap_or_else(|| "Resource".to_owned());
        let id = text("id");
        let contained = body.get_mut("contained").map(Value::take);
        let at = self.resources.len();
        if let Some(parent) = parent {
            self.refer(id.as_ref().map(|id| format!("{parent}#{id}")), at);
        } else if at != BUNDLE {
            self.refer(full_url.clone(), at);
            self.refer(id.as_ref().map(|id| format!("{kind}/{id}")), at);
            if full_url.is_none() {
                self.refer(id.as_ref().map(|id| format!("urn:uuid:{id}")), at);
            }
        }
        let mut taken = HashSet::from(["/resourceType".to_owned()]);
        if id.is_some_and(|id| full_url.as_ref().is_some_and(|url| url.ends_with(&id))) {
            taken.insert("/id".to_owned());
        }
        let path = String::new();
        self.resources.push(Resource {
            kind,
            path,
            full_url,
            body,
            taken,
            in_words: HashSet::new(),
            left_out: false,
            parent,
        });
        if let Some(Value::Array(contained)) = contained {
            for inner in contained {
                self.add(inner, None, Some(at))?;
            }
        }
        Ok(at)
    }

    fn refer(&mut self, reference: Option<String>, at: At) {
        if let Some(reference) = reference {
            self.by_reference.entry(reference).and_modify(|held| *held = None).or_insert(Some(at));
        }
    }

    /// Numbers the resources of one type, as people count them in the message.
    fn name_paths(&mut self) {
        let mut counts: HashMap<String, (usize, usize)> = HashMap::new();
        for resource in &self.resources {
            counts.entry(resource.kind.clone()).or_default().0 += 1;
        }
        for resource in &mut self.resources {
            if let Some((all, seen)) = counts.get_mut(&resource.kind) {
                let kind = outside::name(&resource.kind);
                resource.path = if *all > 1 { format!("{kind}[{seen}]") } else { kind.to_owned() };
                *seen += 1;
            }
        }
    }

    /// Every resource of a type that is not left out, in the order of the message.
    pub fn all(&self, kind: &str) -> Vec<At> {
        self.present().filter(|at| self.resources[*at].kind == kind).collect()
    }

    /// The first resource of a type that is not left out.
    pub fn first(&self, kind: &str) -> Option<At> {
        self.present().find(|at| self.resources[*at].kind == kind)
    }

    /// Every resource that is not left out. The Bundle itself is none.
    pub fn present(&self) -> impl Iterator<Item = At> + '_ {
        (1..self.resources.len()).filter(|at| !self.resources[*at].left_out)
    }

    /// Whether a resource refers to another.
    pub fn refers(&self, at: At, to: At) -> bool {
        let mut refers = false;
        each_leaf(&self.resources[at].body, &mut String::new(), &mut |pointer, text| {
            refers |= pointer.ends_with("/reference") && self.target(at, text) == Some(to);
        });
        refers
    }

    /// Leaves a resource out, with what it contains: nobody reads it, and nothing of it is kept.
    pub fn leave_out(&mut self, at: At) {
        self.take_whole(at);
        self.resources[at].left_out = true;
        for inner in at + 1..self.resources.len() {
            if self.resources[inner].parent == Some(at) {
                self.take_whole(inner);
                self.resources[inner].left_out = true;
            }
        }
    }

    /// Every leaf of a resource that nobody has taken, with its pointer.
    pub fn untaken(&self, at: At) -> Vec<(String, String)> {
        let resource = &self.resources[at];
        let mut found = Vec::new();
        each_leaf(&resource.body, &mut String::new(), &mut |pointer, text| {
            if !resource.taken.contains(pointer) {
                found.push((pointer.to_owned(), text.to_owned()));
            }
        });
        found
    }

    /// Whether anything of a resource was taken but what every resource has.
    pub fn is_read(&self, at: At) -> bool {
        let routine = |leaf: &String| {
            let first = leaf.split('/').nth(1).unwrap_or_default();
            EVERYWHERE.contains(&first)
        };
        self.resources[at].taken.iter().any(|leaf| !routine(leaf))
    }

    /// Takes the leaf at a pointer as words.
    pub fn take_as_words(&mut self, at: At, pointer: String) {
        self.resources[at].in_words.insert(pointer.clone());
        self.resources[at].taken.insert(pointer);
    }

    /// Takes the leaf at a pointer.
    pub fn take_pointer(&mut self, at: At, pointer: String) {
        self.resources[at].taken.insert(pointer);
    }

    /// Every element that was read as what it is, such as `Patient.name.text`: what our own
    /// extensions hold, and what was only taken as words, does not count.
    pub fn elements_read(&self) -> BTreeSet<String> {
        let mut elements = BTreeSet::new();
        for resource in self.resources.iter().filter(|resource| !resource.left_out) {
            for pointer in resource.taken.difference(&resource.in_words) {
                let steps = pointer.split('/').skip(1);
                let steps = steps.filter(|step| !step.bytes().all(|b| b.is_ascii_digit()));
                let steps: Vec<&str> = steps.take_while(|step| *step != "extension").collect();
                let everywhere = ["resourceType", "id", "meta", "text"];
                if steps.first().is_some_and(|first| !everywhere.contains(first)) {
                    elements.insert(format!("{}.{}", resource.kind, steps.join(".")));
                }
            }
        }
        elements
    }

    /// The type of a resource.
    pub fn kind(&self, at: At) -> &str {
        &self.resources[at].kind
    }

    /// `fullUrl` of a resource's entry.
    pub fn full_url(&self, at: At) -> Option<&str> {
        self.resources[at].full_url.as_deref()
    }

    /// How a place is named to people, such as `Patient.name[0].text`.
    pub fn field(&self, at: At, path: &str) -> String {
        let mut field = self.resources[at].path.clone();
        for step in path.split('/').filter(|step| !step.is_empty()) {
            // A name may consist of digits as well, but no list is as long.
            if step.len() <= INDEX_DIGITS_MAX && step.bytes().all(|b| b.is_ascii_digit()) {
                field.push('[');
                field.push_str(step);
                field.push(']');
            } else {
                field.push('.');
                field.push_str(outside::name(step));
            }
        }
        field
    }

    fn walk(&self, at: At, path: &str) -> Option<(&Value, String, bool)> {
        let mut here = &self.resources[at].body;
        let mut pointer = String::new();
        let mut bent = false;
        for step in path.split('/') {
            let index = step.parse::<usize>().ok();
            if let (Value::Object(_), Some(index)) = (here, index) {
                bent = true;
                if index == 0 {
                    continue;
                }
                return None;
            }
            if let (Value::Array(items), None) = (here, index) {
                bent = true;
                here = items.first()?;
                pointer.push_str("/0");
            }
            here = match (here, index) {
                (Value::Object(members), _) => members.get(step)?,
                (Value::Array(items), Some(index)) => items.get(index)?,
                // A lone text where a list of texts belongs (`given: "三"`).
                (Value::String(_), Some(0)) => {
                    bent = true;
                    continue;
                }
                (_, _) => return None,
            };
            pointer.push('/');
            pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        }
        Some((here, pointer, bent))
    }

    /// Looks at a text without taking it.
    pub fn peek(&self, at: At, path: &str) -> Option<&str> {
        self.walk(at, path)?.0.as_str().filter(|text| !text.trim().is_empty())
    }

    /// Takes a text exactly as it stands. Blank texts count as absent.
    pub fn take(&mut self, at: At, path: &str) -> Option<String> {
        let (value, pointer, bent) = self.walk(at, path)?;
        let text = match value {
            Value::String(text) if !text.trim().is_empty() => text.clone(),
            Value::Bool(value) => value.to_string(),
            _ => return None,
        };
        if bent {
            self.bent.insert(self.field(at, path));
        }
        self.resources[at].taken.insert(pointer);
        Some(text)
    }

    /// Takes a code, id or number: spaces around it mean nothing.
    pub fn take_code(&mut self, at: At, path: &str) -> Option<String> {
        self.take(at, path).map(|text| text.trim().to_owned())
    }

    /// Takes a text that says only what is known already.
    pub fn take_if(&mut self, at: At, path: &str, known: &str) {
        if self.peek(at, path) == Some(known) {
            self.take(at, path);
        }
    }

    /// Gives a taken text back, so that it ends among the extras.
    pub fn give_back(&mut self, at: At, path: &str) {
        if let Some((_, pointer, _)) = self.walk(at, path) {
            self.resources[at].taken.remove(&pointer);
        }
    }

    /// Marks everything below a path as read.
    pub fn take_all(&mut self, at: At, path: &str) {
        if let Some((value, pointer, _)) = self.walk(at, path) {
            let mut below = Vec::new();
            each_leaf(value, &mut pointer.clone(), &mut |leaf, _| {
                below.push(leaf.to_owned());
            });
            self.resources[at].taken.extend(below);
        }
    }

    /// Marks a whole resource as read.
    fn take_whole(&mut self, at: At) {
        let resource = &mut self.resources[at];
        let taken = &mut resource.taken;
        each_leaf(&resource.body, &mut String::new(), &mut |leaf, _| {
            taken.insert(leaf.to_owned());
        });
    }

    /// How many items a list has; a lone object is a list of one.
    pub fn count(&self, at: At, path: &str) -> usize {
        match self.walk(at, path).map(|(value, _, _)| value) {
            Some(Value::Array(items)) => items.len(),
            Some(Value::Object(_) | Value::String(_) | Value::Bool(_)) => 1,
            Some(Value::Null | Value::Number(_)) | None => 0,
        }
    }

    /// The resource that the reference at `path` means, if it is in this message.
    pub fn follow(&mut self, at: At, path: &str) -> Option<At> {
        let reference = format!("{path}/reference");
        let target = self.target(at, self.peek(at, &reference)?)?;
        if self.resources[target].left_out {
            return None;
        }
        self.take(at, &reference);
        Some(target)
    }

    /// The resource that a text such as an attachment's `url` means, if it is in this message.
    pub fn follow_text(&mut self, at: At, path: &str) -> Option<At> {
        let target = self.target(at, self.peek(at, path)?)?;
        self.take(at, path);
        Some(target)
    }

    /// The resource that a reference in the resource at `at` means (R4, Bundle, "Resolving
    /// references in Bundles").
    ///
    /// An absolute one means the entry with an equal `fullUrl` and no other: the same id on another
    /// server is another resource. A relative one means a resource of the server that its own
    /// resource is from, where the `fullUrl` says which.
    pub fn target(&self, at: At, reference: &str) -> Option<At> {
        let reference = reference.trim();
        if let Some(id) = reference.strip_prefix('#') {
            let container = self.resources[at].parent.unwrap_or(at);
            if id.is_empty() {
                return Some(container);
            }
            return *self.by_reference.get(&format!("{container}#{id}"))?;
        }
        let (plain, version) = match reference.split_once("/_history/") {
            Some((plain, version)) => (plain, Some(version)),
            None => (reference, None),
        };
        let found = if plain.contains(':') {
            *self.by_reference.get(plain)?
        } else {
            let owner = self.resources[at].parent.unwrap_or(at);
            let base = self.full_url(owner).and_then(base_of);
            let absolute = base.map(|base| format!("{base}{plain}"));
            let known = absolute.and_then(|absolute| self.by_reference.get(&absolute));
            match known {
                Some(found) => *found,
                // Not of the same server as far as the addresses say; then it is none of these.
                None => {
                    let found = *self.by_reference.get(plain)?;
                    let theirs = found.and_then(|found| self.full_url(found)).and_then(base_of);
                    found.filter(|_| base.is_none() || theirs.is_none())
                }
            }
        };
        found.filter(|found| {
            let stated = self.peek(*found, "meta/versionId");
            version.is_none() || stated.is_none() || stated == version
        })
    }

    /// Takes our own extensions below `path` (`""` for those of the resource itself).
    pub fn take_extensions(&mut self, at: At, path: &str) -> Map<String, Value> {
        let list =
            if path.is_empty() { "extension".to_owned() } else { format!("{path}/extension") };
        let mut found = Map::new();
        for index in 0..self.count(at, &list) {
            let one = format!("{list}/{index}");
            let Some((Value::Object(body), _, _)) = self.walk(at, &one) else {
                continue;
            };
            let name = body.get("url").and_then(Value::as_str);
            let Some(name) = name.and_then(|url| url.strip_prefix(systems::EXTENSION)) else {
                continue;
            };
            let name = name.to_owned();
            if found.len() >= EXTENSIONS_MAX {
                break;
            }
            // The first of two with the same name counts; the second is kept among the extras.
            if let (false, Some(value)) =
                (found.contains_key(&name), extension::read(body, EXTENSION_DEPTH_MAX))
            {
                self.take_all(at, &one);
                found.insert(name, value);
            }
        }
        found
    }
}

/// The address of the server in a `fullUrl` such as `https://his.example/fhir/Patient/1`, with its
/// last slash. A `urn:uuid:` has none.
fn base_of(full_url: &str) -> Option<&str> {
    let (rest, _) = full_url.rsplit_once('/').filter(|_| full_url.contains("://"))?;
    rest.rsplit_once('/').map(|(base, _)| &full_url[..=base.len()])
}

/// Takes the Bundle out of the Parameters of `$process-message`, where it may be wrapped.
fn unwrapped(mut tree: Value) -> Value {
    if tree.get("resourceType").and_then(Value::as_str) == Some("Parameters") {
        let content = tree
            .get_mut("parameter")
            .and_then(Value::as_array_mut)
            .and_then(|list| list.iter_mut().find(|p| p["name"] == "content"))
            .and_then(|p| p.get_mut("resource"));
        if let Some(content) = content {
            return content.take();
        }
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tierlink_schemas::message::Extra;

    fn bundle(entries: &Value) -> Bundle {
        Bundle::open(json!({"resourceType": "Bundle", "type": "message", "entry": entries}))
            .unwrap()
    }

    #[test]
    fn what_nobody_takes_is_left_over() {
        let mut bundle = bundle(&json!([{"fullUrl": "urn:uuid:1", "resource": {
            "resourceType": "ServiceRequest", "intent": "order", "note": [{"text": "甲"}, {"text": "乙"}],
        }}]));

        assert_eq!(bundle.take(1, "note/0/text").as_deref(), Some("甲"));

        let left = bundle.leftovers().unwrap();
        let expected = Extra { path: "ServiceRequest.note[1].text".into(), text: "乙".into() };
        assert_eq!(left, [expected]);
    }

    #[test]
    fn a_shape_that_is_bent_is_read_and_remembered() {
        let mut bundle = bundle(&json!([{"resource": {
            "resourceType": "Patient", "name": {"text": "甲"}, "gender": ["male"],
        }}]));

        assert_eq!(bundle.take(1, "name/0/text").as_deref(), Some("甲"));
        assert_eq!(bundle.bent.len(), 1);
    }

    #[test]
    fn references_lead_to_entries_ids_and_contained_resources() {
        let mut bundle = bundle(&json!([
            {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Task",
                "a": {"reference": "urn:uuid:2"}, "b": {"reference": "http://x/fhir/Patient/p1"},
                "c": {"reference": "#in"}, "d": {"reference": "Patient/none"},
                "contained": [{"resourceType": "Practitioner", "id": "in"}]}},
            {"fullUrl": "urn:uuid:2", "resource": {"resourceType": "Patient", "id": "p1"}},
        ]));

        let found = ["a", "b", "c", "d"].map(|path| bundle.follow(1, path));

        assert_eq!(found, [Some(3), None, Some(2), None]);
    }

    #[test]
    fn a_relative_reference_stays_on_its_server_and_a_version_must_be_the_one_that_stands_here() {
        let mut bundle = bundle(&json!([
            {"fullUrl": "https://a/fhir/Task/1", "resource": {"resourceType": "Task",
                "a": {"reference": "Patient/1"}, "b": {"reference": "https://a/fhir/Patient/1"},
                "c": {"reference": "Patient/2"}, "d": {"reference": "Patient/1/_history/7"},
                "e": {"reference": "Patient/1/_history/8"}}},
            {"fullUrl": "https://a/fhir/Patient/1",
                "resource": {"resourceType": "Patient", "id": "1", "meta": {"versionId": "7"}}},
            {"fullUrl": "https://b/fhir/Patient/2", "resource": {"resourceType": "Patient", "id": "2"}},
        ]));

        let found = ["a", "b", "c", "d", "e"].map(|path| bundle.follow(1, path));

        assert_eq!(found, [Some(2), Some(2), None, Some(2), None]);
    }

    #[test]
    fn what_is_contained_refers_to_its_container_and_its_neighbours() {
        let mut bundle =
            bundle(&json!([{"resource": {"resourceType": "Task", "id": "t", "contained": [
                {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "#p"},
                    "task": {"reference": "#"}},
                {"resourceType": "Practitioner", "id": "p"},
            ]}}]));

        assert_eq!(bundle.follow(2, "practitioner"), Some(3));
        assert_eq!(bundle.follow(2, "task"), Some(1));
    }

    #[test]
    fn two_resources_under_one_name_are_nobody() {
        let mut bundle = bundle(&json!([
            {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Task", "a": {"reference": "Patient/1"}}},
            {"fullUrl": "urn:uuid:2", "resource": {"resourceType": "Patient", "id": "1"}},
            {"fullUrl": "urn:uuid:3", "resource": {"resourceType": "Patient", "id": "1"}},
        ]));

        assert_eq!(bundle.follow(1, "a"), None);
    }
}
