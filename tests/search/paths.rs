//! Where the values of a search parameter stand, written from the FHIR text (not from the product's expressions).

use serde_json::Value;

/// The type of a search parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Text.
    String,
    /// Code, with or without system.
    Token,
    /// Reference to a resource.
    Reference,
    /// Point or range of time.
    Date,
    /// Number.
    Number,
    /// Number with a unit.
    Quantity,
    /// URI.
    Uri,
    /// Tuple.
    Composite,
}

/// A search parameter of a type: code, kind, paths (`|` between alternatives, `(name=value)` filters an object).
/// A composite has its root (empty: the resource), then its components as `kind path`, each after a `$`.
pub struct Param {
    /// Type of the resource.
    pub owner: &'static str,
    /// Name in a query.
    pub code: &'static str,
    /// Type of the parameter.
    pub kind: Kind,
    /// Where the values stand.
    pub path: &'static str,
}

macro_rules! params {
    ($($owner:ident { $($code:literal $kind:ident $path:literal;)* })*) => {
        &[$($(Param { owner: stringify!($owner), code: $code, kind: Kind::$kind, path: $path },)*)*]
    };
}

/// What the tests search by.
pub const PARAMS: &[Param] = params! {
    Patient {
        "family" String "name.family"; "given" String "name.given"; "name" String "name";
        "birthdate" Date "birthDate"; "death-date" Date "deceasedDateTime"; "gender" Token "gender";
        "identifier" Token "identifier"; "address" String "address"; "address-city" String "address.city";
        "address-state" String "address.state"; "address-postalcode" String "address.postalCode";
        "phone" Token "telecom(system=phone)"; "language" Token "communication.language"; "active" Token "active";
        "organization" Reference "managingOrganization"; "general-practitioner" Reference "generalPractitioner";
        "_tag" Token "meta.tag"; "_profile" Uri "meta.profile";
    }
    Practitioner {
        "family" String "name.family"; "given" String "name.given"; "identifier" Token "identifier"; "gender" Token "gender";
        "address-city" String "address.city";
    }
    Organization {
        "name" String "name|alias"; "identifier" Token "identifier"; "address-city" String "address.city"; "type" Token "type"; "partof" Reference "partOf";
    }
    Encounter {
        "class" Token "class"; "type" Token "type"; "status" Token "status"; "date" Date "period"; "patient" Reference "subject";
        "subject" Reference "subject"; "service-provider" Reference "serviceProvider"; "reason-code" Token "reasonCode";
        "participant" Reference "participant.individual"; "location" Reference "location.location";
    }
    Condition {
        "code" Token "code"; "clinical-status" Token "clinicalStatus"; "category" Token "category";
        "onset-date" Date "onsetDateTime|onsetPeriod"; "recorded-date" Date "recordedDate"; "abatement-date" Date "abatementDateTime|abatementPeriod";
        "patient" Reference "subject"; "encounter" Reference "encounter";
    }
    Observation {
        "code" Token "code"; "component-code" Token "component.code"; "combo-code" Token "code|component.code"; "category" Token "category";
        "status" Token "status"; "date" Date "effectiveDateTime|effectivePeriod|effectiveInstant|effectiveTiming"; "value-date" Date "valueDateTime|valuePeriod";
        "value-quantity" Quantity "valueQuantity"; "component-value-quantity" Quantity "component.valueQuantity";
        "combo-value-quantity" Quantity "valueQuantity|component.valueQuantity"; "value-concept" Token "valueCodeableConcept";
        "value-string" String "valueString|valueCodeableConcept.text"; "patient" Reference "subject"; "subject" Reference "subject";
        "encounter" Reference "encounter"; "identifier" Token "identifier"; "performer" Reference "performer";
        "code-value-quantity" Composite "$Token code$Quantity valueQuantity";
        "code-value-concept" Composite "$Token code$Token valueCodeableConcept";
        "component-code-value-quantity" Composite "component$Token code$Quantity valueQuantity";
        "code-value-date" Composite "$Token code$Date valueDateTime";
        "code-value-string" Composite "$Token code$String valueString";
    }
    Procedure {
        "code" Token "code"; "date" Date "performedDateTime|performedPeriod"; "status" Token "status"; "patient" Reference "subject";
        "encounter" Reference "encounter"; "reason-reference" Reference "reasonReference";
    }
    MedicationRequest {
        "code" Token "medicationCodeableConcept"; "authoredon" Date "authoredOn"; "status" Token "status"; "intent" Token "intent";
        "patient" Reference "subject"; "requester" Reference "requester"; "encounter" Reference "encounter";
    }
    Immunization {
        "vaccine-code" Token "vaccineCode"; "date" Date "occurrenceDateTime"; "patient" Reference "patient"; "lot-number" String "lotNumber";
    }
    DiagnosticReport {
        "code" Token "code"; "date" Date "effectiveDateTime|effectivePeriod"; "issued" Date "issued"; "category" Token "category";
        "patient" Reference "subject"; "result" Reference "result"; "encounter" Reference "encounter";
    }
    CarePlan {
        "category" Token "category"; "date" Date "period"; "status" Token "status"; "patient" Reference "subject"; "care-team" Reference "careTeam";
    }
    Location { "name" String "name|alias"; "address-city" String "address.city"; "organization" Reference "managingOrganization"; }
    AllergyIntolerance { "code" Token "code|reaction.substance"; "patient" Reference "patient"; "date" Date "recordedDate"; }
    ServiceRequest { "occurrence" Date "occurrenceDateTime|occurrencePeriod|occurrenceTiming"; "status" Token "status"; "subject" Reference "subject"; }
    RiskAssessment {
        "probability" Number "prediction.probabilityDecimal"; "date" Date "occurrenceDateTime|occurrencePeriod";
        "risk" Token "prediction.qualitativeRisk"; "subject" Reference "subject"; "identifier" Token "identifier";
    }
    ValueSet {
        "url" Uri "url"; "name" String "name"; "title" String "title"; "version" Token "version"; "status" Token "status"; "date" Date "date";
    }
};

/// All elements that a search parameter of type reference covers, for the types that are included with `*`.
pub const REFERENCES: &[(&str, &str)] = &[
    ("Observation", "subject|encounter|performer|basedOn|derivedFrom|hasMember|partOf|specimen|device|focus"),
    (
        "Encounter",
        "account|appointment|basedOn|diagnosis.condition|episodeOfCare|location.location|partOf|participant.individual|\
         reasonReference|serviceProvider|subject",
    ),
];

/// The parameter of a type.
pub fn param(owner: &str, code: &str) -> &'static Param {
    PARAMS.iter().find(|p| p.owner == owner && p.code == code).unwrap_or_else(|| panic!("{owner} {code}"))
}

/// The objects or values at a path, arrays taken apart.
pub fn at<'a>(json: &'a Value, path: &str) -> Vec<&'a Value> {
    path.split('|').flat_map(|alternative| walk(json, alternative)).collect()
}

fn walk<'a>(json: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut here = vec![json];
    for step in path.split('.').filter(|s| !s.is_empty()) {
        let (name, filter) = step
            .split_once('(')
            .map_or((step, None), |(name, rest)| (name, rest.trim_end_matches(')').split_once('=')));
        here = here.iter().filter_map(|j| j.get(name)).flat_map(elements).collect();
        if let Some((property, wanted)) = filter {
            here.retain(|j| j[property] == wanted);
        }
    }
    here
}

fn elements(json: &Value) -> Vec<&Value> {
    json.as_array().map_or_else(|| vec![json], |all| all.iter().collect())
}

/// Root and components of a composite.
pub fn composite(path: &'static str) -> (&'static str, Vec<(Kind, &'static str)>) {
    let mut parts = path.split('$');
    let root = parts.next().unwrap_or_default();
    let kind = |name: &str| match name {
        "Token" => Kind::Token,
        "Date" => Kind::Date,
        "String" => Kind::String,
        _ => Kind::Quantity,
    };
    (root, parts.filter_map(|p| p.split_once(' ')).map(|(name, path)| (kind(name), path)).collect())
}

#[test]
fn paths_are_walked() {
    let json = serde_json::json!({"telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "2"}], "b": true});
    assert_eq!(at(&json, "telecom(system=phone).value"), ["1"]);
    assert_eq!(at(&json, "x|b"), [&Value::Bool(true)]);
}
