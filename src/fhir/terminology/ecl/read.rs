//! The text of an expression constraint (ECL 2.2, short and long form), read from left to right.

use super::constraint::{
    Attribute, ConceptTest, Constraint, DescriptionTest, Filter, Order, Refinement, Relation, Term, Test,
};
use super::reader::{Reader, TEXT, absent, costly};
use crate::base::fault::Result;

/// The operators before a concept, longer ones first, with their long forms.
const RELATIONS: [(&str, &str, Relation); 8] = [
    ("<<!", "childOrSelfOf", Relation::SelfOrChild),
    (">>!", "parentOrSelfOf", Relation::SelfOrParent),
    ("<<", "descendantOrSelfOf", Relation::SelfOrBelow),
    (">>", "ancestorOrSelfOf", Relation::SelfOrAbove),
    ("<!", "childOf", Relation::Child),
    (">!", "parentOf", Relation::Parent),
    ("<", "descendantOf", Relation::Below),
    (">", "ancestorOf", Relation::Above),
];

/// The concept of descriptions that are synonyms.
pub const SYNONYM: &str = "900000000000013009";
/// The concept of fully specified names.
pub const FULL_NAME: &str = "900000000000003001";
/// The concept of descriptions that are definitions.
pub const DEFINITION: &str = "900000000000550004";

/// Reads an expression constraint.
///
/// # Errors
/// 422: `invalid` for what is none, with its place; `not-supported` for what is not offered; `too-costly` for one that is too large.
pub fn parse(text: &str) -> Result<Constraint> {
    if text.len() > TEXT {
        return Err(costly(format!("an expression constraint has at most {TEXT} bytes")));
    }
    let mut reader = Reader::new(text);
    let found = reader.constraint()?;
    reader.space()?;
    if reader.at < text.len() { Err(reader.expected("its end")) } else { Ok(found) }
}

impl Reader<'_> {
    fn constraint(&mut self) -> Result<Constraint> {
        let first = self.operand()?;
        if self.take(":")? {
            let refinement = self.within(Self::refinement)?;
            return Ok(Constraint::Refined(Box::new(first), Box::new(refinement)));
        }
        self.space()?;
        if self.rest().starts_with('.') {
            let mut found = first;
            while self.take(".")? {
                found = Constraint::Values(Box::new(found), Box::new(self.operand()?));
            }
            return Ok(found);
        }
        if self.word("MINUS")? {
            return Ok(Constraint::Without(Box::new(first), Box::new(self.operand()?)));
        }
        self.joined(first, Self::operand, Constraint::All, Constraint::Either)
    }

    /// The first of a list that is joined by `AND` throughout, or by `OR`, with the others; alone as it is.
    fn joined<T>(
        &mut self,
        first: T,
        next: fn(&mut Self) -> Result<T>,
        all: fn(Vec<T>) -> T,
        either: fn(Vec<T>) -> T,
    ) -> Result<T> {
        let mut list = vec![first];
        while self.both()? {
            list.push(next(self)?);
        }
        if list.len() > 1 {
            return Ok(all(list));
        }
        while self.word("OR")? {
            list.push(next(self)?);
        }
        Ok(if list.len() == 1 { list.remove(0) } else { either(list) })
    }

    /// `AND`, or the comma that stands for it.
    fn both(&mut self) -> Result<bool> {
        Ok(self.word("AND")? || self.take(",")?)
    }

    /// A concept, any, or a constraint in parentheses, with the operators before it and the filters after it, which are of the whole.
    fn operand(&mut self) -> Result<Constraint> {
        let found = self.plain()?;
        let mut filters = Vec::new();
        while self.take("{{")? {
            self.part()?;
            filters.push(self.filter()?);
            self.need("}}")?;
        }
        Ok(if filters.is_empty() { found } else { Constraint::Filtered(Box::new(found), filters) })
    }

    fn plain(&mut self) -> Result<Constraint> {
        self.part()?;
        self.within(Self::operated)
    }

    /// What stands in `{{ }}`.
    fn filter(&mut self) -> Result<Filter> {
        if self.word("C")? {
            let mut tests = vec![self.concept_test()?];
            while self.take(",")? {
                tests.push(self.concept_test()?);
            }
            return Ok(Filter::Concept(tests));
        }
        if self.word("M")? || self.take("+")? {
            return Err(absent("filters of members ({{ M ... }}) and supplements of history ({{ + ... }})"));
        }
        self.word("D")?;
        let mut tests = vec![self.description_test()?];
        while self.take(",")? {
            tests.push(self.description_test()?);
        }
        Ok(Filter::Description(tests))
    }

    /// `=`, or with true `!=`.
    fn equality(&mut self) -> Result<bool> {
        match self.order()? {
            Order::Same => Ok(false),
            Order::Other => Ok(true),
            _ => Err(self.expected("= or !=")),
        }
    }

    fn concept_test(&mut self) -> Result<ConceptTest> {
        self.part()?;
        if self.word("active")? {
            let is_other = self.equality()?;
            let is_true = self.word("true")? || self.word("1")?;
            if !is_true && !self.word("false")? && !self.word("0")? {
                return Err(self.expected("true or false"));
            }
            return Ok(ConceptTest::Active(is_true != is_other));
        }
        let by_id = self.word("definitionStatusId")?;
        if by_id || self.word("definitionStatus")? {
            let is_other = self.equality()?;
            let (defined, primitive) =
                if by_id { ("900000000000073002", "900000000000074008") } else { ("defined", "primitive") };
            let is_defined = self.word(defined)?;
            if !is_defined && !self.word(primitive)? {
                return Err(self.expected(&format!("{defined} or {primitive}")));
            }
            return Ok(ConceptTest::Defined(is_defined != is_other));
        }
        if self.word("moduleId")? {
            return Ok(ConceptTest::Module(self.equality()?, self.operand()?));
        }
        if self.word("effectiveTime")? {
            return Err(absent("filters by effectiveTime"));
        }
        Err(self.expected("active, definitionStatus or moduleId"))
    }

    fn description_test(&mut self) -> Result<DescriptionTest> {
        self.part()?;
        if self.word("term")? {
            let is_other = self.equality()?;
            return Ok(DescriptionTest::Term(is_other, self.one_or_more(Self::term)?));
        }
        if self.word("language")? {
            let is_other = self.equality()?;
            return Ok(DescriptionTest::Language(is_other, self.one_or_more(Self::token)?));
        }
        if self.word("typeId")? || self.word("type")? {
            let is_other = self.equality()?;
            return Ok(DescriptionTest::Kind(is_other, self.one_or_more(Self::kind)?));
        }
        for other in ["dialect", "dialectId", "moduleId", "effectiveTime", "active", "id"] {
            if self.word(other)? {
                return Err(absent(&format!("filters of descriptions by {other}")));
            }
        }
        Err(self.expected("term, language or type"))
    }

    /// One value, or several in parentheses.
    fn one_or_more<T>(&mut self, one: fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        if !self.take("(")? {
            return Ok(vec![one(self)?]);
        }
        let mut found = Vec::new();
        while !self.take(")")? {
            self.part()?;
            found.push(one(self)?);
        }
        if found.is_empty() { Err(self.expected("a value")) } else { Ok(found) }
    }

    fn term(&mut self) -> Result<Term> {
        let is_wild = self.word("wild")?;
        if is_wild || self.word("match")? {
            self.need(":")?;
        }
        self.space()?;
        let text = self.quoted()?.to_lowercase();
        if is_wild {
            return Ok(Term::Wild(text.into()));
        }
        let words: Vec<Box<str>> = text.split_whitespace().map(Into::into).collect();
        if words.is_empty() { Err(self.expected("words")) } else { Ok(Term::Words(words)) }
    }

    /// Letters, digits and hyphens.
    fn token(&mut self) -> Result<Box<str>> {
        self.space()?;
        let rest = self.rest();
        let token = &rest[..rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'-').count()];
        if token.is_empty() {
            return Err(self.expected("a code"));
        }
        self.at += token.len();
        Ok(token.to_lowercase().into())
    }

    /// A type of descriptions: its short name, or its concept.
    fn kind(&mut self) -> Result<Box<str>> {
        for (name, id) in [("syn", SYNONYM), ("fsn", FULL_NAME), ("def", DEFINITION)] {
            if self.word(name)? {
                return Ok(id.into());
            }
        }
        match self.concept()? {
            Constraint::Concept(id) => Ok(id),
            _ => Err(self.expected("a type of descriptions")),
        }
    }

    fn operated(&mut self) -> Result<Constraint> {
        if self.take("!!>")? {
            return Ok(Constraint::Top(Box::new(self.plain()?)));
        }
        if self.take("!!<")? {
            return Ok(Constraint::Bottom(Box::new(self.plain()?)));
        }
        for (short, long, relation) in RELATIONS {
            if self.take(short)? || self.word(long)? {
                return Ok(Constraint::Related(relation, Box::new(self.plain()?)));
            }
        }
        if self.take("^")? || self.word("memberOf")? {
            self.space()?;
            if self.rest().starts_with('[') {
                return Err(absent("columns of reference sets (^ [ ... ])"));
            }
            return Ok(Constraint::Members(Box::new(self.plain()?)));
        }
        if self.take("*")? || self.word("ANY")? {
            return Ok(Constraint::Any);
        }
        if self.take("(")? {
            let found = self.constraint()?;
            self.need(")")?;
            return Ok(found);
        }
        self.concept()
    }

    /// An id, and the term between bars that people read.
    fn concept(&mut self) -> Result<Constraint> {
        self.space()?;
        let rest = self.rest();
        let id = &rest[..rest.bytes().take_while(u8::is_ascii_digit).count()];
        if !(6..=18).contains(&id.len()) {
            return Err(self.expected("the id of a concept"));
        }
        self.at += id.len();
        if self.take("|")? {
            let end = self.rest().find('|').ok_or_else(|| self.expected("the bar after the term"))?;
            self.at += end + 1;
        }
        Ok(Constraint::Concept(id.into()))
    }

    fn refinement(&mut self) -> Result<Refinement> {
        let first = self.refined()?;
        self.joined(first, Self::refined, Refinement::All, Refinement::Either)
    }

    fn refined(&mut self) -> Result<Refinement> {
        self.part()?;
        let cardinality = self.cardinality()?;
        if self.take("{")? {
            let group = self.within(Self::refinement)?;
            self.need("}")?;
            return grouped(group, cardinality);
        }
        if cardinality.is_none() && self.rest().starts_with('(') {
            // either attributes in parentheses, or an attribute whose name is in parentheses
            let start = self.at;
            if let Ok(attribute) = self.attribute(cardinality) {
                return Ok(Refinement::Attribute(attribute));
            }
            self.at = start;
            self.need("(")?;
            let found = self.within(Self::refinement)?;
            self.need(")")?;
            return Ok(found);
        }
        Ok(Refinement::Attribute(self.attribute(cardinality)?))
    }

    /// `[1..*]`
    fn cardinality(&mut self) -> Result<Option<(usize, Option<usize>)>> {
        if !self.take("[")? {
            return Ok(None);
        }
        let least = self.count()?;
        if !self.take("..")? {
            self.word("to")?;
        }
        let most = if self.take("*")? || self.word("many")? { None } else { Some(self.count()?) };
        self.need("]")?;
        if most.is_some_and(|most| most < least) {
            return Err(self.expected("a cardinality whose end is not below its beginning"));
        }
        self.space()?;
        Ok(Some((least, most)))
    }

    fn count(&mut self) -> Result<usize> {
        self.space()?;
        let rest = self.rest();
        let digits = &rest[..rest.bytes().take_while(u8::is_ascii_digit).count()];
        let count = digits.parse().map_err(|_| self.expected("a number"))?;
        self.at += digits.len();
        Ok(count)
    }

    fn attribute(&mut self, cardinality: Option<(usize, Option<usize>)>) -> Result<Attribute> {
        let is_reversed = self.word("R")? || self.word("reverseOf")?;
        let name = self.operand()?;
        let (least, most) = cardinality.unwrap_or((1, None));
        let order = self.order()?;
        Ok(Attribute { least, most, is_reversed, name, test: self.test(order)? })
    }

    fn order(&mut self) -> Result<Order> {
        let orders = [
            ("!=", Order::Other),
            ("<>", Order::Other),
            ("<=", Order::AtMost),
            (">=", Order::AtLeast),
            ("=", Order::Same),
            ("<", Order::Less),
            (">", Order::More),
        ];
        for (symbol, order) in orders {
            if self.take(symbol)? {
                return Ok(order);
            }
        }
        if self.word("NOT")? {
            self.need("=")?;
            return Ok(Order::Other);
        }
        Err(self.expected("a comparison"))
    }

    fn test(&mut self, order: Order) -> Result<Test> {
        self.space()?;
        if self.take("#")? {
            let rest = self.rest();
            let is_number = |byte: &u8| byte.is_ascii_digit() || b"+-.".contains(byte);
            let number = &rest[..rest.bytes().take_while(is_number).count()];
            let value = number.parse().map_err(|_| self.expected("a number"))?;
            self.at += number.len();
            return Ok(Test::Number(order, value));
        }
        let is_other = match order {
            Order::Same => false,
            Order::Other => true,
            _ => return Err(self.expected("a number (#...)")),
        };
        if self.rest().starts_with('"') {
            return Ok(Test::Text(is_other, vec![self.quoted()?]));
        }
        if self.rest().strip_prefix('(').is_some_and(|rest| rest.trim_start().starts_with('"')) {
            self.need("(")?;
            let mut texts = Vec::new();
            while !self.take(")")? {
                texts.push(self.quoted()?);
            }
            return Ok(Test::Text(is_other, texts));
        }
        for word in ["true", "false"] {
            if self.word(word)? {
                return Ok(Test::Text(is_other, vec![word.into()]));
            }
        }
        let concepts = self.operand()?;
        Ok(if is_other { Test::NotIn(concepts) } else { Test::In(concepts) })
    }
}

/// Attributes in a group: one alone is the same without it.
fn grouped(group: Refinement, cardinality: Option<(usize, Option<usize>)>) -> Result<Refinement> {
    let (least, most) = cardinality.unwrap_or((1, None));
    let is_plain = matches!(&group, Refinement::Attribute(attribute) if (attribute.least, attribute.most) == (1, None));
    match group {
        group if is_plain && (least, most) == (1, None) => Ok(group),
        Refinement::Attribute(attribute) if is_plain && (least, most) == (0, Some(0)) => {
            Ok(Refinement::Attribute(Attribute { least: 0, most: Some(0), ..attribute }))
        }
        group if is_ungroupable(&group) => {
            Err(absent("reversed attributes, and groups, within groups ({ R ..., ... })"))
        }
        group => Ok(Refinement::Group(least, most, Box::new(group))),
    }
}

/// Whether something of a refinement cannot be asked of one group.
fn is_ungroupable(refinement: &Refinement) -> bool {
    match refinement {
        Refinement::All(list) | Refinement::Either(list) => list.iter().any(is_ungroupable),
        Refinement::Attribute(attribute) => attribute.is_reversed,
        Refinement::Group(..) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concept(id: &str) -> Constraint {
        Constraint::Concept(id.into())
    }

    fn related(relation: Relation, id: &str) -> Constraint {
        Constraint::Related(relation, Box::new(concept(id)))
    }

    #[test]
    fn constraints_are_read() {
        let below = |id: &str| related(Relation::Below, id);
        let cases = [
            ("404684003 |Clinical finding|", concept("404684003")),
            ("*", Constraint::Any),
            ("<404684003", below("404684003")),
            ("descendantOrSelfOf 404684003", related(Relation::SelfOrBelow, "404684003")),
            ("<<! 404684003", related(Relation::SelfOrChild, "404684003")),
            (">!404684003|x|", related(Relation::Parent, "404684003")),
            ("^ 700043003", Constraint::Members(Box::new(concept("700043003")))),
            (
                "< 111111 AND < 222222, < 333333",
                Constraint::All(vec![below("111111"), below("222222"), below("333333")]),
            ),
            ("(<111111 or /* why */ <222222) MINUS 333333", {
                let either = Constraint::Either(vec![below("111111"), below("222222")]);
                Constraint::Without(Box::new(either), Box::new(concept("333333")))
            }),
            ("<111111 . 222222", Constraint::Values(Box::new(below("111111")), Box::new(concept("222222")))),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}")), expected, "{text}");
        }
    }

    #[test]
    fn refinements_are_read() {
        let Constraint::Refined(focus, refinement) =
            parse("< 111111 : [0..3] 222222 |a| = << 333333, { R 444444 != (555555 OR 666666) }")
                .expect("a constraint")
        else {
            panic!("no refinement")
        };
        assert_eq!(*focus, related(Relation::Below, "111111"));
        let Refinement::All(list) = *refinement else { panic!("not all") };
        let [Refinement::Attribute(one), Refinement::Attribute(two)] = &*list else { panic!("not two: {list:?}") };
        assert_eq!((one.least, one.most, one.is_reversed), (0, Some(3), false));
        assert_eq!(one.test, Test::In(related(Relation::SelfOrBelow, "333333")));
        assert!(two.is_reversed && matches!(two.test, Test::NotIn(Constraint::Either(_))));
        let test = |text: &str| match parse(text).expect(text) {
            Constraint::Refined(_, refinement) => match *refinement {
                Refinement::Attribute(attribute) => attribute.test,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        assert_eq!(test("* : 222222 >= #2.5"), Test::Number(Order::AtLeast, 2.5));
        assert_eq!(test("*:222222 = \"a\\\"b\""), Test::Text(false, vec!["a\"b".into()]));
        assert_eq!(test("*:222222 != (\"a\" \"b\")"), Test::Text(true, vec!["a".into(), "b".into()]));
        assert!(matches!(test("*: (222222 OR 333333) = *"), Test::In(Constraint::Any)));
        assert!(matches!(parse("*: (222222 = 333333 OR 444444 = 555555), 666666 = *"), Ok(Constraint::Refined(..))));
    }

    #[test]
    fn groups_are_read() {
        let group = |text: &str| match parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}")) {
            Constraint::Refined(_, refinement) => *refinement,
            other => panic!("{other:?}"),
        };
        let Refinement::Group(1, None, all) = group("* : { 222222 = *, 333333 = * }") else { panic!("no group") };
        assert!(matches!(*all, Refinement::All(list) if list.len() == 2));
        let Refinement::Group(2, Some(3), one) = group("* : [2..3] { 222222 = * }") else { panic!("no group") };
        assert!(matches!(*one, Refinement::Attribute(_)));
        assert!(matches!(group("* : { [1..1] 222222 = * }"), Refinement::Group(1, None, _)));
        assert!(matches!(group("* : { 222222 = * }"), Refinement::Attribute(_)));
        assert!(
            matches!(group("* : [0..0] { 222222 = * }"), Refinement::Attribute(attribute) if attribute.most == Some(0))
        );
        assert!(
            matches!(group("* : { 222222 = * } OR { 333333 = *, 444444 = * }"), Refinement::Either(list) if list.len() == 2)
        );
    }

    #[test]
    fn filters_and_ends_of_sets_are_read() {
        let boxed = |id: &str| Box::new(related(Relation::Below, id));
        assert_eq!(parse("!!> < 111111").expect("the top"), Constraint::Top(boxed("111111")));
        assert_eq!(parse("!!<(<111111)").expect("the bottom"), Constraint::Bottom(boxed("111111")));
        let filters = |text: &str| match parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}")) {
            Constraint::Filtered(of, filters) if of == boxed("111111") => filters,
            other => panic!("{other:?}"),
        };
        let words = |words: &[&str]| Term::Words(words.iter().map(|word| (*word).into()).collect());
        let found = filters(
            r#"< 111111 |x| {{ term = "Heart att", language != en, type = (syn fsn) }} {{ C active = 1, definitionStatus = primitive }}"#,
        );
        let kinds = vec![SYNONYM.into(), FULL_NAME.into()];
        let description = vec![
            DescriptionTest::Term(false, vec![words(&["heart", "att"])]),
            DescriptionTest::Language(true, vec!["en".into()]),
            DescriptionTest::Kind(false, kinds),
        ];
        let concept = vec![ConceptTest::Active(true), ConceptTest::Defined(false)];
        assert_eq!(found, [Filter::Description(description), Filter::Concept(concept)]);
        let found = filters(r#"<111111{{D term = (match:"a" wild:"*B")}}"#);
        let terms = vec![words(&["a"]), Term::Wild("*b".into())];
        assert_eq!(found, [Filter::Description(vec![DescriptionTest::Term(false, terms)])]);
        let found = filters("<111111 {{ C moduleId = (222222 OR 333333), definitionStatusId != 900000000000074008 }}");
        let [Filter::Concept(tests)] = &*found else { panic!("{found:?}") };
        assert!(matches!(&**tests, [ConceptTest::Module(false, Constraint::Either(_)), ConceptTest::Defined(true)]));
    }

    #[test]
    fn what_is_none_is_refused_with_its_place() {
        for (text, code, part) in [
            ("", "invalid", "character 1"),
            ("< 12", "invalid", "the id of a concept"),
            ("< 111111 |x", "invalid", "the bar after the term"),
            ("< 111111 222222", "invalid", "character 10"),
            ("111111 AND 222222 OR 333333", "invalid", "its end"),
            ("<111111: 222222", "invalid", "a comparison"),
            ("<111111: 222222 > 333333", "invalid", "a number"),
            ("<111111: [2..1] 222222 = *", "invalid", "a cardinality"),
            ("<111111: {R 222222 = *, 333333 = *}", "not-supported", "within groups"),
            ("<111111: {222222 = *, {333333 = *, 444444 = *}}", "not-supported", "within groups"),
            ("<111111 {{ M mapTarget = \"x\" }}", "not-supported", "filters of members"),
            ("<111111 {{ + HISTORY }}", "not-supported", "supplements"),
            ("<111111 {{ C effectiveTime >= \"2020\" }}", "not-supported", "effectiveTime"),
            ("<111111 {{ D dialect = en-gb }}", "not-supported", "dialect"),
            ("<111111 {{ term = \"x\" }", "invalid", "}}"),
            ("<111111 {{ term > \"x\" }}", "invalid", "= or !="),
            ("<111111 {{ term = \" \" }}", "invalid", "words"),
            ("<111111 {{ type = () }}", "invalid", "a value"),
            ("<111111 {{ C active = 2 }}", "invalid", "true or false"),
            ("<111111 {{ C colour = red }}", "invalid", "moduleId"),
        ] {
            let fault = parse(text).expect_err(text);
            let issue = &fault.issues()[0];
            assert_eq!(issue.code, code, "{text}: {}", issue.diagnostics);
            assert!(issue.diagnostics.contains(part), "{text}: {}", issue.diagnostics);
        }
    }

    #[test]
    fn size_and_depth_are_bounded() {
        for text in [
            format!("{}111111{}", "(".repeat(40), ")".repeat(40)),
            "<".repeat(80) + "111111",
            vec!["111111"; 1001].join(" OR "),
            "1".repeat(TEXT + 1),
        ] {
            assert_eq!(parse(&text).expect_err("too large").issues()[0].code, "too-costly");
        }
    }
}
