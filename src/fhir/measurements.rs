//! Measurements of Observations, by code and unit, and their statistics as Observations (FHIR R4
//! `observation-operation-stats.html`).
//!
//! A measurement is a Quantity with a UCUM code, of the Observation itself or of a component. Of a code without any of these,
//! integers and Quantities that only name their unit are measurements as well, if all of them have the same one. An Observation that was asked for
//! by its own code is taken with its components, and with its members when they come; another one only with the components that
//! were asked for. What can be converted is in one unit, that of the first measurement of the code; what cannot stands in an
//! Observation of its own.

use std::collections::HashMap;

use rust_decimal::Decimal;

use super::decimal;
use super::quantity::{UCUM, convert, scale};
use crate::base::clock::Timestamp;
use crate::fhir::json::{Json, Number, Object};
use crate::fhir::lastn::moment;
use crate::fhir::statistics::{Measure, Outcome, SYSTEM, Sample, Statistic};

/// A code that is asked for; without a system it is that of any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its system.
    pub system: Option<String>,
    /// The code.
    pub code: String,
    /// Its name, if the client gave one.
    pub display: Option<String>,
}

impl Wanted {
    fn is(&self, coding: &Json) -> bool {
        let text = |name: &str| coding.get(name).and_then(Json::as_str);
        text("code") == Some(&*self.code) && self.system.as_deref().is_none_or(|system| text("system") == Some(system))
    }

    fn coding(&self) -> Json {
        let mut coding = Object::new();
        let parts =
            [("system", self.system.as_deref()), ("code", Some(&*self.code)), ("display", self.display.as_deref())];
        for (name, text) in parts {
            text.into_iter().for_each(|text| coding.set(name, Json::string(text)));
        }
        Json::Object(coding)
    }
}

/// Measurements in one unit.
#[derive(Debug)]
struct InUnit {
    code: String,
    text: Option<String>,
    /// What it is measured in at last: what has the same can be converted.
    canonical: String,
    values: Vec<(Decimal, Option<i64>)>,
}

/// What was measured under one code.
#[derive(Debug)]
struct Group {
    coding: Json,
    total: usize,
    units: Vec<InUnit>,
    named: Named,
}

/// Values whose unit has a name at most, so that they can be compared only with those of the same name.
#[derive(Debug, Default)]
struct Named {
    unit: Option<String>,
    values: Vec<(Decimal, Option<i64>)>,
    is_mixed: bool,
}

/// What results are in.
#[derive(Debug, Clone, Copy)]
enum Unit<'a> {
    /// A UCUM code, and its text.
    Ucum(&'a str, Option<&'a str>),
    /// A unit that has only a name.
    Named(&'a str),
}

/// A value with the unit that it comes in.
enum Measured<'a> {
    Ucum(Decimal, &'a str, Option<&'a str>),
    Named(Decimal, Option<&'a str>),
}

/// Measurements, gathered.
#[derive(Debug)]
pub struct Measurements {
    wanted: Vec<Wanted>,
    /// Of each wanted code, whether it was that of a panel, which has no measurements itself.
    panels: Vec<bool>,
    groups: Vec<Group>,
    by_code: HashMap<(String, String), usize>,
}

impl Measurements {
    /// Nothing yet.
    pub fn new(wanted: Vec<Wanted>) -> Self {
        let panels = vec![false; wanted.len()];
        Self { wanted, panels, groups: Vec::new(), by_code: HashMap::new() }
    }

    /// Takes an Observation that has a wanted code itself or in a component. The references to its members, where they
    /// belong to it.
    pub fn add(&mut self, observation: &Json) -> Vec<String> {
        let own = codings(observation);
        let Some(at) = self.wanted.iter().position(|wanted| own.iter().any(|coding| wanted.is(coding))) else {
            self.components(observation, true);
            return Vec::new();
        };
        let members = list(observation, "hasMember").iter().filter_map(|member| member.get("reference")?.as_str());
        let members: Vec<String> = members.map(str::to_owned).collect();
        let has_parts = !members.is_empty() || !list(observation, "component").is_empty();
        let is_panel = has_parts && !has_value(observation);
        if is_panel {
            self.panels[at] = true;
        } else {
            let coding = own.iter().find(|coding| self.wanted[at].is(coding)).map(|coding| (*coding).clone());
            self.measure(coding.as_ref(), observation, observation);
        }
        self.components(observation, false);
        members
    }

    /// Takes a member of a panel.
    pub fn add_member(&mut self, observation: &Json) {
        if has_value(observation) || list(observation, "component").is_empty() {
            let coding = self.chosen(observation);
            self.measure(coding.as_ref(), observation, observation);
        }
        self.components(observation, false);
    }

    /// Takes the components, of these only the wanted ones or all.
    fn components(&mut self, observation: &Json, only_wanted: bool) {
        for component in list(observation, "component") {
            let is_wanted = codings(component).iter().any(|coding| self.wanted.iter().any(|wanted| wanted.is(coding)));
            if is_wanted || !only_wanted {
                let coding = self.chosen(component);
                self.measure(coding.as_ref(), component, observation);
            }
        }
    }

    /// The coding by which something is grouped: a wanted one, else its first.
    fn chosen(&self, of: &Json) -> Option<Json> {
        let all = codings(of);
        let wanted = all.iter().find(|coding| self.wanted.iter().any(|wanted| wanted.is(coding)));
        wanted.or(all.first()).map(|coding| (*coding).clone())
    }

    fn measure(&mut self, coding: Option<&Json>, of: &Json, observation: &Json) {
        let Some(coding) = coding else { return };
        let group = self.group(coding);
        self.groups[group].total += 1;
        // A modifier may mean anything, so that the value is none to be counted with.
        let is_modified = observation.get("modifierExtension").is_some() || of.get("modifierExtension").is_some();
        let at = || Some(moment(observation)).filter(|at| *at != i64::MIN);
        match measured(of).filter(|_| !is_modified) {
            Some(Measured::Ucum(value, code, text)) => self.groups[group].put((value, at()), code, text),
            Some(Measured::Named(value, unit)) => self.groups[group].named.put((value, at()), unit),
            None => {}
        }
    }

    fn group(&mut self, coding: &Json) -> usize {
        let text = |name: &str| coding.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        let next = self.groups.len();
        let at = *self.by_code.entry((text("system"), text("code"))).or_insert(next);
        if at == next {
            self.groups.push(Group::of(coding.clone()));
        }
        at
    }

    /// The statistics, an Observation for each code and unit. A wanted code without any Observation has one of nothing.
    pub fn finish(mut self, asked: &[Statistic], about: &About<'_>) -> Vec<Json> {
        for at in 0..self.wanted.len() {
            let is_there = |group: &Group| self.wanted[at].is(&group.coding);
            if !self.panels[at] && !self.groups.iter().any(is_there) {
                let coding = self.wanted[at].coding();
                self.groups.push(Group::of(coding));
            }
        }
        let mut found = Vec::new();
        for group in self.groups {
            let total = group.total;
            if group.units.is_empty() {
                let Named { unit, values, is_mixed } = group.named;
                let values = if is_mixed { Vec::new() } else { values };
                let unit = unit.as_deref().filter(|_| !is_mixed).map(Unit::Named);
                let sample = Sample { values, total, start: about.start.map(|start| start.0) };
                found.push(about.observation(&group.coding, unit, &sample, asked));
            }
            for unit in group.units {
                let InUnit { code, text, values, .. } = unit;
                let sample = Sample { values, total, start: about.start.map(|start| start.0) };
                found.push(about.observation(&group.coding, Some(Unit::Ucum(&code, text.as_deref())), &sample, asked));
            }
        }
        found
    }
}

impl Group {
    fn of(coding: Json) -> Self {
        Self { coding, total: 0, units: Vec::new(), named: Named::default() }
    }

    fn put(&mut self, (value, at): (Decimal, Option<i64>), code: &str, text: Option<&str>) {
        let canonical = scale(code).map_or_else(|| code.to_owned(), |scale| scale.unit.to_string());
        for unit in self.units.iter_mut().filter(|unit| unit.canonical == canonical) {
            if let Some(value) = convert(value, code, &unit.code) {
                unit.values.push((value, at));
                return;
            }
        }
        let text = text.map(str::to_owned);
        self.units.push(InUnit { code: code.to_owned(), text, canonical, values: vec![(value, at)] });
    }
}

impl Named {
    fn put(&mut self, value: (Decimal, Option<i64>), unit: Option<&str>) {
        self.is_mixed |= !self.values.is_empty() && self.unit.as_deref() != unit;
        self.unit = unit.map(str::to_owned);
        self.values.push(value);
    }
}

fn list<'a>(json: &'a Json, name: &str) -> &'a [Json] {
    json.get(name).and_then(Json::as_array).unwrap_or_default()
}

fn codings(of: &Json) -> Vec<&Json> {
    let all = of.get("code").map_or(&[][..], |code| list(code, "coding"));
    all.iter().filter(|coding| coding.get("code").is_some()).collect()
}

fn has_value(of: &Json) -> bool {
    of.as_object().is_some_and(|object| object.iter().any(|(name, _)| name.as_str().starts_with("value")))
}

/// An integer, or a Quantity that says exactly how much it is.
fn measured(of: &Json) -> Option<Measured<'_>> {
    let number = |json: Option<&Json>| decimal::read(json?.as_number()?.as_str());
    let Some(quantity) = of.get("valueQuantity") else {
        return number(of.get("valueInteger")).map(|value| Measured::Named(value, None));
    };
    let text = |name: &str| quantity.get(name).and_then(Json::as_str);
    if text("comparator").is_some() {
        return None;
    }
    let value = number(quantity.get("value"))?;
    Some(match text("code").filter(|_| text("system") == Some(UCUM)) {
        Some(code) => Measured::Ucum(value, code, text("unit")),
        None => Measured::Named(value, text("unit").or_else(|| text("code"))),
    })
}

/// What all the Observations of an answer have in common.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The reference of their subject.
    pub subject: &'a str,
    /// Start and end of the period, as texts.
    pub period: (Option<&'a str>, Option<&'a str>),
    /// Its start, where it has one.
    pub start: Option<Timestamp>,
}

impl About<'_> {
    fn observation(&self, coding: &Json, unit: Option<Unit<'_>>, of: &Sample, asked: &[Statistic]) -> Json {
        let mut out = Object::new();
        out.set("resourceType", Json::string("Observation"));
        out.set("status", Json::string("final"));
        out.set("code", Json::object([("coding", Json::Array(vec![coding.clone()]))]));
        out.set("subject", Json::object([("reference", Json::string(self.subject))]));
        let mut period = Object::new();
        for (name, text) in [("start", self.period.0), ("end", self.period.1)] {
            text.into_iter().for_each(|text| period.set(name, Json::string(text)));
        }
        if !period.is_empty() {
            out.set("effectivePeriod", Json::Object(period));
        }
        let each = asked.iter().flat_map(|statistic| statistic.of(of).into_iter().map(move |one| (statistic, one)));
        out.set("component", Json::Array(each.map(|(statistic, one)| component(statistic, &one, unit)).collect()));
        Json::Object(out)
    }
}

fn component(statistic: &Statistic, outcome: &Outcome, unit: Option<Unit<'_>>) -> Json {
    let coding = [
        ("system", Json::string(SYSTEM)),
        ("code", Json::string(statistic.code)),
        ("display", Json::string(statistic.display)),
    ];
    let mut code = Json::object([("coding", Json::Array(vec![Json::object(coding)]))]);
    if let (Some(object), Some(part)) = (code.as_object_mut(), outcome.part) {
        object.set("text", Json::string(part));
    }
    let (name, value) = match outcome.value.and_then(|value| Number::from_text(&value.to_string())) {
        Some(number) => ("valueQuantity", quantity(number, outcome.measure, unit)),
        None => {
            let reason = [
                ("system", Json::string("http://terminology.hl7.org/CodeSystem/data-absent-reason")),
                ("code", Json::string("not-applicable")),
            ];
            ("dataAbsentReason", Json::object([("coding", Json::Array(vec![Json::object(reason)]))]))
        }
    };
    Json::object([("code", code), (name, value)])
}

fn quantity(number: Number, measure: Measure, unit: Option<Unit<'_>>) -> Json {
    let (own, text) = match (unit, measure) {
        (Some(Unit::Named(name)), Measure::Unit) => return in_named(number, name.to_owned()),
        (Some(Unit::Named(name)), Measure::Square) => return in_named(number, format!("({name})^2")),
        (Some(Unit::Named(name)), Measure::PerDay) => return in_named(number, format!("({name})/d")),
        (Some(Unit::Ucum(code, text)), _) => (code, text),
        (Some(Unit::Named(_)) | None, _) => ("1", None),
    };
    let is_simple = own.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'[' | b']' | b'_' | b'\''));
    let (code, text) = match measure {
        Measure::Unit => (own.to_owned(), Some(text.unwrap_or(own).to_owned())),
        Measure::Square if own == "1" => ("1".to_owned(), None),
        Measure::Square if is_simple => (format!("{own}2"), None),
        Measure::Square => (format!("({own}).({own})"), None),
        Measure::One => ("1".to_owned(), None),
        Measure::Count => ("{observations}".to_owned(), None),
        Measure::PerDay if own == "1" => ("/d".to_owned(), None),
        Measure::PerDay if is_simple => (format!("{own}/d"), None),
        Measure::PerDay => (format!("({own})/d"), None),
    };
    let mut out = Object::new();
    out.set("value", Json::Number(number));
    text.into_iter().for_each(|text| out.set("unit", Json::string(text)));
    out.set("system", Json::string(UCUM));
    out.set("code", Json::string(code));
    Json::Object(out)
}

fn in_named(number: Number, name: String) -> Json {
    Json::object([("value", Json::Number(number)), ("unit", Json::string(name))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::{parse, write};
    use crate::fhir::statistics::statistic;
    use crate::fhir::validate::structure;

    fn json(text: &str) -> Json {
        parse(text.as_bytes()).expect(text)
    }

    fn value(code: &str, quantity: &str) -> String {
        format!(r#""code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}},"valueQuantity":{quantity}"#)
    }

    fn ucum(value: &str, unit: &str) -> String {
        format!(r#"{{"value":{value},"unit":"u","system":"{UCUM}","code":"{unit}"}}"#)
    }

    /// Each Observation as its code, its unit and the values of average, count and total-count.
    fn shown(measurements: Measurements) -> Vec<String> {
        let asked = ["average", "count", "total-count"].map(|code| statistic(code).expect(code));
        let about = About { subject: "Patient/1", period: (Some("2020-01-01"), None), start: None };
        let found = measurements.finish(&asked, &about);
        let line = |observation: &Json| {
            assert_eq!(structure(observation), Ok(()));
            let text = |json: &Json| {
                let mut out = Vec::new();
                write(json, &mut out);
                String::from_utf8(out).expect("UTF-8")
            };
            let part = |json: &Json, path: &[&str]| {
                let found = path.iter().try_fold(json.clone(), |json, name| match json.as_array() {
                    Some(items) => items.first().and_then(|item| item.get(name)).cloned(),
                    None => json.get(name).cloned(),
                });
                found.map_or("-".to_owned(), |json| json.as_str().map_or_else(|| text(&json), str::to_owned))
            };
            let components = list(observation, "component").iter().map(|c| part(c, &["valueQuantity", "value"]));
            let components: Vec<String> = components.collect();
            let unit = part(observation, &["component", "valueQuantity", "code"]);
            format!("{} {unit} {}", part(observation, &["code", "coding", "code"]), components.join(" "))
        };
        found.iter().map(line).collect()
    }

    fn wanted(codes: &[&str]) -> Measurements {
        let each = |code: &&str| Wanted { system: None, code: (*code).to_owned(), display: None };
        Measurements::new(codes.iter().map(each).collect())
    }

    #[test]
    fn values_come_in_one_unit_and_what_is_no_measurement_is_counted_only() {
        let mut found = wanted(&["1"]);
        for quantity in [ucum("1", "g"), ucum("500", "mg"), ucum("3", "m"), r#"{"value":7,"unit":"g"}"#.to_owned()] {
            found.add(&json(&format!("{{{}}}", value("1", &quantity))));
        }
        let with = ucum("9", "g").replace("{\"value\"", "{\"comparator\":\"<\",\"value\"");
        found.add(&json(&format!("{{{}}}", value("1", &with))));
        found.add(&json(&format!(r#"{{"modifierExtension":[{{"url":"http://x"}}],{}}}"#, value("1", &ucum("9", "g")))));
        assert_eq!(shown(found), ["1 g 0.75 2 6", "1 m 3 1 6"]);
    }

    #[test]
    fn values_without_a_code_of_their_unit_count_where_all_have_the_same() {
        let of = |values: &[&str]| {
            let mut found = wanted(&["1"]);
            values.iter().for_each(|one| {
                found.add(&json(&format!(r#"{{"code":{{"coding":[{{"code":"1"}}]}},{one}}}"#)));
            });
            found
        };
        let named = |value: &str| format!(r#""valueQuantity":{{"value":{value},"unit":"beats"}}"#);
        let coded = format!(r#""valueQuantity":{}"#, ucum("5", "g"));
        let (one, three) = (named("1"), named("3"));
        assert_eq!(shown(of(&[r#""valueInteger":1"#, r#""valueInteger":4"#, r#""valueString":"x""#])), ["1 1 2.5 2 3"]);
        assert_eq!(shown(of(&[&one, &three])), ["1 - 2 2 2"]);
        assert_eq!(shown(of(&[r#""valueQuantity":{"value":2}"#, r#""valueInteger":4"#])), ["1 1 3 2 2"]);
        // others would be compared with what they may be no measure of
        assert_eq!(shown(of(&[&one, &three, r#""valueInteger":4"#])), ["1 - - 0 3"]);
        assert_eq!(shown(of(&[&one, &coded, &three])), ["1 g 5 1 3"]);
        let asked = ["maximum", "variance", "count", "regression"].map(|code| statistic(code).expect(code));
        let about = About { subject: "Patient/1", period: (None, None), start: None };
        let found = of(&[&one, &three]).finish(&asked, &about);
        let unit = |component: &Json| Some(component.get("valueQuantity")?.get("unit")?.as_str()?.to_owned());
        let units: Vec<Option<String>> = list(&found[0], "component").iter().map(unit).collect();
        assert_eq!(units, [Some("beats".to_owned()), Some("(beats)^2".to_owned()), None, None, None]);
    }

    #[test]
    fn panels_are_taken_apart() {
        let part = |code: &str, n: u32| format!("{{{}}}", value(code, &ucum(&n.to_string(), "mm[Hg]")));
        let panel = |high: u32, low: u32| {
            json(&format!(
                r#"{{"code":{{"coding":[{{"system":"http://loinc.org","code":"85354-9"}}]}},"component":[{},{}],"hasMember":[{{"reference":"Observation/m"}}]}}"#,
                part("8480-6", high),
                part("8462-4", low)
            ))
        };
        let mut found = wanted(&["85354-9"]);
        assert_eq!(found.add(&panel(120, 80)), ["Observation/m"]);
        found.add(&panel(130, 85));
        found.add_member(&json(&format!("{{{}}}", value("8867-4", &ucum("60", "/min")))));
        assert_eq!(shown(found), ["8480-6 mm[Hg] 125 2 2", "8462-4 mm[Hg] 82.5 2 2", "8867-4 /min 60 1 1"]);
        let mut found = wanted(&["8480-6"]);
        assert!(found.add(&panel(120, 80)).is_empty());
        assert_eq!(shown(found), ["8480-6 mm[Hg] 120 1 1"]);
        assert_eq!(shown(wanted(&["2339-0"])), ["2339-0 - - 0 0"]);
    }
}
