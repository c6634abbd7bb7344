//! Code maps of a profile, in both directions.

use std::collections::BTreeMap;

/// Our code for theirs. Letters may be large or small; nothing else is forgiven.
pub(crate) fn ours<'m>(map: &'m BTreeMap<String, String>, theirs: &str) -> Option<&'m str> {
    map.get(theirs)
        .or_else(|| {
            let mut found = map.iter().filter(|(code, _)| code.eq_ignore_ascii_case(theirs));
            let only = found.next();
            if found.next().is_some() { None } else { only.map(|(_, ours)| ours) }
        })
        .map(String::as_str)
}

/// Their code for ours: the first that means it, so the same one every time.
pub(crate) fn theirs(map: &BTreeMap<String, String>, ours: &str) -> Option<String> {
    map.iter().find(|(_, known)| *known == ours).map(|(theirs, _)| theirs.clone())
}
