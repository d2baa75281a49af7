//! A search, parsed: what `parse` makes of the parameters and what `matches` and `compile` answer.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::codeset::ConceptTest;
use super::kind::fuzzy::Fuzzy;
use super::kind::words::Words;
use super::value::{Span, Typed};
use crate::fhir::definitions::params::{ParamId, SearchParam};
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};

/// A parsed search.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The types searched: one for a type search. The parameters of the clauses are common to all.
    pub types: Vec<ResourceType>,
    /// What must hold, all of it.
    pub clauses: Vec<Clause>,
    /// Order of the matches; ties are broken by `_id`-independent key order, stable within a snapshot.
    pub sort: Vec<SortKey>,
    /// `_count`; `None`: the default. 0 asks for the total only.
    pub count: Option<usize>,
    /// `_total`.
    pub total: Total,
    /// `_summary=count`: no entries, only the total.
    pub count_only: bool,
    /// `_explain`: how it was understood and done is told.
    pub explain: bool,
    /// `_contained` and `_containedType`.
    pub contained: ContainedMode,
    /// `$everything`: the record that is asked for, which takes the place of the clauses.
    pub everything: Option<Everything>,
    /// `_include` and `_revinclude`, in order.
    pub includes: Vec<Include>,
    /// The parameters in it that are not official, anywhere in it.
    pub added: Vec<Arc<SearchParam>>,
    /// The parameters that were used, as given, for the self link.
    pub used: Vec<(String, String)>,
    /// What was ignored (unknown parameters under lenient handling), for the outcome entry.
    pub warnings: Vec<crate::base::fault::Issue>,
}

/// `_total` (FHIR R4 `search.html`, 3.1.1.4.6). `Accurate` is the default: it is cheap here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Total {
    /// No total.
    None,
    /// An estimate is enough.
    Estimate,
    /// The exact number of matches.
    #[default]
    Accurate,
}

/// `$everything` (FHIR R4 `patient-operation-everything.html`). The types of the query are those that are shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Everything {
    /// The type of what the record is of.
    pub kind: ResourceType,
    /// Its id; `None`: all of the type.
    pub id: Option<ResourceId>,
    /// Whether `_type` leaves some types out.
    pub is_narrowed: bool,
    /// `_since`, on `meta.lastUpdated`.
    pub since: Option<DateTest>,
    /// `start` and `end`, on the times of care: all must hold.
    pub care: Vec<DateTest>,
}

/// Whether contained resources are searched (FHIR R4 `search.html`, 3.1.1.5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ContainedMode {
    /// `_contained`
    pub search: ContainedSearch,
    /// `_containedType=contained`: they are answered themselves, not what contains them.
    pub is_alone: bool,
}

/// `_contained`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ContainedSearch {
    /// `false`: resources that are not contained.
    #[default]
    None,
    /// `true`: contained resources.
    Only,
    /// `both`
    Both,
}

/// One condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Clause {
    /// A parameter has a value that passes one of the tests (comma: OR).
    Param {
        /// The parameter.
        param: Arc<SearchParam>,
        /// The alternatives; never empty.
        tests: Vec<Test>,
    },
    /// `:not`: the parameter has no value that passes any of the tests (resources without the
    /// parameter match).
    Not {
        /// The parameter.
        param: Arc<SearchParam>,
        /// The alternatives; never empty.
        tests: Vec<Test>,
    },
    /// `:missing`: the parameter has no value (`true`), or has one (`false`).
    Missing {
        /// The parameter.
        param: Arc<SearchParam>,
        /// Whether it must be absent.
        missing: bool,
    },
    /// `_text` or `_content`: one of these.
    Words {
        /// Where the words stand.
        place: WordPlace,
        /// The alternatives; never empty.
        tests: Vec<Words>,
    },
    /// `_id`: one of these.
    Id(Vec<ResourceId>),
    /// `_lastUpdated`: one of these.
    LastUpdated(Vec<DateTest>),
    /// `:below` and `:above` on references between resources: one of these is referred to, or a resource below
    /// (or above) one of them in the hierarchy of its type.
    Hierarchy {
        /// The reference parameter.
        param: Arc<SearchParam>,
        /// `:above`.
        above: bool,
        /// Where the hierarchies start; never empty.
        roots: Vec<ResourceKey>,
    },
    /// A chain: the reference leads to a resource, of one of the types, for which one of the alternatives holds.
    Chain {
        /// The reference parameter.
        param: Arc<SearchParam>,
        /// For every type of target that is searched: what must hold there. Types whose parameters do not
        /// include the chained one are left out. Never empty.
        targets: Vec<(ResourceType, Clause)>,
    },
    /// `_has`: a resource of type `source` refers here with `param`, and `clause` holds for it.
    Has {
        /// The type that refers.
        source: ResourceType,
        /// Its reference parameter.
        param: Arc<SearchParam>,
        /// What must hold for it.
        clause: Box<Clause>,
    },
    /// One of its elements, or the first resource of a Bundle, passes (`search::nested`): the clause is over its own values.
    Element {
        /// The type that has such elements.
        kind: ResourceType,
        /// Their name in `_filter`, or the parameter that leads to the resource.
        name: &'static str,
        /// What must hold for one of them.
        clause: Box<Clause>,
    },
    /// It is a List that is kept up to date (`List.mode` is `working`), which no search parameter asks for.
    Working,
    /// It belongs to the compartment of this resource.
    Compartment(ResourceKey),
    /// All of these hold; never empty.
    All(Vec<Clause>),
    /// One of these holds at least; never empty.
    Any(Vec<Clause>),
    /// This does not hold.
    Complement(Box<Clause>),
}

/// One alternative of a clause.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// On strings.
    String(StringTest),
    /// On tokens.
    Token(TokenTest),
    /// `eq` and `ne` of `_filter` on tokens: case does not matter.
    AnyCase(AnyCase),
    /// What only a terminology can decide of tokens.
    Concepts(ConceptTest),
    /// `:text` on tokens: a word of the text begins this folded text.
    Text(Box<str>),
    /// `:of-type` on identifiers.
    Typed(Typed),
    /// `:below` on MIME types: those with parameters after this base part.
    Mime(Box<str>),
    /// On references.
    Reference(ReferenceTest),
    /// On dates.
    Date(DateTest),
    /// On numbers.
    Number(NumberTest),
    /// `co` of `_filter` on numbers: what the precision of the element implies includes this number.
    Implied(Decimal),
    /// On quantities.
    Quantity(QuantityTest),
    /// `near`: within a circle.
    Near(Circle),
    /// On URIs.
    Uri(UriTest),
    /// On composites: one test per component, all on the same tuple.
    Composite(Box<[Test]>),
}

/// A test on strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StringTest {
    /// The folded value, or another text at which it is found, starts with this folded text.
    StartsWith(Box<str>),
    /// `:contains`: the folded value, or another text at which it is found, contains this folded text.
    Contains(Box<str>),
    /// `:exact`: the value as written equals this text.
    Exact(Box<str>),
    /// `:text`: the words of the value pass.
    Words(Words),
    /// `:fuzzy`: with typing errors.
    Fuzzy(Fuzzy),
    /// A comparison of `_filter` with this folded text.
    Relation(Relation, Box<str>),
}

/// Where the words of a search stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordPlace {
    /// In the narrative.
    Narrative,
    /// Anywhere in the resource.
    Content,
}

/// How `_filter` compares folded texts (FHIR R4 `search_filter.html`, 3.1.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `eq`: the same text.
    Same,
    /// `ne`: another text.
    Other,
    /// `sw`: it starts with the text.
    Starts,
    /// `co`: it contains the text.
    Contains,
    /// `ew`: it ends with the text.
    Ends,
    /// `gt`: its first character is above that of the text.
    Above,
    /// `ge`
    AtLeast,
    /// `lt`
    Below,
    /// `le`
    AtMost,
}

/// A test on tokens without regard to case (of the letters a to z).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnyCase {
    /// What is compared.
    pub token: TokenTest,
    /// `ne`: the value has a code and does not pass.
    pub other: bool,
}

/// A test on tokens: `code`, `system|code`, `|code`, `system|`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TokenTest {
    /// What is asked of the system.
    pub system: SystemTest,
    /// The code; `None` for `system|`. Compared as written (see `folded`).
    pub code: Option<Box<str>>,
}

/// What a token test asks of the system.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SystemTest {
    /// Anything, or nothing.
    Any,
    /// The element has no system.
    Absent,
    /// Exactly this system.
    Is(Box<str>),
}

/// A circle on the Earth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Circle {
    /// Degrees of its middle, -90 to 90.
    pub latitude: f64,
    /// Degrees of its middle, -180 to 180.
    pub longitude: f64,
    /// Its radius.
    pub metres: f64,
}

/// A test on URIs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UriTest {
    /// This URI.
    Is(Box<str>),
    /// `eq` of `_filter`: this URI, without regard to case (of the letters a to z).
    Same(Box<str>),
    /// `ne` of `_filter`: another one.
    Other(Box<str>),
    /// `:below`: the value begins with this URL.
    Below(Box<str>),
    /// `:above`: the value is this URL, or the beginning of it up to a `/`, `?`, `#` or `|`.
    Above(Box<str>),
}

/// A test on references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReferenceTest {
    /// A resource of this server with this id, of one of these types (`Type/id`, `:Type`, a plain id, or an
    /// absolute URL below the server's base).
    Local {
        /// The types that may be meant; never empty.
        types: Vec<ResourceType>,
        /// The id.
        id: ResourceId,
    },
    /// This URL exactly; for a canonical without `|version`, any version of it.
    Url(Box<str>),
    /// `:below` on canonicals: this one, or one with a longer version (`U|1` is above `U|1.2`); without a version
    /// any version.
    Below(Box<str>),
    /// `:identifier`: the reference's own identifier.
    Identifier(TokenTest),
}

/// A prefix (FHIR R4 `search.html`, 3.1.1.4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// `eq`: the range of the search value fully contains the range of the element.
    Eq,
    /// `ne`: not `eq`.
    Ne,
    /// `gt`: the range above the search value intersects the range of the element.
    Gt,
    /// `lt`: the range below the search value intersects the range of the element.
    Lt,
    /// `ge`: `gt` or `eq`.
    Ge,
    /// `le`: `lt` or `eq`.
    Le,
    /// `sa`: the element starts after the search value.
    Sa,
    /// `eb`: the element ends before the search value.
    Eb,
    /// `ap`: the ranges overlap when the search value is widened by 10 %. With the value as it is: `po` of `_filter`.
    Ap,
    /// `co` of `_filter`: the range of the element fully contains the range of the search value.
    Co,
}

impl Prefix {
    /// Every one.
    pub const ALL: [Self; 10] =
        [Self::Eq, Self::Ne, Self::Gt, Self::Lt, Self::Ge, Self::Le, Self::Sa, Self::Eb, Self::Ap, Self::Co];
}

/// A test on dates. For `ap` the span is already widened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTest {
    /// The prefix.
    pub prefix: Prefix,
    /// The search value with its precision.
    pub span: Span,
}

/// A test on numbers: the search value with its implied precision (100 is 99.5 to 100.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberTest {
    /// The prefix.
    pub prefix: Prefix,
    /// The search value.
    pub value: Decimal,
    /// Start of its implied range (inclusive); for `ap` already widened.
    pub low: Decimal,
    /// End of its implied range (exclusive).
    pub high: Decimal,
}

/// A test on quantities.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantityTest {
    /// The value.
    pub number: NumberTest,
    /// What is asked of the unit.
    pub unit: UnitTest,
}

/// What a quantity test asks of the unit.
#[derive(Debug, Clone, PartialEq)]
pub enum UnitTest {
    /// `5.4`: any unit.
    Any,
    /// `5.4||mg`: the code or the unit's text equals this.
    Code(Box<str>),
    /// `5.4|system|`: any code of this system.
    OfSystem(Box<str>),
    /// `5.4|system|mg`: this system and code; no canonical form is known.
    System {
        /// The system.
        system: Box<str>,
        /// The code.
        code: Box<str>,
    },
    /// `5.4|http://unitsofmeasure.org|mg`: any unit that converts to the canonical one; `number` is the
    /// test in the canonical unit.
    Canonical {
        /// The test in the canonical unit.
        number: NumberTest,
        /// The canonical unit.
        unit: Box<str>,
    },
}

/// One key of `_sort`.
#[derive(Debug, Clone, PartialEq)]
pub struct SortKey {
    /// What is sorted by.
    pub by: SortBy,
    /// `-`: from high to low. Resources without a value stand last in both directions.
    pub descending: bool,
}

/// What a sort key is.
#[derive(Debug, Clone, PartialEq)]
pub enum SortBy {
    /// A parameter: the smallest value when ascending, the largest when descending.
    Param(Arc<SearchParam>),
    /// `_id`
    Id,
    /// `_lastUpdated`
    LastUpdated,
    /// `_score`: what fits best comes first when ascending.
    Score,
    /// `near`: the distance from the nearest middle that the search asks for.
    Near,
}

/// One `_include` or `_revinclude`.
#[derive(Debug, Clone, PartialEq)]
pub struct Include {
    /// `_revinclude`.
    pub reverse: bool,
    /// The type that holds the reference; `None`: any.
    pub source: Option<ResourceType>,
    /// Its reference parameter; `None` for `*`: every official one, and `added`.
    pub param: Option<Arc<SearchParam>>,
    /// For `*`: the other references, with the types that hold them.
    pub added: Vec<(ResourceType, ParamId)>,
    /// Only targets of this type.
    pub target: Option<ResourceType>,
    /// `:iterate`.
    pub iterate: bool,
}
