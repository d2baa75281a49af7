//! Cross-origin resource sharing (the Fetch standard; FHIR R4 `security.html`): which pages of other sites a browser lets
//! read the answers.
//!
//! Never with credentials: an app brings its token itself. It protects nobody from a program that is no browser.

use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Response};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
/// What a page may send when it does not say what it will send.
const HEADERS: HeaderValue = HeaderValue::from_static(
    "Accept, Authorization, Content-Encoding, Content-Type, If-Match, If-Modified-Since, If-None-Exist, If-None-Match, Prefer, X-Request-Id",
);
/// What a page may see beside what every page sees.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Allow, Content-Location, Date, ETag, Last-Modified, Location, Retry-After, X-Correlation-Id, X-Request-Id",
);
const SECONDS: HeaderValue = HeaderValue::from_static("7200");
/// Longest list of headers that a preflight may ask for.
const ASKED_BYTES: usize = 1024;

/// The origins that may read answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cors {
    /// Every origin.
    Any,
    /// These, such as `https://app.example.org`; none when empty.
    Listed(Vec<HeaderValue>),
}

impl Cors {
    /// From the setting: `*`, or origins separated by commas. What no header can hold is no origin.
    pub fn new(setting: &str) -> Self {
        let listed = || setting.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        if listed().any(|origin| origin == "*") {
            return Self::Any;
        }
        Self::Listed(listed().filter_map(|origin| HeaderValue::from_str(origin.trim_end_matches('/')).ok()).collect())
    }

    /// Whether there is an origin that may read answers.
    pub fn is_on(&self) -> bool {
        !matches!(self, Self::Listed(list) if list.is_empty())
    }

    /// What the answer to this request says; `None` when no page of another site asks, or it may not.
    pub fn grant(&self, headers: &HeaderMap) -> Option<Grant> {
        let origin = headers.get(ORIGIN)?;
        match self {
            Self::Any => Some(Grant { origin: HeaderValue::from_static("*"), is_one: false }),
            Self::Listed(list) => {
                let found = list.iter().find(|listed| listed.as_bytes().eq_ignore_ascii_case(origin.as_bytes()));
                found.map(|_| Grant { origin: origin.clone(), is_one: true })
            }
        }
    }
}

/// An origin that may read the answer.
#[derive(Debug, Clone)]
pub struct Grant {
    origin: HeaderValue,
    /// Other origins get another answer.
    is_one: bool,
}

impl Grant {
    /// Lets the page read an answer.
    pub fn mark(self, response: &mut Response<Body>) {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        if self.is_one {
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
    }
}

/// Whether OPTIONS asks what a page may do.
pub fn is_preflight(asked: &HeaderMap) -> bool {
    asked.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Adds to the answer to OPTIONS what a preflight asks for.
pub fn preflight(asked: &HeaderMap, response: &mut Response<Body>) {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b',' | b' ');
    let wanted = asked.get(ACCESS_CONTROL_REQUEST_HEADERS);
    let wanted = wanted.filter(|list| list.len() <= ASKED_BYTES && list.as_bytes().iter().all(is_name));
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.cloned().unwrap_or(HEADERS));
    headers.insert(ACCESS_CONTROL_MAX_AGE, SECONDS);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(setting: &str, origin: &'static str) -> Option<HeaderMap> {
        let headers = HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static(origin))]);
        let mut response = Response::new(Body::empty());
        Cors::new(setting).grant(&headers)?.mark(&mut response);
        Some(response.headers().clone())
    }

    #[test]
    fn origins_are_any_or_listed() {
        let any = granted("*", "https://a.example").expect("allowed");
        assert_eq!((&any[ACCESS_CONTROL_ALLOW_ORIGIN], any.get(VARY)), (&HeaderValue::from_static("*"), None));
        let listed = "https://a.example, http://localhost:3000/";
        for origin in ["https://a.example", "http://localhost:3000"] {
            let headers = granted(listed, origin).expect("allowed");
            assert_eq!(
                (&headers[ACCESS_CONTROL_ALLOW_ORIGIN], &headers[VARY]),
                (&HeaderValue::from_static(origin), &HeaderValue::from_static("Origin"))
            );
        }
        for origin in ["https://b.example", "http://a.example", "https://a.example.evil", "null"] {
            assert!(granted(listed, origin).is_none(), "{origin}");
        }
        assert!(granted("", "https://a.example").is_none());
        assert!(Cors::new("*").grant(&HeaderMap::new()).is_none(), "no origin, no answer to it");
    }

    #[test]
    fn a_preflight_gets_what_it_asks_for_if_that_is_a_list_of_names() {
        let ask = |list: &'static str| {
            let names = [(ACCESS_CONTROL_REQUEST_METHOD, "PUT"), (ACCESS_CONTROL_REQUEST_HEADERS, list)];
            let headers = names.map(|(name, value)| (name, HeaderValue::from_static(value)));
            let mut response = Response::new(Body::empty());
            preflight(&HeaderMap::from_iter(headers), &mut response);
            response.headers()[ACCESS_CONTROL_ALLOW_HEADERS].clone()
        };
        assert_eq!(ask("authorization,x-mine"), "authorization,x-mine");
        assert_eq!(ask("a\"b"), HEADERS);
        assert!(!is_preflight(&HeaderMap::new()));
    }
}
