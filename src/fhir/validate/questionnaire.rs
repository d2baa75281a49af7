//! Responses against their Questionnaire, where that is known (FHIR R4 `questionnaireresponse.html`, "Notes";
//! `questionnaire.html`).

use std::cmp::Ordering;

use super::bound::Bound;
use super::codes::Membership;
use super::compare::{is_same, order};
use super::locations;
use super::state::{Check, STRUCTURE, shown};
use crate::fhir::json::Json;
use crate::fhir::path::Path;

/// What the URLs of the extensions of R4 begin with.
const CORE: &str = "http://hl7.org/fhir/StructureDefinition/";

/// What the URLs of the extensions for data capture begin with.
const CAPTURE: &str = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-";

/// Checks a response.
pub fn check(check: &mut Check<'_, '_>, response: &Json, path: &Path) {
    let Some(url) = text(response, "questionnaire") else { return };
    let registry = check.registry;
    let contained =
        url.strip_prefix('#').and_then(|id| list(response, "contained").iter().find(|one| text(one, "id") == Some(id)));
    let known = contained.map(std::borrow::Cow::Borrowed).or_else(|| registry.questionnaire(url));
    let Some(questionnaire) = known else { return };
    let is_complete = matches!(text(response, "status"), Some("completed" | "amended"));
    let form = Form { response, is_complete };
    form.items(check, list(&questionnaire, "item"), list(response, "item"), path);
}

fn text<'j>(json: &'j Json, name: &str) -> Option<&'j str> {
    json.get(name)?.as_str()
}

fn list<'j>(json: &'j Json, name: &str) -> &'j [Json] {
    json.get(name).and_then(Json::as_array).unwrap_or_default()
}

fn is_true(json: &Json, name: &str) -> bool {
    json.get(name).and_then(Json::as_bool) == Some(true)
}

/// The name and value of a choice `value[x]`.
fn value(json: &Json) -> Option<(&str, &Json)> {
    let mut properties = json.as_object()?.iter();
    properties.find_map(|(name, value)| Some((name.as_str().strip_prefix("value")?, value)))
}

/// The value of the extension with a URL that ends with a name.
fn extension<'j>(json: &'j Json, name: &'static str) -> Option<&'j Json> {
    extensions(json, name).next()
}

fn extensions<'j>(json: &'j Json, name: &'static str) -> impl Iterator<Item = &'j Json> {
    let is_it = move |one: &&Json| {
        text(one, "url").is_some_and(|url| url.strip_prefix(CORE).or_else(|| url.strip_prefix(CAPTURE)) == Some(name))
    };
    list(json, "extension").iter().filter(is_it).filter_map(|one| value(one).map(|value| value.1))
}

/// A response under its form.
struct Form<'j> {
    response: &'j Json,
    is_complete: bool,
}

impl Form<'_> {
    /// The items of one level.
    fn items(&self, check: &mut Check<'_, '_>, asked: &[Json], given: &[Json], path: &Path) {
        let place = path.child("item");
        let mut last = 0;
        for (n, item) in given.iter().enumerate() {
            let id = text(item, "linkId").unwrap_or("");
            let at = asked.iter().position(|question| text(question, "linkId") == Some(id));
            if at.is_none() {
                let text = || format!("the questionnaire has no item \"{}\" here", shown(id));
                check.fail(STRUCTURE, text, &place.item(n));
            }
            if at.is_some_and(|at| at < last) {
                check.fail(
                    STRUCTURE,
                    || "the items must be in the order of the questionnaire".to_owned(),
                    &place.item(n),
                );
            }
            last = at.unwrap_or(last);
        }
        for question in asked {
            let id = text(question, "linkId");
            let mut found = given.iter().enumerate().filter(|(_, item)| text(item, "linkId") == id).peekable();
            let is_enabled = self.is_enabled(question);
            if found.peek().is_none() {
                if is_true(question, "required") && is_enabled && self.is_complete {
                    let text = || format!("there is no answer to the required item \"{}\"", shown(id.unwrap_or("")));
                    check.fail("required", text, path);
                }
                continue;
            }
            let mut count = 0;
            for (n, item) in found {
                count += 1;
                self.item(check, question, item, is_enabled, &place.item(n));
            }
            if count > 1 && !is_true(question, "repeats") {
                let text = || format!("the item \"{}\" does not repeat", shown(id.unwrap_or("")));
                check.fail(STRUCTURE, text, path);
            }
        }
    }

    /// One item of the response.
    fn item(&self, check: &mut Check<'_, '_>, question: &Json, item: &Json, is_enabled: bool, path: &Path) {
        let (answers, kind) = (list(item, "answer"), text(question, "type").unwrap_or(""));
        let is_required = is_true(question, "required") && self.is_complete && is_enabled;
        if text(item, "text").is_some_and(|words| text(question, "text") != Some(words)) {
            check.fail(STRUCTURE, || "the text must be that of the questionnaire".to_owned(), &path.child("text"));
        }
        if !is_enabled && !answers.is_empty() {
            check.fail(STRUCTURE, || "has an answer though the item is not enabled".to_owned(), path);
        }
        if matches!(kind, "group" | "display") {
            if !answers.is_empty() {
                check.fail(STRUCTURE, || format!("an item of type {kind} has no answers"), path);
            }
            if is_required && kind == "group" && list(item, "item").is_empty() {
                check.fail("required", || "there are no items in the required group".to_owned(), path);
            }
            return self.items(check, list(question, "item"), list(item, "item"), path);
        }
        if is_required && answers.is_empty() {
            check.fail("required", || "there is no answer to the required item".to_owned(), path);
        }
        if answers.len() > 1 && !is_true(question, "repeats") {
            check.fail(STRUCTURE, || format!("one answer is allowed, not {}", answers.len()), path);
        }
        if !list(item, "item").is_empty() {
            check.fail(STRUCTURE, || "the items below a question stand in its answer".to_owned(), path);
        }
        let place = path.child("answer");
        for (n, answer) in answers.iter().enumerate() {
            let place = place.item(n);
            if let Some((name, value)) = value(answer) {
                typed(check, question, kind, name, &place);
                option(check, question, kind, name, value, answers.len(), &place);
                bounded(check, question, value, &place);
            }
            self.items(check, list(question, "item"), list(answer, "item"), &place);
        }
    }

    /// Whether the conditions of an item are met.
    fn is_enabled(&self, question: &Json) -> bool {
        let conditions = list(question, "enableWhen");
        if conditions.is_empty() {
            return true;
        }
        let mut met = conditions.iter().map(|condition| self.is_met(condition));
        if text(question, "enableBehavior") == Some("any") { met.any(|met| met) } else { met.all(|met| met) }
    }

    fn is_met(&self, condition: &Json) -> bool {
        let mut answers = Vec::new();
        answers_to(self.response, text(condition, "question").unwrap_or(""), &mut answers);
        let mut properties = condition.as_object().into_iter().flat_map(|object| object.iter());
        let Some(wanted) = properties.find(|(name, _)| name.as_str().starts_with("answer")).map(|found| found.1) else {
            return true;
        };
        let operator = text(condition, "operator").unwrap_or("=");
        if operator == "exists" {
            return wanted.as_bool() == Some(!answers.is_empty());
        }
        let holds = |answer: &&Json| {
            let order = order(answer, wanted);
            match operator {
                "=" => is_answer(answer, wanted),
                "!=" => !is_answer(answer, wanted),
                ">" => order == Some(Ordering::Greater),
                "<" => order == Some(Ordering::Less),
                ">=" => order.is_some_and(Ordering::is_ge),
                "<=" => order.is_some_and(Ordering::is_le),
                _ => true,
            }
        };
        answers.iter().any(holds)
    }
}

/// The values of all answers to a question, wherever it stands.
fn answers_to<'j>(json: &'j Json, id: &str, found: &mut Vec<&'j Json>) {
    for item in list(json, "item") {
        for answer in list(item, "answer") {
            if text(item, "linkId") == Some(id) {
                found.extend(value(answer).map(|value| value.1));
            }
            answers_to(answer, id, found);
        }
        answers_to(item, id, found);
    }
}

/// Whether an answer is a value: codings by system and code.
fn is_answer(answer: &Json, wanted: &Json) -> bool {
    match wanted {
        Json::Object(object) if object.get("code").is_some() => {
            answer.get("code") == wanted.get("code")
                && (object.get("system").is_none() || answer.get("system") == wanted.get("system"))
        }
        _ => is_same(answer, wanted),
    }
}

/// Whether the type of an answer is that of the question.
fn typed(check: &mut Check<'_, '_>, question: &Json, kind: &str, name: &str, path: &Path) {
    let allowed: &[&str] = match kind {
        "boolean" => &["Boolean"],
        "decimal" => &["Decimal", "Integer"],
        "integer" => &["Integer"],
        "date" => &["Date"],
        "dateTime" => &["DateTime"],
        "time" => &["Time"],
        "string" | "text" => &["String"],
        "url" => &["Uri"],
        "attachment" => &["Attachment"],
        "reference" => &["Reference"],
        "quantity" => &["Quantity"],
        "open-choice" => &["Coding", "String"],
        "choice" => &["Coding"],
        _ => return,
    };
    // options of another type make a choice of that type
    let is_option = list(question, "answerOption").iter().filter_map(value).any(|option| option.0 == name);
    if !allowed.contains(&name) && !is_option {
        let text = || format!("the answer must be of type {}, not {}", allowed.join(" or "), shown(name));
        check.fail_of_several(STRUCTURE, text, path, || vec![path.child("value").to_string()]);
    }
}

/// Whether an answer is one of the options.
fn option(
    check: &mut Check<'_, '_>,
    question: &Json,
    kind: &str,
    name: &str,
    value_given: &Json,
    count: usize,
    path: &Path,
) {
    if kind == "open-choice" && name == "String" {
        return;
    }
    let others = || locations::of_codes(value_given, &path.child("value"));
    let options = list(question, "answerOption");
    let chosen = options.iter().find(|option| value(option).is_some_and(|option| is_answer(value_given, option.1)));
    if !options.is_empty() && chosen.is_none() && kind != "open-choice" {
        check.fail_of_several("code-invalid", || "the answer is none of the options".to_owned(), path, others);
    }
    let is_exclusive = chosen.and_then(|option| extension(option, "questionnaire-optionExclusive"));
    if count > 1 && is_exclusive.and_then(Json::as_bool) == Some(true) {
        check.fail(STRUCTURE, || "this option excludes every other answer".to_owned(), path);
    }
    let set = text(question, "answerValueSet").and_then(|url| Bound::find(check.registry, check.answers, url));
    let Some(set) = set else { return };
    let membership = match value_given {
        Json::String(code) => set.contains(None, code),
        coding => set.contains(text(coding, "system"), text(coding, "code").unwrap_or("")),
    };
    if membership == Membership::Out && kind != "open-choice" {
        let text = || "the answer is not in the value set of the question".to_owned();
        check.fail_of_several("code-invalid", text, path, others);
    }
}

/// Whether an answer is within the bounds of the question.
fn bounded(check: &mut Check<'_, '_>, question: &Json, value: &Json, path: &Path) {
    let number = |json: Option<&Json>| json.and_then(Json::as_number).and_then(|n| n.as_str().parse::<usize>().ok());
    let mut fail = |text: &str| {
        check.fail_of_several("value", || text.to_owned(), path, || vec![path.child("value").to_string()]);
    };
    if let Json::String(text) = value {
        let length = text.chars().count();
        if number(question.get("maxLength")).is_some_and(|most| length > most) {
            fail("the answer is longer than the question allows");
        }
        if number(extension(question, "minLength")).is_some_and(|least| length < least) {
            fail("the answer is shorter than the question asks for");
        }
    }
    if let (Json::Number(written), Some(places)) = (value, number(extension(question, "maxDecimalPlaces")))
        && written.as_str().split_once('.').is_some_and(|parts| parts.1.len() > places)
    {
        fail("the answer has more decimal places than the question allows");
    }
    for (names, refused) in
        [(["minValue", "minQuantity"], Ordering::Less), (["maxValue", "maxQuantity"], Ordering::Greater)]
    {
        for bound in names.iter().filter_map(|name| extension(question, name)) {
            let is_formal = |json: &Json| json.as_object().is_none() || json.get("code").is_some();
            match order(value, bound).filter(|_| is_formal(value) && is_formal(bound)) {
                Some(order) if order == refused => fail("the answer is out of the bounds of the question"),
                None if matches!(value, Json::Object(_)) => {
                    fail("the answer has a unit that cannot be compared with the bounds")
                }
                _ => {}
            }
        }
    }
    let mut kinds = extensions(question, "mimeType").peekable();
    let kind = value.get("contentType");
    if kinds.peek().is_some() && kind.is_some_and(|kind| !kinds.any(|allowed| allowed == kind)) {
        fail("the content of the answer is of a type that the question does not allow");
    }
    let mut units = extensions(question, "questionnaire-unitOption").peekable();
    let is_unit = |unit: &Json| unit.get("code") == value.get("code") && unit.get("system") == value.get("system");
    if units.peek().is_some() && value.get("value").is_some() && !units.any(is_unit) {
        fail("the answer has a unit that the question does not allow");
    }
}
