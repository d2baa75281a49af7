//! The last observations of each code (FHIR R4 `observation-operation-lastn.html`): groups of equal codes, newest first.
//!
//! Two codes are equal when they have a coding in common, and what is equal to the same is equal to one another: an
//! Observation with two codings joins the groups of both. A code of text alone is that text, as written.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::fhir::json::Json;
use crate::fhir::time;

/// What groups are made by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Coding(Option<Box<str>>, Box<str>),
    Text(Box<str>),
    Nothing,
}

/// Observations, one after the other.
#[derive(Debug, Default)]
pub struct Latest {
    /// The group above each group; its own number for one that stands for itself.
    above: Vec<usize>,
    groups: HashMap<(Box<str>, Key), usize>,
    /// Of each observation its group and its time.
    seen: Vec<(usize, i64)>,
}

impl Latest {
    /// Takes an Observation; they are numbered from 0.
    pub fn add(&mut self, observation: &Json) {
        let subject = observation.get("subject").and_then(|subject| subject.get("reference")).and_then(Json::as_str);
        let subject: Box<str> = subject.unwrap_or_default().into();
        let mut own: Option<usize> = None;
        for key in keys(observation.get("code")) {
            let next = self.above.len();
            let group = *self.groups.entry((subject.clone(), key)).or_insert(next);
            if group == next {
                self.above.push(next);
            }
            let group = self.root(group);
            match own {
                Some(first) => self.above[group] = first,
                None => own = Some(group),
            }
        }
        self.seen.push((own.unwrap_or_default(), moment(observation)));
    }

    fn root(&mut self, mut group: usize) -> usize {
        while self.above[group] != group {
            self.above[group] = self.above[self.above[group]];
            group = self.above[group];
        }
        group
    }

    /// The numbers of the newest `most` of each group, and of those that are as old as the last of these. The group with
    /// the newest comes first; within each the newest does.
    pub fn finish(mut self, most: usize) -> Vec<usize> {
        let mut groups: HashMap<usize, Vec<(i64, usize)>> = HashMap::new();
        for number in 0..self.seen.len() {
            let (group, time) = self.seen[number];
            groups.entry(self.root(group)).or_default().push((time, number));
        }
        let mut kept: Vec<Vec<(i64, usize)>> = groups.into_values().collect();
        for group in &mut kept {
            group.sort_unstable_by_key(|(time, number)| (Reverse(*time), *number));
            if let Some((last, _)) = most.checked_sub(1).and_then(|at| group.get(at)).copied() {
                group.retain(|(time, _)| *time >= last);
            }
        }
        kept.sort_unstable_by_key(|group| group.first().map(|(time, number)| (Reverse(*time), *number)));
        kept.into_iter().flatten().map(|(_, number)| number).collect()
    }
}

fn keys(code: Option<&Json>) -> Vec<Key> {
    let part = |json: &Json, name: &str| json.get(name).and_then(Json::as_str).map(Box::<str>::from);
    let codings = code.and_then(|code| code.get("coding")).and_then(Json::as_array).unwrap_or_default();
    let keys: Vec<Key> =
        codings.iter().filter_map(|coding| Some(Key::Coding(part(coding, "system"), part(coding, "code")?))).collect();
    match code.and_then(|code| part(code, "text")) {
        _ if !keys.is_empty() => keys,
        Some(text) => vec![Key::Text(text)],
        None => vec![Key::Nothing],
    }
}

/// When an Observation was made: its effective time, of a Period its end, of a Timing its last event. Without any it is the
/// oldest.
pub fn moment(observation: &Json) -> i64 {
    let at = |json: &Json| json.as_str().and_then(|text| time::parse(text).ok()).map(|time| time.span(0).0);
    let single = ["effectiveDateTime", "effectiveInstant"].iter().find_map(|name| at(observation.get(name)?));
    let period = |period: &Json| period.get("end").and_then(at).or_else(|| period.get("start").and_then(at));
    let timing = |timing: &Json| {
        let events = timing.get("event").and_then(Json::as_array).unwrap_or_default().iter().filter_map(at);
        let bounds = timing.get("repeat").and_then(|repeat| repeat.get("boundsPeriod")).and_then(period);
        events.chain(bounds).max()
    };
    let found = single.or_else(|| period(observation.get("effectivePeriod")?));
    found.or_else(|| timing(observation.get("effectiveTiming")?)).unwrap_or(i64::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::parse;

    /// The numbers that are left, each observation given as its codes (`a+b`, `'text'`) and day.
    fn last(most: usize, observations: &[(&str, u32)]) -> Vec<usize> {
        let mut latest = Latest::default();
        for (codes, day) in observations {
            let code = match codes.strip_prefix('\'') {
                Some(text) => format!(r#"{{"text":"{}"}}"#, text.trim_end_matches('\'')),
                None => {
                    let codings: Vec<String> =
                        codes.split('+').map(|code| format!(r#"{{"system":"s","code":"{code}"}}"#)).collect();
                    format!(r#"{{"text":"same","coding":[{}]}}"#, codings.join(","))
                }
            };
            let text = format!(r#"{{"code":{code},"effectiveDateTime":"2020-01-{day:02}"}}"#);
            latest.add(&parse(text.as_bytes()).expect(&text));
        }
        latest.finish(most)
    }

    #[test]
    fn codes_are_grouped_as_the_table_of_the_specification_says() {
        assert_eq!(last(1, &[("a", 1), ("b", 2), ("c", 3)]), [2, 1, 0]);
        assert_eq!(last(1, &[("a", 1), ("b", 2), ("a+c", 3)]), [2, 1]);
        assert_eq!(last(1, &[("a", 1), ("b", 2), ("a+b", 3)]), [2]);
        assert_eq!(last(1, &[("a+b", 9), ("c", 2), ("d", 3), ("c+b", 4), ("d+c", 5)]), [0]);
        assert_eq!(last(1, &[("'textM'", 1), ("'Text'", 2), ("'t e x t'", 3)]), [2, 1, 0]);
        assert_eq!(last(1, &[("'a'", 1), ("'a'", 2), ("a", 3)]), [2, 1], "a text is no code");
    }

    #[test]
    fn the_newest_are_kept_with_those_of_the_same_time() {
        let all = [("a", 1), ("a", 5), ("a", 3), ("a", 3), ("a", 2), ("b", 4)];
        assert_eq!(last(1, &all), [1, 5]);
        assert_eq!(last(2, &all), [1, 2, 3, 5]);
        assert_eq!(last(3, &all), [1, 2, 3, 5]);
        assert_eq!(last(4, &all), [1, 2, 3, 4, 5]);
        assert_eq!(last(100, &all), [1, 2, 3, 4, 0, 5]);
    }

    #[test]
    fn times_have_many_forms() {
        let at = |text: &str| moment(&parse(text.as_bytes()).expect(text));
        let day = at(r#"{"effectiveDateTime":"2020-01-02"}"#);
        for same in [
            r#"{"effectiveInstant":"2020-01-02T01:00:00+01:00"}"#,
            r#"{"effectivePeriod":{"start":"2019","end":"2020-01-02"}}"#,
            r#"{"effectivePeriod":{"start":"2020-01-02"}}"#,
            r#"{"effectiveTiming":{"event":["2020-01-01","2020-01-02"]}}"#,
        ] {
            assert_eq!(at(same), day, "{same}");
        }
        assert_eq!(at("{}"), i64::MIN);
    }
}
