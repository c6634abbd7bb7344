//! Reads the bearer token of a request. The caller checks whether it is valid.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

const SCHEME: &str = "Bearer";

/// The token of `Authorization: Bearer …`; `None` unless there is exactly one.
///
/// With two `Authorization` headers the result is `None`, because a proxy before us may have
/// checked the other one.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (only, None) = (all.next()?, all.next()) else {
        return None;
    };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    let is_token = scheme.eq_ignore_ascii_case(SCHEME)
        && !token.is_empty()
        && !token.contains(|c: char| c.is_whitespace());
    is_token.then_some(token)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check(values: &[&'static str], want: Option<&str>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }

        assert_eq!(bearer(&headers), want, "{values:?}");
    }

    #[test]
    fn a_bearer_token_is_found_however_the_scheme_is_spelled() {
        check(&["Bearer abc.def-1"], Some("abc.def-1"));
        check(&["bearer abc"], Some("abc"));
        check(&["BEARER   abc "], Some("abc"));
    }

    #[test]
    fn anything_else_is_no_token() {
        check(&[], None);
        check(&["Basic abc"], None);
        check(&["Bearer"], None);
        check(&["Bearer "], None);
        check(&["Bearerabc"], None);
        check(&["Bearer a b"], None);
    }

    #[test]
    fn two_tokens_are_no_token() {
        check(&["Bearer abc", "Bearer def"], None);
    }
}
