//! Parts of resources: `_summary` and `_elements` (FHIR R4 `search.html`, 3.1.1.5.8 and 3.1.1.5.9).
//!
//! The text of a stored resource is copied in one pass, without a tree: a property is kept whole, looked into, or passed
//! over. Elements that are mandatory stay, so that a valid resource stays one, and so does `modifierExtension`, which
//! may change the meaning of everything else. Of `_summary=true`: elements that are marked as summary, at every depth;
//! a data type keeps its `id` and `extension`, a resource or backbone element does not keep its extensions.
//! Every part is tagged `SUBSETTED`.

use crate::base::fault::{Fault, Result};
use crate::fhir::definitions::element::{Property, TypeId, TypeKind, properties, property, resource_type_id};
use crate::fhir::definitions::names;
use crate::fhir::json::{Json, Scanner};
use crate::fhir::name::Name;
use crate::fhir::types::ResourceType;

/// The system of [`TAG_CODE`].
pub const TAG_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";

/// The code that marks a part of a resource.
pub const TAG_CODE: &str = "SUBSETTED";

const TAG: &[u8] = br#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED","display":"subsetted"}"#;

/// Which part of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subset {
    /// `_summary=true`
    Summary,
    /// `_summary=text`: id, meta, text and mandatory elements of the resource itself.
    Text,
    /// `_summary=data`: everything but the text.
    Data,
    /// `_elements`
    Elements(Elements),
}

/// Names of elements at the root of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Elements {
    /// Numbers of names, sorted; a name that no type has selects nothing and is left out.
    numbers: Vec<u16>,
}

impl Elements {
    /// From the names: `name`, `value` or `value[x]` for every form of a choice, `valueQuantity` for one of them.
    pub fn new<'a>(listed: impl Iterator<Item = &'a str>) -> Self {
        let mut numbers: Vec<u16> =
            listed.filter_map(|name| names::find(name.strip_suffix("[x]").unwrap_or(name))).collect();
        numbers.sort_unstable();
        numbers.dedup();
        Self { numbers }
    }

    fn has(&self, property: &Property) -> bool {
        let has = |number: Option<u16>| number.is_some_and(|number| self.numbers.binary_search(&number).is_ok());
        has(property.name.id()) || has(names::find(property.element))
    }
}

/// Whether resources of a type have an element (or a form of a choice) of this name.
pub fn has_element(kind: ResourceType, name: &str) -> bool {
    let one = Elements::new(std::iter::once(name));
    properties(resource_type_id(kind)).iter().any(|property| one.has(property))
}

/// Whether a resource is tagged as a part of one.
pub fn is_subset(resource: &Json) -> bool {
    let tags = resource.get("meta").and_then(|meta| meta.get("tag")).and_then(Json::as_array).unwrap_or_default();
    let is = |tag: &Json, name: &str, value: &str| tag.get(name).and_then(Json::as_str) == Some(value);
    tags.iter().any(|tag| is(tag, "system", TAG_SYSTEM) && is(tag, "code", TAG_CODE))
}

/// The part of a resource; `text` is the JSON of one of type `kind` that is stored or was made here.
///
/// # Errors
/// 500 when the text is not JSON.
pub fn subset(which: &Subset, kind: ResourceType, text: &[u8]) -> Result<Vec<u8>> {
    let mut filter = Filter { scan: Scanner::new(text), out: Vec::with_capacity(text.len() + TAG.len()), which };
    let is_done = filter.resource(resource_type_id(kind));
    is_done.map(|()| filter.out).ok_or_else(|| Fault::internal(format!("a stored {kind} is not JSON")))
}

struct Filter<'a> {
    scan: Scanner<'a>,
    out: Vec<u8>,
    which: &'a Subset,
}

/// What becomes of a property.
#[derive(Clone, Copy)]
enum Rule {
    Keep,
    Drop,
    /// Looked into. When nothing of it is left, it is kept whole where it is mandatory, and dropped elsewhere.
    Within(TypeId, bool),
    Meta,
}

impl Filter<'_> {
    fn resource(&mut self, kind: TypeId) -> Option<()> {
        let mut has_meta = false;
        self.scan.open(b'{')?;
        self.out.push(b'{');
        while let Some(name) = self.scan.member()? {
            let rule = self.root(kind, name);
            has_meta |= matches!(rule, Rule::Meta);
            self.member(name, rule, 1)?;
        }
        if !has_meta {
            self.name(b"meta", 1);
            self.tagged(b"{}")?;
        }
        self.out.push(b'}');
        Some(())
    }

    /// What becomes of a property of the resource itself.
    fn root(&self, kind: TypeId, name: &[u8]) -> Rule {
        match name {
            b"resourceType" | b"id" => return Rule::Keep,
            b"meta" => return Rule::Meta,
            _ => {}
        }
        let found = plain(kind, name);
        let is_mandatory = found.is_some_and(|property| property.min > 0);
        let is_kept = match self.which {
            Subset::Summary => return within(kind, found),
            Subset::Text => is_mandatory || name == b"text",
            Subset::Data => name != b"text",
            Subset::Elements(elements) => {
                is_mandatory || name == b"modifierExtension" || found.is_some_and(|property| elements.has(property))
            }
        };
        if is_kept { Rule::Keep } else { Rule::Drop }
    }

    /// Writes the property, which begins at `start` of the output at least, as the rule says.
    fn member(&mut self, name: &[u8], rule: Rule, start: usize) -> Option<()> {
        let before = self.out.len();
        let value = self.scan.at();
        match rule {
            Rule::Drop => _ = self.scan.value()?,
            Rule::Keep => {
                self.name(name, start);
                let whole = self.scan.value()?;
                self.out.extend_from_slice(whole);
            }
            Rule::Meta => {
                self.name(name, start);
                let whole = self.scan.value()?;
                self.tagged(whole)?;
            }
            Rule::Within(kind, is_mandatory) => {
                self.name(name, start);
                if !self.within(kind)? {
                    self.out.truncate(before);
                    if is_mandatory {
                        self.scan.back(value);
                        self.member(name, Rule::Keep, start)?;
                    }
                }
            }
        }
        Some(())
    }

    /// Writes a name, with a comma unless it is the first after `start`.
    fn name(&mut self, name: &[u8], start: usize) {
        if self.out.len() > start {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name);
        self.out.extend_from_slice(b"\":");
    }

    /// Writes what is left of a value; `false`: nothing.
    fn within(&mut self, kind: TypeId) -> Option<bool> {
        if self.scan.peek()? != b'[' {
            return self.object(kind);
        }
        self.scan.open(b'[')?;
        self.out.push(b'[');
        let start = self.out.len();
        while self.scan.item()? {
            let before = self.out.len();
            if before > start {
                self.out.push(b',');
            }
            if !self.object(kind)? {
                self.out.truncate(before);
            }
        }
        self.out.push(b']');
        Some(self.out.len() > start + 1)
    }

    fn object(&mut self, kind: TypeId) -> Option<bool> {
        if self.scan.peek()? != b'{' {
            let whole = self.scan.value()?;
            self.out.extend_from_slice(whole);
            return Some(true);
        }
        self.scan.open(b'{')?;
        self.out.push(b'{');
        let start = self.out.len();
        while let Some(name) = self.scan.member()? {
            let is_own = kind.kind() == TypeKind::Complex && matches!(name, b"id" | b"extension");
            let rule = if is_own { Rule::Keep } else { within(kind, plain(kind, name)) };
            self.member(name, rule, start)?;
        }
        self.out.push(b'}');
        Some(self.out.len() > start + 1)
    }

    /// Writes `meta` with the tag, which it may have already.
    fn tagged(&mut self, meta: &[u8]) -> Option<()> {
        let mut scan = Scanner::new(meta);
        scan.open(b'{')?;
        self.out.push(b'{');
        let start = self.out.len();
        let mut has_tags = false;
        while let Some(name) = scan.member()? {
            let value = scan.value()?;
            self.name(name, start);
            if name != b"tag" {
                self.out.extend_from_slice(value);
                continue;
            }
            has_tags = true;
            let is_tagged = memchr::memmem::find(value, b"\"SUBSETTED\"").is_some()
                && memchr::memmem::find(value, TAG_SYSTEM.as_bytes()).is_some();
            self.out.extend_from_slice(value.strip_suffix(b"]")?);
            if !is_tagged {
                self.out.push(b',');
                self.out.extend_from_slice(TAG);
            }
            self.out.push(b']');
        }
        if !has_tags {
            self.name(b"tag", start);
            self.out.push(b'[');
            self.out.extend_from_slice(TAG);
            self.out.push(b']');
        }
        self.out.push(b'}');
        Some(())
    }
}

/// The property of a name, that of `name` for `_name`.
fn plain(kind: TypeId, name: &[u8]) -> Option<&'static Property> {
    let name = std::str::from_utf8(name.strip_prefix(b"_").unwrap_or(name)).ok()?;
    property(kind, &Name::new(name))
}

/// What becomes of a property in a summary, but for what the kind of the type alone decides.
fn within(owner: TypeId, found: Option<&'static Property>) -> Rule {
    let Some(property) = found else { return Rule::Drop };
    let is_mandatory = property.min > 0;
    if property.element == "modifierExtension" {
        return Rule::Keep;
    }
    if !property.is_summary && !is_mandatory {
        return Rule::Drop;
    }
    let kind = property.type_id;
    let is_open = matches!(kind.kind(), TypeKind::Complex | TypeKind::Backbone) && kind.name() != "Extension";
    if is_open && owner.name() != "Extension" { Rule::Within(kind, is_mandatory) } else { Rule::Keep }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::{parse, write};

    fn part(which: &Subset, json: &str) -> String {
        let tree = parse(json.as_bytes()).expect("JSON");
        let kind = tree.get("resourceType").and_then(Json::as_str).and_then(ResourceType::find).expect("a type");
        let mut text = Vec::new();
        write(&tree, &mut text);
        let out = String::from_utf8(subset(which, kind, &text).expect("a part")).expect("UTF-8");
        assert!(is_subset(&parse(out.as_bytes()).expect("JSON")), "{out}");
        out.replace(std::str::from_utf8(TAG).expect("UTF-8"), "TAG")
    }

    fn elements(list: &str) -> Subset {
        Subset::Elements(Elements::new(list.split(',')))
    }

    const OBSERVATION: &str = r#"{"id":"a","meta":{"versionId":"1"},"resourceType":"Observation",
        "text":{"status":"generated","div":"<div/>"},"extension":[{"url":"x"}],"modifierExtension":[{"url":"y"}],
        "status":"final","_status":{"id":"s"},"code":{"id":"c","coding":[{"code":"1","extension":[{"url":"z"}]}],"text":"t, \"]}"},
        "valueAttachment":{"x":1},"valueQuantity":{"value":1.00},"note":[{"text":"n"}],
        "component":[{"code":{"text":"c"},"interpretation":[{"text":"i"}],"valueString":"v"}]}"#;

    #[test]
    fn a_summary_is_what_is_marked_so() {
        let out = part(&Subset::Summary, OBSERVATION);
        let expected = r#"{"id":"a","meta":{"versionId":"1","tag":[TAG]},"resourceType":"Observation","modifierExtension":[{"url":"y"}],"status":"final","_status":{"id":"s"},"code":{"id":"c","coding":[{"code":"1","extension":[{"url":"z"}]}],"text":"t, \"]}"},"valueQuantity":{"value":1.00},"component":[{"code":{"text":"c"},"valueString":"v"}]}"#;
        assert_eq!(out, expected);
    }

    #[test]
    fn what_is_left_empty_goes_unless_it_is_mandatory() {
        let out = part(
            &Subset::Summary,
            r#"{"resourceType":"Library","content":[{"data":"AA=="},{"url":"u","data":"BB=="}],"contact":[{"telecom":[]}]}"#,
        );
        assert_eq!(out, r#"{"resourceType":"Library","content":[{"url":"u"}],"meta":{"tag":[TAG]}}"#);
        let out = part(
            &Subset::Summary,
            r#"{"resourceType":"AuditEvent","agent":[{"network":{"address":"1"}}],"entity":[{"securityLabel":[{"code":"x"}]}]}"#,
        );
        assert_eq!(out, r#"{"resourceType":"AuditEvent","agent":[{"network":{"address":"1"}}],"meta":{"tag":[TAG]}}"#);
    }

    #[test]
    fn text_and_data_are_two_halves() {
        let text = part(&Subset::Text, OBSERVATION);
        assert!(text.contains("\"div\"") && text.contains("\"status\":\"final\"") && text.contains("\"code\":{"));
        assert!(
            !text.contains("valueQuantity")
                && !text.contains("component")
                && !text.contains("xtension\":[{\"url\":\"y")
        );
        let data = part(&Subset::Data, OBSERVATION);
        assert!(!data.contains("\"div\"") && data.contains("\"note\"") && data.contains("\"url\":\"x\""));
    }

    #[test]
    fn elements_are_those_listed_and_the_mandatory_ones() {
        let out = part(&elements("note,value,nonsense"), OBSERVATION);
        for there in ["\"note\"", "valueQuantity", "\"status\":\"final\"", "\"code\"", "_status", "modifierExtension"] {
            assert!(out.contains(there), "{there} in {out}");
        }
        assert!(!out.contains("component") && !out.contains("\"div\"") && !out.contains("\"url\":\"x\""), "{out}");
        assert!(!part(&elements("valueString"), OBSERVATION).contains("valueQuantity"));
        assert!(part(&elements("value[x]"), OBSERVATION).contains("valueQuantity"));
        let observation = ResourceType::find("Observation").expect("a type");
        assert!(has_element(observation, "value[x]") && has_element(observation, "valueQuantity"));
        assert!(!has_element(observation, "birthDate") && !has_element(observation, "nonsense"));
    }

    #[test]
    fn tags_stay_and_none_stands_twice() {
        let json = r#"{"resourceType":"Patient","meta":{"tag":[{"code":"a"}],"profile":["p"]},"active":true}"#;
        let out = part(&Subset::Summary, json);
        assert_eq!(
            out,
            r#"{"resourceType":"Patient","meta":{"tag":[{"code":"a"},TAG],"profile":["p"]},"active":true}"#
        );
        let again = subset(
            &Subset::Summary,
            ResourceType::find("Patient").expect("a type"),
            out.replace("TAG", std::str::from_utf8(TAG).expect("UTF-8")).as_bytes(),
        );
        assert_eq!(String::from_utf8_lossy(&again.expect("a part")).matches("SUBSETTED").count(), 1);
        assert!(!is_subset(&parse(json.as_bytes()).expect("JSON")));
    }

    #[test]
    fn a_part_of_a_valid_resource_is_valid_and_its_own_part() {
        let file = std::fs::File::open("fhir-profiles/hl7.fhir.r4.examples#4.0.1.ndjson.zst").expect("the definitions");
        let lines = std::io::BufReader::new(zstd::Decoder::new(file).expect("zstd"));
        let parts = [Subset::Summary, Subset::Text, Subset::Data, elements("name,url,contact,extension,experimental")];
        let mut seen = 0;
        for line in std::io::BufRead::lines(lines).step_by(9) {
            let tree = parse(line.expect("UTF-8").as_bytes()).expect("JSON");
            let valid = crate::fhir::validate::structure(&tree).is_ok();
            let kind = tree.get("resourceType").and_then(Json::as_str).and_then(ResourceType::find).expect("a type");
            let mut text = Vec::new();
            write(&tree, &mut text);
            for which in parts.iter().filter(|_| valid) {
                let part = subset(which, kind, &text).expect("a part");
                let checked = crate::fhir::validate::structure(&parse(&part).expect("JSON"));
                assert_eq!(checked, Ok(()), "{which:?} of {}", String::from_utf8_lossy(&text[..200.min(text.len())]));
                assert_eq!(subset(which, kind, &part).expect("a part"), part);
                seen += 1;
            }
        }
        assert!(seen > 1000, "{seen}");
    }

    #[test]
    fn other_text_is_a_fault_and_no_panic() {
        let patient = ResourceType::find("Patient").expect("a type");
        for text in
            ["", "{", "[]", "{\"name\"", "{\"name\":[{", "{\"name\":[{\"family\":\"x", "{\"a\":1", "{\"link\":[,]}x"]
        {
            let _ = subset(&Subset::Summary, patient, text.as_bytes());
        }
        assert!(subset(&Subset::Data, patient, b"{\"name\":[{").is_err());
    }
}
