//! Groups of attributes in expression constraints of SNOMED CT: which relationships of a concept stand together.

use std::borrow::Cow;

use crate::fhir::codes::{Concept, ROLE_GROUP};

/// Whether a text is one that is meant.
pub type Meant = Box<dyn Fn(&str) -> bool>;

/// What is asked of one group.
pub enum Wanted {
    /// All of these.
    All(Vec<Wanted>),
    /// One of these.
    Either(Vec<Wanted>),
    /// So many relationships, from and to, of a type with a value.
    Attribute(usize, Option<usize>, Meant, Meant),
}

/// Type and value of the relationships of one group.
type Group<'c> = Vec<(&'c str, Cow<'c, str>)>;

/// How many groups of a concept are as is wanted. A relationship that stands in none is a group of its own.
pub fn count(concept: &Concept, wanted: &Wanted) -> usize {
    groups(concept).iter().filter(|group| holds(wanted, group)).count()
}

fn groups(concept: &Concept) -> Vec<Group<'_>> {
    let mut numbers: Vec<&str> = Vec::new();
    let mut found: Vec<Group<'_>> = Vec::new();
    for property in concept.properties.iter().filter(|property| &*property.code == ROLE_GROUP) {
        let Cow::Borrowed(text) = property.value.text() else { continue };
        let mut parts = text.splitn(3, ' ');
        let (Some(number), Some(kind), Some(value)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let at = numbers.iter().position(|known| *known == number).unwrap_or_else(|| {
            numbers.push(number);
            found.push(Group::new());
            numbers.len() - 1
        });
        found[at].push((kind, value.into()));
    }
    let in_groups = found.len();
    let is_attribute = |code: &str| code.bytes().all(|byte| byte.is_ascii_digit()) && code != ROLE_GROUP;
    for property in concept.properties.iter().filter(|property| is_attribute(&property.code)) {
        let one = (&*property.code, property.value.text());
        if !found[..in_groups].iter().any(|group| group.contains(&one)) {
            found.push(vec![one]);
        }
    }
    found
}

fn holds(wanted: &Wanted, group: &Group<'_>) -> bool {
    match wanted {
        Wanted::All(list) => list.iter().all(|one| holds(one, group)),
        Wanted::Either(list) => list.iter().any(|one| holds(one, group)),
        Wanted::Attribute(least, most, kind, value) => {
            let count = group.iter().filter(|(code, text)| kind(code) && value(text)).count();
            count >= *least && most.is_none_or(|most| count <= most)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::codes::{Property, PropertyValue};

    #[test]
    fn relationships_stand_together() {
        let property =
            |(code, value): (&str, &str)| Property { code: code.into(), value: PropertyValue::String(value.into()) };
        let properties = [
            ("1", "a"),
            (ROLE_GROUP, "1 1 a"),
            ("2", "b c"),
            (ROLE_GROUP, "1 2 b c"),
            ("1", "d"),
            (ROLE_GROUP, "2 1 d"),
            ("3", "e"),
            ("moduleId", "m"),
        ];
        let concept = Concept { properties: properties.map(property).into(), ..Concept::default() };
        let is = |text: &'static str| -> Meant { Box::new(move |given| text == "*" || given == text) };
        let one = |kind: &'static str, value: &'static str| Wanted::Attribute(1, None, is(kind), is(value));
        let counted = |wanted: Wanted| count(&concept, &wanted);
        assert_eq!(groups(&concept).len(), 3);
        assert_eq!(counted(Wanted::All(vec![one("1", "a"), one("2", "b c")])), 1);
        assert_eq!(counted(Wanted::All(vec![one("1", "d"), one("2", "b c")])), 0);
        assert_eq!(counted(Wanted::Either(vec![one("1", "*"), one("3", "e")])), 3);
        assert_eq!(counted(Wanted::Attribute(2, None, is("*"), is("*"))), 1);
        let without = Wanted::Attribute(0, Some(0), is("2"), is("*"));
        assert_eq!(counted(Wanted::All(vec![one("1", "*"), without])), 1);
    }
}
