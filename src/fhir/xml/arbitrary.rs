//! Arbitrary resources, made of the definitions: every type and property, in the order in which the reader of XML
//! gives them.

use super::shape::Shape;
use crate::fhir::definitions::element::{Property, TypeId, properties, resource_type_id};
use crate::fhir::definitions::names;
use crate::fhir::json::{Json, Number, Object};
use crate::fhir::name::Name;
use crate::fhir::types::ResourceType;

/// Makes one resource of a seed.
pub fn resource(seed: u64) -> Json {
    let mut maker = Maker { state: seed, left: 200 };
    maker.resource(0)
}

struct Maker {
    state: u64,
    /// How many more elements there may be.
    left: u64,
}

const TEXTS: [&str; 12] =
    ["a", "ä😀", "a b", "<&>\"'", "line\nfeed", "tab\tcr\r\n", "]]>", "&amp;", "\u{fffd}", "{}", "é\u{301}", "x--y"];

const NUMBERS: [&str; 8] = ["0", "-1", "1.00", "1e5", "-0.0", "12345678901234567890.123", "1E-7", "100"];

const DIVS: [&str; 4] = [
    "<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>",
    "<div xmlns='http://www.w3.org/1999/xhtml' class=\"x\"><p>a &lt; b</p>\r\n<br /></div>",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\"/>",
    "<div lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">&lt;x&gt;<!-- c --><?pi?><i xml:lang='de'>&#228;</i></div>",
];

impl Maker {
    /// A number below `n` (xorshift with a multiplication).
    fn below(&mut self, n: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed ^ (mixed >> 29)) % n
    }

    fn of(&mut self, list: &[&'static str]) -> &'static str {
        list[self.below(list.len() as u64) as usize]
    }

    fn resource(&mut self, depth: usize) -> Json {
        let types: Vec<ResourceType> = ResourceType::all().collect();
        let kind = types[self.below(types.len() as u64) as usize];
        let mut object = Object::new();
        object.push(Name::known(names::RESOURCE_TYPE), Json::string(kind.name()));
        self.fill(&mut object, resource_type_id(kind), depth);
        Json::Object(object)
    }

    /// An object that is not empty.
    fn object(&mut self, owner: TypeId, depth: usize) -> Json {
        let mut object = Object::new();
        if Shape::of(owner) == Shape::Extension {
            object.push(Name::known(names::URL), Json::string("http://x"));
        } else if self.below(3) == 0 {
            object.push(Name::known(names::ID), Json::string(self.of(&["a", "b-1"])));
        }
        self.fill(&mut object, owner, depth);
        if object.is_empty() {
            object.push(Name::known(names::ID), Json::string("only"));
        }
        Json::Object(object)
    }

    fn fill(&mut self, object: &mut Object, owner: TypeId, depth: usize) {
        let shape = Shape::of(owner);
        let mut position = None;
        let all = properties(owner);
        for property in all.iter().filter(|property| !shape.is_attribute(property)) {
            let is_taken = position == Some(property.position);
            let rare = 3 + all.len() as u64 / 4 + 4 * depth as u64;
            if is_taken || self.left == 0 || depth > 8 || self.below(rare) > 1 {
                continue;
            }
            position = Some(property.position);
            self.property(object, property, depth);
        }
    }

    fn property(&mut self, object: &mut Object, property: &Property, depth: usize) {
        let count = if property.is_list() { 1 + self.below(3) } else { 1 };
        let (mut values, mut siblings) = (Vec::new(), Vec::new());
        for _ in 0..count {
            self.left = self.left.saturating_sub(1);
            let is_primitive = Shape::of(property.type_id).is_primitive();
            let side = if is_primitive { self.below(4) } else { 1 };
            values.push(if side == 0 { Json::Null } else { self.value(property, depth) });
            siblings.push(if is_primitive && side <= 1 {
                self.object(property.type_id, depth + 1)
            } else {
                Json::Null
            });
        }
        let is_filled = |items: &[Json]| items.iter().any(|item| *item != Json::Null);
        let shown = |mut items: Vec<Json>| if property.is_list() { Json::Array(items) } else { items.remove(0) };
        if is_filled(&values) {
            object.push(property.name.clone(), shown(values));
        }
        if let Some(sibling) = property.name.id().and_then(names::sibling).filter(|_| is_filled(&siblings)) {
            object.push(Name::known(sibling), shown(siblings));
        }
    }

    fn value(&mut self, property: &Property, depth: usize) -> Json {
        match Shape::of(property.type_id) {
            Shape::Text => match self.below(4) {
                0 => Json::string(format!(" {}\n", self.of(&TEXTS))),
                _ => Json::string(self.of(&TEXTS)),
            },
            Shape::Token => Json::string(self.of(&TEXTS).trim()),
            Shape::Boolean => Json::Bool(self.below(2) == 0),
            Shape::Number => Json::Number(Number::from_text(self.of(&NUMBERS)).expect("a number")),
            Shape::Narrative => Json::string(self.of(&DIVS)),
            Shape::Resource => self.resource(depth + 3),
            Shape::Extension | Shape::Object => self.object(property.type_id, depth + 1),
        }
    }
}
