//! What is known of a code system beside its concepts: its CodeSystem resource without them.

use serde_json::{Map, Value, json};

use crate::base::fault::{Fault, Result};

/// A code system without its concepts.
#[derive(Debug, Clone)]
pub struct About {
    /// The canonical URL.
    pub url: String,
    /// The version; empty for none.
    pub version: String,
    /// The CodeSystem resource.
    pub resource: Map<String, Value>,
}

/// What a loader says of its code system.
#[derive(Debug, Clone)]
pub struct Description<'a> {
    /// The canonical URL.
    pub url: &'a str,
    /// The version.
    pub version: &'a str,
    /// A name for machines.
    pub name: &'a str,
    /// A title for people.
    pub title: &'a str,
    /// `complete` or `fragment`.
    pub content: &'a str,
    /// Whether the parents of concepts say what they are.
    pub is_hierarchy: bool,
    /// Code, type and description of the properties of concepts.
    pub properties: &'a [(&'a str, &'a str, &'a str)],
}

impl Description<'_> {
    /// The code system.
    pub fn about(&self) -> About {
        let mut resource = Map::new();
        let mut set = |name: &str, value: Value| resource.insert(name.to_owned(), value);
        set("resourceType", "CodeSystem".into());
        set("url", self.url.into());
        set("version", self.version.into());
        set("name", self.name.into());
        set("title", self.title.into());
        set("status", "active".into());
        set("caseSensitive", true.into());
        if self.is_hierarchy {
            set("hierarchyMeaning", "is-a".into());
        }
        set("content", self.content.into());
        let property = |(code, kind, description): &(&str, &str, &str)| json!({"code": code, "description": description, "type": kind});
        if !self.properties.is_empty() {
            set("property", self.properties.iter().map(property).collect());
        }
        About { url: self.url.to_owned(), version: self.version.to_owned(), resource }
    }
}

impl About {
    /// What a CodeSystem resource without concepts says. `place` stands before the text of a fault.
    ///
    /// # Errors
    /// 400 when it is none, or has no URL.
    pub fn of(place: &str, mut resource: Map<String, Value>) -> Result<Self> {
        let text = |name: &str| resource.get(name).and_then(Value::as_str).map(str::to_owned);
        if text("resourceType").as_deref() != Some("CodeSystem") {
            return Err(Fault::invalid(format!("{place}: it is no CodeSystem")));
        }
        let url = text("url").filter(|url| !url.is_empty());
        let url = url.ok_or_else(|| Fault::invalid(format!("{place}: the CodeSystem has no url")))?;
        let version = text("version").unwrap_or_default();
        resource.remove("text");
        Ok(Self { url, version, resource })
    }

    /// The resource as JSON, with the number of its concepts.
    ///
    /// # Errors
    /// 500 when it cannot be written.
    pub fn text(&self, count: u64) -> Result<String> {
        let mut resource = self.resource.clone();
        resource.insert("count".to_owned(), count.into());
        let text = serde_json::to_string(&resource);
        text.map_err(|error| Fault::internal(format!("the CodeSystem cannot be written: {error}")))
    }
}

/// The version of a loader's arguments, or that which the files say.
pub fn version(asked: Option<&str>, found: Option<String>, place: &str) -> Result<String> {
    let version = asked.map(str::to_owned).or(found).filter(|version| !version.is_empty());
    version
        .ok_or_else(|| Fault::invalid(format!("{place}: the files do not say which version they are: use --version")))
}

/// The first run of digits and dots in a name that follows `after` (without regard to case) and is at least `least` long.
pub fn number_after(name: &str, after: &str, least: usize) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let mut from = 0;
    while let Some(at) = lower[from..].find(after) {
        let start = from + at + after.len();
        let digits: String = lower[start..].chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        let digits = digits.trim_end_matches('.');
        if digits.len() >= least {
            return Some(digits.to_owned());
        }
        from = start;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_stand_in_names() {
        assert_eq!(number_after("/x/Loinc_2.76/a", "loinc_", 3).as_deref(), Some("2.76"));
        assert_eq!(number_after("RxNorm_full_01022024.zip", "rxnorm_full_", 8).as_deref(), Some("01022024"));
        assert_eq!(number_after("loinc", "loinc_", 3), None);
        assert!(version(None, None, "x").is_err());
        assert_eq!(version(Some("1"), Some("2".into()), "x").as_deref(), Ok("1"));
    }
}
