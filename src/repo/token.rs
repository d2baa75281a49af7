//! Page tokens: opaque to everybody else, versioned, and complete: they carry the search itself, so that
//! a link works without anything kept but the pinned snapshot, and by `_id` even without that. Only a search that is too
//! long for a URL stays on the node, beside the snapshot, and is named by its digest.

use crate::base::clock::Timestamp;
use crate::base::fault::{Fault, Result};
use crate::base::id::{Seq, Tenant};
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};
use crate::search::context::SearchContext;

/// The place of a page within a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PageToken {
    /// The tenant whose search it is: another one has nothing to answer.
    pub(super) tenant: Tenant,
    /// The node that holds the snapshot.
    pub(super) node: u64,
    /// The snapshot.
    pub(super) seq: Seq,
    /// When the search arrived: what depends on the time must not move between pages.
    pub(super) now: Timestamp,
    /// Matches before the page.
    pub(super) offset: usize,
    /// Matches on the page, if there are so many.
    pub(super) size: usize,
    /// Where the page stands without the snapshot, when the order is that of `_id`.
    pub(super) anchor: Option<Anchor>,
    /// What is searched.
    pub(super) of: SearchContext,
    /// What was asked.
    pub(super) asked: Asked,
}

/// Parameters, decoded.
pub(super) type Pairs = Vec<(String, String)>;

/// The parameters of a search in a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of them.
    Spelled(Pairs),
    /// What this is the digest of, kept by the node ([`super::pins`]).
    Kept(u128),
}

/// Parameters of more bytes than this are kept in place of being spelled: every byte is up to two in a token, and proxies take
/// URLs of about 8 KiB.
pub(super) const SPELLED_BYTES: usize = 3 << 10;

/// The place of a page in the order of `_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Anchor {
    /// Behind this resource.
    After(ResourceKey),
    /// Before it.
    Before(ResourceKey),
    /// At the beginning.
    Start,
}

/// The first part of every token of this form.
const FORM: &str = "s4";

impl PageToken {
    pub(super) fn encode(&self) -> String {
        let Self { tenant: Tenant(tenant), node, seq: Seq(seq), now: Timestamp(now), offset, size, .. } = self;
        let mut text = format!("{FORM}.{tenant:x}.{node:x}.{seq:x}.{now:x}.{offset:x}.{size:x}.");
        match &self.anchor {
            None => text.push('n'),
            Some(Anchor::Start) => text.push('s'),
            Some(Anchor::After(key)) => anchor('a', key, &mut text),
            Some(Anchor::Before(key)) => anchor('b', key, &mut text),
        }
        text.push('.');
        hex(self.of.to_string().as_bytes(), &mut text);
        let params = match &self.asked {
            Asked::Spelled(params) => params,
            Asked::Kept(digest) => return format!("{text}.k{digest:x}"),
        };
        for (name, value) in params {
            text.push('.');
            hex(name.as_bytes(), &mut text);
            text.push('-');
            hex(value.as_bytes(), &mut text);
        }
        text
    }

    /// Reads a token of `tenant`.
    pub(super) fn decode(text: &str, tenant: Tenant) -> Result<Self> {
        let read = Self::read(text).filter(|token| token.tenant == tenant);
        read.ok_or_else(|| Fault::invalid("the page token is not one that this server made for this base URL"))
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        (parts.next()? == FORM).then_some(())?;
        let tenant = Tenant(i64::from_str_radix(parts.next()?, 16).ok()?);
        let node = u64::from_str_radix(parts.next()?, 16).ok()?;
        let seq = Seq(i64::from_str_radix(parts.next()?, 16).ok()?);
        let now = Timestamp(i64::from_str_radix(parts.next()?, 16).ok()?);
        let offset = usize::from_str_radix(parts.next()?, 16).ok()?;
        let size = usize::from_str_radix(parts.next()?, 16).ok()?;
        let anchor = parts.next()?;
        let anchor = if anchor == "n" { None } else { Some(Anchor::read(anchor)?) };
        let of = SearchContext::of_path(&unhex(parts.next()?)?)?;
        let mut parts = parts.peekable();
        let asked = match parts.peek().and_then(|part| part.strip_prefix('k')) {
            Some(digest) => Asked::Kept(u128::from_str_radix(digest, 16).ok()?),
            None => Asked::Spelled(parts.map(pair).collect::<Option<_>>()?),
        };
        Some(Self { tenant, node, seq, now, offset, size, anchor, of, asked })
    }
}

impl Anchor {
    fn read(text: &str) -> Option<Self> {
        if text == "s" {
            return Some(Self::Start);
        }
        let side = text.get(..1)?;
        let (kind, id) = text.get(1..)?.split_once('-')?;
        let key = ResourceKey::new(ResourceType::find(kind)?, ResourceId::parse(&unhex(id)?).ok()?);
        match side {
            "a" => Some(Self::After(key)),
            "b" => Some(Self::Before(key)),
            _ => None,
        }
    }
}

fn anchor(side: char, key: &ResourceKey, out: &mut String) {
    out.push(side);
    out.push_str(key.kind.name());
    out.push('-');
    hex(key.id.as_str().as_bytes(), out);
}

fn pair(part: &str) -> Option<(String, String)> {
    let (name, value) = part.split_once('-')?;
    Some((unhex(name)?, unhex(value)?))
}

fn hex(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

fn unhex(text: &str) -> Option<String> {
    let digits = text.as_bytes().chunks_exact(2);
    if !digits.remainder().is_empty() {
        return None;
    }
    let digit = |d: u8| char::from(d).to_digit(16);
    let bytes = digits.map(|pair| Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8)).collect::<Option<Vec<u8>>>()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn anchors() -> impl Strategy<Value = Option<Anchor>> {
        proptest::option::of(("[A-Za-z0-9.-]{1,64}", 0..3).prop_map(|(id, side)| {
            let kind = ResourceType::find("Patient").expect("a type");
            let key = ResourceKey::new(kind, ResourceId::parse(&id).expect("an id"));
            match side {
                0 => Anchor::After(key),
                1 => Anchor::Before(key),
                _ => Anchor::Start,
            }
        }))
    }

    proptest! {
        #[test]
        fn tokens_read_back(
            (node, seq, now) in (any::<u64>(), 0..i64::MAX, 0..i64::MAX),
            (offset, size) in any::<(usize, usize)>(),
            anchor in anchors(),
            (params, kept) in any::<(Pairs, Option<u128>)>(),
        ) {
            let asked = kept.map_or(Asked::Spelled(params), Asked::Kept);
            let tenant = Tenant(7);
            for path in ["Observation", "", "Patient/a.b/*", "Device/1/Observation"] {
                let of = SearchContext::of_path(path).expect("a context");
                let (anchor, asked) = (anchor.clone(), asked.clone());
                let token = PageToken { tenant, node, seq: Seq(seq), now: Timestamp(now), offset, size, anchor, of, asked };
                prop_assert!(PageToken::decode(&token.encode(), Tenant(8)).is_err());
                prop_assert_eq!(PageToken::decode(&token.encode(), tenant).expect("its own token"), token);
            }
        }

        #[test]
        fn other_text_is_refused_without_panic(text: String) {
            let decode = |text: &str| PageToken::decode(text, Tenant(1));
            prop_assert!(decode(&text).is_err());
            let almost = format!("s4.1.1.1.1.1.1.n.50617469656e74.{text}");
            prop_assert!(decode(&almost).is_err() || text.contains('-') || text.starts_with('k'));
            let almost = format!("s4.1.1.1.1.1.1.{text}.50617469656e74");
            prop_assert!(decode(&almost).is_err() || text == "s" || text.starts_with(['a', 'b', 'n']));
        }
    }
}
