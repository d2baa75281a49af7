//! Mutations that concern more than one element: extensions, contained resources, narratives, Bundles, profiles, and the text of
//! the JSON itself.

use serde_json::{Map, Value, json};

use cresset::fhir::definitions::element::{TypeKind, type_by_name};

use super::kinds::Expected::{Accepted, Depends, Refused};
use super::kinds::Kind;
use super::random::Random;
use super::samples;
use super::site::Site;

/// All kinds that add something.
pub const KINDS: &[Kind] = &[
    Kind { name: "unknown extension", expected: Accepted, apply: extension_unknown },
    Kind { name: "unknown extension of HL7", expected: Refused, apply: extension_of_hl7 },
    Kind { name: "extension without value", expected: Refused, apply: extension_without_value },
    Kind { name: "extension with value and extensions", expected: Refused, apply: extension_with_both },
    Kind { name: "extension without url", expected: Refused, apply: extension_without_url },
    Kind { name: "extension with a strange url", expected: Depends, apply: extension_strange_url },
    Kind { name: "value of an extension", expected: Depends, apply: extension_value },
    Kind { name: "part of an extension", expected: Depends, apply: extension_part },
    Kind { name: "known extension", expected: Depends, apply: extension_known },
    Kind { name: "modifier extension", expected: Depends, apply: extension_modifier },
    Kind { name: "extension of a primitive", expected: Depends, apply: primitive_extension },
    Kind { name: "extension instead of a primitive", expected: Depends, apply: primitive_absent },
    Kind { name: "contained and not referenced", expected: Refused, apply: contained_alone },
    Kind { name: "contained twice", expected: Depends, apply: contained_twice },
    Kind { name: "contained within contained", expected: Refused, apply: contained_nested },
    Kind { name: "contained with a version", expected: Refused, apply: contained_version },
    Kind { name: "contained with a label", expected: Refused, apply: contained_label },
    Kind { name: "contained without id", expected: Depends, apply: contained_without_id },
    Kind { name: "narrative", expected: Refused, apply: narrative_bad },
    Kind { name: "narrative that may be", expected: Depends, apply: narrative_maybe },
    Kind { name: "profile unknown", expected: Depends, apply: profile_unknown },
    Kind { name: "profile of another type", expected: Refused, apply: profile_of_other },
    Kind { name: "profile of US Core or IPS", expected: Depends, apply: profile_known },
    Kind { name: "fullUrl", expected: Depends, apply: full_url },
    Kind { name: "fullUrl twice", expected: Depends, apply: full_url_twice },
    Kind { name: "type of a Bundle", expected: Depends, apply: bundle_type },
    Kind { name: "resource type", expected: Depends, apply: resource_type },
];

fn open<'v>(root: &'v mut Value, site: &Site) -> Option<&'v mut Map<String, Value>> {
    let is_fine =
        !matches!(site.type_id.name(), "Narrative" | "Extension" | "Bundle" | "Parameters" | "Binary" | "Meta");
    site.value(root)?.as_object_mut().filter(|_| is_fine)
}

/// Adds to a list that an object has, or makes it; the number of the item.
fn push(object: &mut Map<String, Value>, name: &str, item: Value) -> Option<usize> {
    let list = object.entry(name).or_insert_with(|| json!([])).as_array_mut()?;
    list.push(item);
    Some(list.len() - 1)
}

fn add_extension(root: &mut Value, site: &Site, extension: Value) -> Option<String> {
    let at = push(open(root, site)?, "extension", extension)?;
    Some(format!("{}.extension[{at}]", site.path))
}

fn extension_unknown(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    add_extension(root, site, json!({"url": "http://example.org/nonsense", "valueString": "x"}))
}

fn extension_of_hl7(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    add_extension(root, site, json!({"url": "http://hl7.org/fhir/StructureDefinition/nonsense", "valueString": "x"}))
}

fn extension_without_value(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    add_extension(root, site, json!({"url": "http://example.org/nonsense"}))
}

fn extension_with_both(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    let inner = json!([{"url": "x", "valueString": "x"}]);
    add_extension(root, site, json!({"url": "http://example.org/nonsense", "extension": inner, "valueString": "x"}))
}

fn extension_without_url(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    add_extension(root, site, json!({"valueString": "x"}))
}

fn extension_strange_url(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let urls = [
        "nonsense",
        "",
        "http://a b",
        "urn:uuid:x",
        "urn:oid:1.2.3",
        "#x",
        "http://hl7.org/fhir/us/core/StructureDefinition/nonsense",
        "http://hl7.org/fhir/StructureDefinition/Patient",
        "http://acme.com/x",
        "http://hl7.org/fhir/uv/nonsense/StructureDefinition/x",
        "http://terminology.hl7.org/StructureDefinition/x",
    ];
    add_extension(root, site, json!({"url": random.word(&urls), "valueString": "x"}))
}

fn extension_value(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let types =
        ["string", "boolean", "CodeableConcept", "Quantity", "Reference", "integer", "dateTime", "Coding", "code"];
    let name = random.word(&types);
    let value = samples::good(name, random)?;
    let object = site.value(root)?.as_object_mut().filter(|_| site.type_id.name() == "Extension")?;
    let old = object.keys().find(|key| key.starts_with("value"))?.clone();
    object.shift_remove(&old)?;
    let mut name = name.to_owned();
    name.get_mut(..1)?.make_ascii_uppercase();
    object.insert(format!("value{name}"), value);
    Some(site.child("value"))
}

fn extension_part(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    let object = site.value(root)?.as_object_mut().filter(|_| site.type_id.name() == "Extension")?;
    object.get("extension")?;
    let at = push(object, "extension", json!({"url": "nonsense", "valueString": "x"}))?;
    Some(format!("{}.extension[{at}]", site.path))
}

fn extension_known(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let known = [
        json!({"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}),
        json!({"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "nonsense"}),
        json!({"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueString": "unknown"}),
        json!({"url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace", "valueAddress": {"city": "x"}}),
        json!({"url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName", "valueString": "x"}),
        json!({"url": "http://hl7.org/fhir/StructureDefinition/translation", "extension": [{"url": "lang", "valueCode": "nl"}, {"url": "content", "valueString": "x"}]}),
        json!({"url": "http://hl7.org/fhir/StructureDefinition/translation", "extension": [{"url": "content", "valueString": "x"}]}),
        json!({"url": "http://hl7.org/fhir/StructureDefinition/originalText", "valueString": "x"}),
        json!({"url": "http://hl7.org/fhir/StructureDefinition/iso21090-nullFlavor", "valueCode": "UNK"}),
        json!({"url": "http://hl7.org/fhir/StructureDefinition/ordinalValue", "valueDecimal": 1}),
        json!({"url": "http://hl7.org/fhir/StructureDefinition/humanname-own-prefix", "valueString": "van"}),
        json!({"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex", "valueCode": "F"}),
        json!({"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race", "extension": [{"url": "text", "valueString": "x"}]}),
        json!({"url": "http://hl7.org/fhir/StructureDefinition/event-basedOn", "valueReference": {"display": "x"}}),
        json!({"url": "http://hl7.org/fhir/StructureDefinition/narrativeLink", "valueUrl": "http://example.org/x"}),
        json!({"url": "http://hl7.org/fhir/StructureDefinition/rendering-style", "valueString": "color: red"}),
    ];
    add_extension(root, site, random.pick(&known).clone())
}

fn extension_modifier(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let known = [
        json!({"url": "http://example.org/nonsense", "valueString": "x"}),
        json!({"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}),
        json!({"url": "http://hl7.org/fhir/StructureDefinition/request-doNotPerform", "valueBoolean": true}),
    ];
    let is_open = matches!(site.type_id.kind(), TypeKind::Backbone | TypeKind::Resource);
    let at = push(open(root, site).filter(|_| is_open)?, "modifierExtension", random.pick(&known).clone())?;
    Some(format!("{}.modifierExtension[{at}]", site.path))
}

fn primitive_extension(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let known = [
        json!({"extension": [{"url": "http://example.org/nonsense", "valueString": "x"}]}),
        json!({"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}),
        json!({"id": "x"}),
        json!({"nonsense": "x"}),
        json!({}),
        json!({"extension": []}),
        json!("x"),
        json!([{"id": "x"}]),
        json!({"value": "x"}),
    ];
    let is_fine = site.type_id.kind() == TypeKind::Primitive && !site.is_item && site.is_one();
    let (holder, name) = site.holder(root).filter(|_| is_fine)?;
    holder.insert(format!("_{name}"), random.pick(&known).clone());
    Some(site.path.clone())
}

fn primitive_absent(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    let is_fine = site.type_id.kind() == TypeKind::Primitive && !site.is_item && site.is_one();
    let (holder, name) = site.holder(root).filter(|_| is_fine)?;
    holder.shift_remove(&name)?;
    let absent = json!([{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]);
    holder.insert(format!("_{name}"), json!({ "extension": absent }));
    Some(site.path.clone())
}

fn contain(root: &mut Value, site: &Site, resource: Value) -> Option<String> {
    site.type_id
        .resource_type()
        .filter(|_| !site.way.iter().any(|step| *step == super::site::Step::Name("contained".into())))?;
    let at = push(open(root, site)?, "contained", resource)?;
    Some(format!("{}.contained[{at}]", site.path))
}

fn contained_alone(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    contain(root, site, json!({"resourceType": "Basic", "id": "alone", "code": {"text": "x"}}))
}

fn contained_without_id(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    contain(root, site, json!({"resourceType": "Basic", "code": {"text": "x"}}))
}

fn contained<'v>(root: &'v mut Value, site: &Site) -> Option<&'v mut Map<String, Value>> {
    let is_contained = site.is_item && site.property?.name.as_str() == "contained";
    site.value(root)?.as_object_mut().filter(|_| is_contained)
}

fn contained_twice(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    let one = contained(root, site)?.clone();
    let (list, _) = site.list(root)?;
    list.push(Value::Object(one));
    Some(site.path.clone())
}

fn contained_nested(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    contained(root, site)?
        .insert("contained".to_owned(), json!([{"resourceType": "Basic", "id": "inner", "code": {"text": "x"}}]));
    Some(site.path.clone())
}

fn contained_version(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    contained(root, site)?.insert("meta".to_owned(), json!({"versionId": "1"}));
    Some(site.path.clone())
}

fn contained_label(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    let label =
        json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]});
    contained(root, site)?.insert("meta".to_owned(), label);
    Some(site.path.clone())
}

fn narrative(root: &mut Value, site: &Site, inner: &str) -> Option<String> {
    let object = site.value(root)?.as_object_mut().filter(|_| site.type_id.name() == "Narrative")?;
    let div = if inner.starts_with("<div") || inner.starts_with("plain") {
        inner.to_owned()
    } else {
        format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{inner}</div>")
    };
    object.insert("div".to_owned(), json!(div));
    Some(site.child("div"))
}

fn narrative_bad(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let texts = [
        "<script>alert(1)</script>",
        "<p onclick=\"x()\">a</p>",
        "<div>no namespace</div>",
        "<div xmlns=\"http://example.org\">a</div>",
        "plain text",
        "<p>unclosed",
        "",
        "   ",
        "<iframe src=\"http://example.org\"/>a",
        "<form>a</form>",
        "<object data=\"x\"/>a",
        "<p>&nonsense;</p>",
        "<input type=\"text\"/>a",
        "<link href=\"x\"/>a",
        "<nonsense>a</nonsense>",
        "<p nonsense=\"x\">a</p>",
        "<p>a & b</p>",
        "<body>a</body>",
    ];
    narrative(root, site, random.word(&texts))
}

fn narrative_maybe(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let texts = [
        "<p>&nbsp;a</p>",
        "<p style=\"color: red\">a</p>",
        "<a href=\"http://example.org\">a</a>",
        "<a href=\"#x\">a</a>",
        "<img src=\"#x\" alt=\"x\"/>",
        "<img src=\"http://example.org/x.png\"/>",
        "<a href=\"javascript:x()\">a</a>",
        "<!-- comment -->a",
        "<p id=\"x\">a</p><p id=\"x\">b</p>",
        "<table><tr><td>a</td></tr></table>",
        "<p>&eacute;&#233;</p>",
        "<p lang=\"en\" xml:lang=\"en\">a</p>",
        "<style>p {}</style>a",
        "<br/>",
        "<p class=\"x\" title=\"y\">a</p>",
        "<p><![CDATA[x]]></p>",
        "<table><td>a</td></table>",
        "<ul><p>a</p></ul>",
        "<p><div>a</div></p>",
        "<P>a</P>",
        "<img src=\"data:image/png;base64,QUJD\" alt=\"x\"/>",
        "<b>a</b> <u>b</u>",
    ];
    narrative(root, site, random.word(&texts))
}

fn profile(root: &mut Value, site: &Site, url: &str) -> Option<String> {
    let object = site.value(root)?.as_object_mut().filter(|_| site.type_id.resource_type().is_some())?;
    let meta = object.entry("meta").or_insert_with(|| json!({})).as_object_mut()?;
    let at = push(meta, "profile", json!(url))?;
    Some(format!("{}.meta.profile[{at}]", site.path))
}

fn profile_unknown(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let urls = [
        "http://example.org/StructureDefinition/nonsense",
        "http://hl7.org/fhir/StructureDefinition/nonsense",
        "nonsense",
        "http://hl7.org/fhir/us/core/StructureDefinition/nonsense",
        "http://hl7.org/fhir/StructureDefinition/Patient|9.9.9",
    ];
    profile(root, site, random.word(&urls))
}

fn profile_of_other(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    let name = if site.type_id.name() == "Patient" { "Observation" } else { "Patient" };
    profile(root, site, &format!("http://hl7.org/fhir/StructureDefinition/{name}"))
}

/// A profile of a package for the type.
fn profile_known(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let us = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-";
    let ips = "http://hl7.org/fhir/uv/ips/StructureDefinition/";
    let names: &[String] = &match site.type_id.name() {
        "Patient" => [format!("{us}patient"), format!("{ips}Patient-uv-ips")],
        "Observation" => [format!("{us}observation-lab"), format!("{us}vital-signs")],
        "Condition" => [format!("{us}condition-problems-health-concerns"), format!("{ips}Condition-uv-ips")],
        "AllergyIntolerance" => [format!("{us}allergyintolerance"), format!("{ips}AllergyIntolerance-uv-ips")],
        "MedicationRequest" => [format!("{us}medicationrequest"), format!("{ips}MedicationRequest-uv-ips")],
        "Organization" => [format!("{us}organization"), format!("{ips}Organization-uv-ips")],
        "Practitioner" => [format!("{us}practitioner"), format!("{ips}Practitioner-uv-ips")],
        "Procedure" => [format!("{us}procedure"), format!("{ips}Procedure-uv-ips")],
        "Immunization" => [format!("{us}immunization"), format!("{ips}Immunization-uv-ips")],
        "DiagnosticReport" => [format!("{us}diagnosticreport-lab"), format!("{ips}DiagnosticReport-uv-ips")],
        "Encounter" => [format!("{us}encounter"), format!("{us}encounter")],
        "Specimen" => [format!("{us}specimen"), format!("{ips}Specimen-uv-ips")],
        "Device" => [format!("{us}implantable-device"), format!("{ips}Device-uv-ips")],
        _ => return None,
    };
    let name = random.pick(names).clone();
    profile(root, site, &name)
}

fn full_url(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let new = random.word(&[
        "http://example.org/fhir/Patient/x",
        "Patient/x",
        "urn:uuid:x",
        "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
        "http://example.org/fhir/Nonsense/x",
        "http://example.org",
        "urn:oid:1.2.3",
        "http://example.org/fhir/Patient/x/_history/1",
    ]);
    let object = site.value(root)?.as_object_mut().filter(|_| site.type_id.name() == "Bundle.entry" && site.is_item)?;
    object.insert("fullUrl".to_owned(), json!(new));
    Some(site.child("fullUrl"))
}

fn full_url_twice(root: &mut Value, site: &Site, _: &mut Random) -> Option<String> {
    let (list, at) = site.list(root).filter(|_| site.type_id.name() == "Bundle.entry")?;
    let one = list[at].clone();
    list.push(one);
    Some(site.path.clone())
}

fn bundle_type(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let types = [
        "document",
        "message",
        "transaction",
        "transaction-response",
        "batch",
        "batch-response",
        "history",
        "searchset",
        "collection",
    ];
    let object =
        site.value(root)?.as_object_mut().filter(|_| site.type_id == type_by_name("Bundle").unwrap_or(site.owner))?;
    object.get("entry")?;
    object.insert("type".to_owned(), json!(random.word(&types)));
    Some(site.child("type"))
}

fn resource_type(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let new = random.word(&["Nonsense", "patient", "Basic", "Resource", "DomainResource", "HumanName", ""]);
    let object = site.value(root)?.as_object_mut()?;
    object.get("resourceType")?;
    object.insert("resourceType".to_owned(), json!(new));
    Some(site.path.clone())
}
