//! The known faults of the R4 definitions, corrected in one place before anything is made of them. The tests stand in
//! `src/fhir/definitions`, on the finished tables.

use serde_json::{Value, json};

/// Corrects a StructureDefinition, SearchParameter or CompartmentDefinition.
pub fn correct(definition: &mut Value) {
    match definition["resourceType"].as_str() {
        Some("SearchParameter") => search_parameter(definition),
        Some("StructureDefinition") => structure_definition(definition),
        _ => {}
    }
}

fn structure_definition(definition: &mut Value) {
    for element in definition["snapshot"]["element"].as_array_mut().into_iter().flatten() {
        // Required, it would forbid components of vital signs that are none themselves, such as the flow of oxygen.
        let is_vital = element["binding"]["valueSet"].as_str().is_some_and(|set| set.contains("/ucum-vitals-common"));
        if is_vital && element["path"] == "Observation.component.value[x]" {
            element["binding"]["strength"] = json!("extensible");
        }
        let constraints = element.get_mut("constraint").and_then(Value::as_array_mut);
        constraints.into_iter().flatten().for_each(constraint);
    }
    context(definition);
    // The id of a resource is of type `id`; the snapshots say `string`, which is right for the id of an element only.
    let id = format!("{}.id", definition["name"].as_str().unwrap_or(""));
    if definition["kind"] != "resource" {
        return;
    }
    let Some(elements) = definition["snapshot"]["element"].as_array_mut() else { return };
    for element in elements.iter_mut().filter(|element| element["path"] == id.as_str()) {
        element["type"] = json!([{ "code": "id" }]);
    }
}

/// Extensions that R4's own definitions have where their contexts do not let them stand.
fn context(definition: &mut Value) {
    let expression = match definition["url"].as_str().unwrap_or("").rsplit('/').next() {
        Some("structuredefinition-fhir-type" | "regex") => "ElementDefinition.type",
        Some("structuredefinition-normative-version") => "ElementDefinition",
        _ => return,
    };
    if let Some(contexts) = definition.get_mut("context").and_then(Value::as_array_mut) {
        contexts.push(json!({ "type": "element", "expression": expression }));
    }
}

/// The invariants that do not say what they mean.
fn constraint(constraint: &mut Value) {
    let corrected = match constraint["key"].as_str().unwrap_or("") {
        // The code is `noshow`.
        "app-4" => "cancelationReason.exists() implies (status = 'noshow' or status = 'cancelled')",
        // `when` repeats.
        "tim-9" => "offset.empty() or (when.exists() and when.where($this in ('C' | 'CM' | 'CD' | 'CV')).empty())",
        // More than one, says its text.
        "que-12" => "enableWhen.count() > 1 implies enableBehavior.exists()",
        // The value is of FHIR's type, not of the System's.
        "que-7" => "operator = 'exists' implies (answer is boolean)",
        // Without a probability there is nothing to be wrong.
        "ras-2" => "probability.ofType(decimal).all($this <= 100)",
        // Without a fullUrl there is nothing to be wrong.
        "bdl-8" => "fullUrl.empty() or fullUrl.contains('/_history/').not()",
        _ => return,
    };
    constraint["expression"] = json!(corrected);
}

fn search_parameter(definition: &mut Value) {
    match definition["id"].as_str().unwrap_or("") {
        // Names the System type; the element is of FHIR's type `dateTime`.
        "Observation-code-value-date" => {
            definition["component"][1]["expression"] = json!("value.as(dateTime) | value.as(Period)");
        }
        // Reads the code for the reference `relatesto`, and the target for the token `relation`.
        "DocumentReference-relationship" => {
            definition["component"][0]["expression"] = json!("target");
            definition["component"][1]["expression"] = json!("code");
        }
        // A parameter `patient` refers to patients.
        "clinical-patient" => definition["target"] = json!(["Patient"]),
        // The entry itself is the value, and only where it is what the parameter leads to (as in R4B).
        "Bundle-composition" => definition["expression"] = json!("Bundle.entry[0].resource as Composition"),
        "Bundle-message" => definition["expression"] = json!("Bundle.entry[0].resource as MessageHeader"),
        // The only expression without the type in front.
        "InsurancePlan-name" => definition["expression"] = json!("InsurancePlan.name | InsurancePlan.alias"),
        _ => {}
    }
    repeat(&mut definition["expression"]);
    if let Some(components) = definition["component"].as_array_mut() {
        components.iter_mut().for_each(|component| repeat(&mut component["expression"]));
    }
}

/// `as` fails on several items, and many expressions apply it to elements that repeat: `ofType` filters them, and is
/// the same for a single item. `(A.b as C)` -> `(A.b.ofType(C))`, `A.b.as(C)` -> `A.b.ofType(C)`.
fn repeat(expression: &mut Value) {
    let Some(text) = expression.as_str().filter(|text| text.contains(" as ") || text.contains(".as(")) else { return };
    let text = text.replace(".as(", ".ofType(");
    let mut parts = text.split(" as ");
    let mut out = parts.next().unwrap_or("").to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(part.len());
        out += &format!(".ofType({}){}", &part[..end], &part[end..]);
    }
    *expression = Value::String(out);
}
