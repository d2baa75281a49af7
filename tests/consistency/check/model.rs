//! What a server does with a change: a model in a few lines, over the state at a cut.

use crate::consistency::seen::{Content, Filter, Key, Kind, Row, Write, Written};
use crate::consistency::timeline::{Cut, Timeline};

/// What a change does.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// It makes a version.
    Makes { row: Row, answer: Written },
    /// It changes nothing, and says so.
    Nothing(Written),
    /// It is refused with one of these.
    Refused(&'static [u16]),
}

/// What a change does at a cut. `new`: the id that the server made for it, if it did.
pub fn effect(timeline: &Timeline<'_>, cut: Cut, write: &Write, new: Option<&Key>) -> Effect {
    let at = At { timeline, cut };
    match write {
        Write::Create { kind, content } => at.make(&new_key(*kind, new), content, 201),
        Write::CreateOn { kind, content } => match at.found(*kind, content)[..] {
            [] => at.make(&new_key(*kind, new), content, 201),
            [one] => Effect::Nothing(Written { status: 200, at: Some((one.key.clone(), one.version)) }),
            _ => Effect::Refused(&[412]),
        },
        Write::PutOn { kind, content } => match at.found(*kind, content)[..] {
            [] => at.make(&new_key(*kind, new), content, 201),
            [one] => at.make(&one.key, content, 200),
            _ => Effect::Refused(&[412]),
        },
        Write::Put { key, content, if_match, only_new } => {
            let alive = timeline.content(key, cut).is_some();
            // What was deleted can be brought back by the version of its deletion.
            if if_match.is_some_and(|wanted| !at.is_version(key, wanted)) || (*only_new && alive) {
                return Effect::Refused(&[412]);
            }
            at.make(key, content, if alive { 200 } else { 201 })
        }
        Write::Keep { key, content, if_match } => match timeline.content(key, cut) {
            Some(now) if at.matches(key, Some(*if_match)) && now == content => {
                Effect::Nothing(Written { status: 200, at: Some((key.clone(), *if_match)) })
            }
            _ => Effect::Refused(&[412]),
        },
        Write::Patch { key, mark, group, if_match } => match timeline.version(key, cut) {
            None => Effect::Refused(&[404]),
            Some(Row { content: None, .. }) => Effect::Refused(&[410]),
            Some(Row { content: Some(_), .. }) if !at.matches(key, *if_match) => Effect::Refused(&[412]),
            Some(Row { content: Some(before), .. }) => {
                let content = Content { mark: *mark, group: *group, ..before.clone() };
                at.make(key, &content, 200)
            }
        },
        Write::Delete { key, if_match } => {
            if !at.matches(key, *if_match) {
                return Effect::Refused(&[412]);
            }
            match timeline.version(key, cut) {
                Some(Row { content: Some(_), version, .. }) => {
                    let row = Row { key: key.clone(), version: version + 1, content: None };
                    let answer = Written { status: 204, at: Some((key.clone(), version + 1)) };
                    Effect::Makes { row, answer }
                }
                _ => Effect::Nothing(Written { status: 204, at: None }),
            }
        }
    }
}

/// An id that the log does not know stands for one that was never seen.
fn new_key(kind: Kind, new: Option<&Key>) -> Key {
    new.cloned().unwrap_or_else(|| Key::new(kind, "?"))
}

struct At<'a> {
    timeline: &'a Timeline<'a>,
    cut: Cut,
}

impl At<'_> {
    fn make(&self, key: &Key, content: &Content, status: u16) -> Effect {
        let version = self.timeline.version(key, self.cut).map_or(1, |row| row.version + 1);
        let answer = Written { status, at: Some((key.clone(), version)) };
        Effect::Makes { row: Row { key: key.clone(), version, content: Some(content.clone()) }, answer }
    }

    fn found(&self, kind: Kind, content: &Content) -> Vec<&Row> {
        content.business.map_or(Vec::new(), |n| self.timeline.matches(kind, &Filter::Business(n), self.cut))
    }

    fn is_version(&self, key: &Key, wanted: u64) -> bool {
        self.timeline.version(key, self.cut).is_some_and(|row| row.version == wanted)
    }

    fn matches(&self, key: &Key, wanted: Option<u64>) -> bool {
        let now = self.timeline.version(key, self.cut).filter(|row| row.content.is_some());
        wanted.is_none_or(|wanted| now.is_some_and(|row| row.version == wanted))
    }
}
