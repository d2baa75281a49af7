//! Profiles that are claimed: an error that one makes of something is about the claim, too.

use std::borrow::Cow;

use super::state::Check;
use super::vitals;
use crate::fhir::definitions::names;
use crate::fhir::json::{Json, Object};

/// What a resource says that it conforms to.
struct Claim<'j> {
    /// The place of the resource.
    resource: String,
    /// The URL of the profile.
    profile: Cow<'j, str>,
    /// The place that says so: an item of `meta.profile`, or the code of a vital sign.
    place: String,
}

/// Names the claims beside the errors that their profiles made.
pub fn name(check: &mut Check<'_, '_>, resource: &Json) {
    if check.blamed.is_empty() {
        return;
    }
    let mut claims = Vec::new();
    let kind = resource.text_known(names::RESOURCE_TYPE).unwrap_or("Resource");
    collect(resource, kind.to_owned(), check.options.is_thorough, &mut claims);
    for (number, profile) in &check.blamed {
        let Some(issue) = check.issues.get_mut(*number) else { continue };
        let Some(place) = &issue.expression else { continue };
        let is_in = |claim: &&Claim<'_>| {
            let rest = place.strip_prefix(claim.resource.as_str());
            *claim.profile == *profile.url && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        // the innermost resource that claims it
        if let Some(claim) = claims.iter().filter(is_in).max_by_key(|claim| claim.resource.len())
            && !issue.also.contains(&claim.place)
        {
            issue.also.push(claim.place.clone());
        }
    }
}

fn collect<'j>(resource: &'j Json, path: String, is_thorough: bool, claims: &mut Vec<Claim<'j>>) {
    let Some(object) = resource.as_object() else { return };
    let meta = object.get_known(names::META).and_then(|meta| meta.get_known(names::PROFILE));
    for (n, url) in meta.and_then(Json::as_array).unwrap_or_default().iter().enumerate() {
        let Some(url) = url.as_str().and_then(|url| url.split('|').next()) else { continue };
        let place = format!("{path}.meta.profile[{n}]");
        claims.push(Claim { resource: path.clone(), profile: url.into(), place });
    }
    if resource.text_known(names::RESOURCE_TYPE) == Some("Observation")
        && let Some(url) = vitals::implied(object, is_thorough)
    {
        claims.push(Claim { place: format!("{path}.code"), resource: path.clone(), profile: url.into() });
    }
    for (name, one) in resources(object) {
        collect(one, format!("{path}.{name}"), is_thorough, claims);
    }
}

/// The resources within one: contained, in entries, and in parameters.
fn resources(object: &Object) -> Vec<(String, &Json)> {
    let list = |name: &str| object.get(name).and_then(Json::as_array).unwrap_or_default().iter().enumerate();
    let mut found: Vec<_> = list("contained").map(|(n, one)| (format!("contained[{n}]"), one)).collect();
    for name in ["entry", "parameter"] {
        found.extend(list(name).filter_map(|(n, part)| Some((format!("{name}[{n}].resource"), part.get("resource")?))));
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::fhir::json::parse;
    use crate::fhir::validate::{Options, Registry, validate};

    #[test]
    fn an_error_of_a_profile_names_what_claims_it() {
        const PROFILE: &str = "http://hl7.org/fhir/StructureDefinition/vitalsigns";
        let observation = |meta: &str, code: &str| {
            format!(
                r#"{{"resourceType":"Observation","id":"a",{meta}"status":"final","code":{{"coding":[{{"system":"http://loinc.org",
                "code":"{code}"}}]}},"subject":{{"display":"x"}},"effectiveDateTime":"2020-01-01","valueQuantity":{{"value":1,
                "unit":"a","system":"http://unitsofmeasure.org","code":"/min"}}}}"#
            )
        };
        let claim = format!(r#""meta":{{"profile":["http://x.org/unknown","{PROFILE}|4.0.1"]}},"#);
        let entry = format!(
            r#"{{"resourceType":"Bundle","type":"collection","entry":[{{"fullUrl":"http://x.org/Observation/a","resource":{}}}]}}"#,
            observation(&claim, "1-8")
        );
        let options = Options { by_meta: true, ..Options::default() };
        for (resource, told) in [
            (observation(&claim, "1-8"), "Observation.category Observation.meta.profile[1]"),
            (observation("", "1-8"), ""),
            (observation("", "9279-1"), "Observation.category Observation.code"),
            (entry, "Bundle.entry[0].resource.category Bundle.entry[0].resource.meta.profile[1]"),
        ] {
            let issues = validate(Registry::core(), &parse(resource.as_bytes()).expect("JSON"), &[], options);
            let errors = issues.into_iter().filter(|issue| issue.severity == "error");
            let mut places: Vec<String> =
                errors.map(|issue| [issue.expression.unwrap_or_default(), issue.also.join(" ")].join(" ")).collect();
            places.dedup();
            assert_eq!(places.join("|"), told, "{resource}");
        }
    }
}
