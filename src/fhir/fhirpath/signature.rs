//! What functions take and give, as far as their types can be told before they run: the tables of the strict check.

use super::ast::Operator;
use super::model::SystemType;

use SystemType::{Boolean, Date, DateTime, Decimal, Integer, Quantity, String as Text, Time};

/// The types that an input or argument may have; none for any.
pub type Takes = &'static [SystemType];

/// Anything.
pub const ANY: Takes = &[];
const TEXT: Takes = &[Text];
const WHOLE: Takes = &[Integer];
const LOGICAL: Takes = &[Boolean];
const NUMBER: Takes = &[Integer, Decimal];
const AMOUNT: Takes = &[Integer, Decimal, Quantity];
const MOMENT: Takes = &[Date, DateTime, Time];
const PRECISE: Takes = &[Integer, Decimal, Quantity, Date, DateTime, Time];

/// How an argument is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Around the call.
    Outer,
    /// For each item of the input, as `$this`.
    Item,
}

/// What a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// One value of a type.
    One(SystemType),
    /// Several values of a type.
    Many(SystemType),
    /// One value of a type, or a Quantity of a Quantity.
    Rounded(SystemType),
    /// What it got.
    Input,
    /// One item of what it got; it matters which, so the input must have an order.
    OneOfInput,
    /// Some items of what it got; it matters which, so the input must have an order.
    SomeOfInput,
    /// What it got, and what the first argument gives.
    InputAndArgument,
    /// What an argument gives, once or for each item.
    Argument(usize),
    /// What any of the arguments from this one on gives.
    AnyArgument(usize),
    /// Extensions.
    Extensions,
    /// Elements of any type; the flag says that they have no order.
    Elements(bool),
    /// What `type()` gives.
    TypeInfo,
}

/// A function.
#[derive(Debug, Clone, Copy)]
pub struct Signature {
    /// What it is applied to.
    pub input: Takes,
    /// Its arguments; the last stands for any more.
    pub arguments: &'static [(Scope, Takes)],
    /// What it gives.
    pub gives: Gives,
}

const fn signature(input: Takes, arguments: &'static [(Scope, Takes)], gives: Gives) -> Signature {
    Signature { input, arguments, gives }
}

const OUTER: (Scope, Takes) = (Scope::Outer, ANY);
const ITEM: (Scope, Takes) = (Scope::Item, ANY);
const TEXT_ARGUMENT: &[(Scope, Takes)] = &[(Scope::Outer, TEXT)];
const WHOLE_ARGUMENT: &[(Scope, Takes)] = &[(Scope::Outer, WHOLE)];

/// What the function with a name takes and gives.
pub fn signature_of(name: &str) -> Signature {
    use Gives::{
        AnyArgument, Argument, Elements, Extensions, Input, InputAndArgument, Many, One, OneOfInput, SomeOfInput,
    };
    match name {
        "where" => signature(ANY, &[ITEM], Input),
        "exists" | "all" => signature(ANY, &[ITEM], One(Boolean)),
        "select" => signature(ANY, &[ITEM], Argument(0)),
        "repeat" | "repeatAll" => signature(ANY, &[(Scope::Item, ANY)], Elements(false)),
        "sort" => signature(ANY, &[ITEM], Input),
        "aggregate" => signature(ANY, &[ITEM, OUTER], Elements(false)),
        "iif" => signature(ANY, &[ITEM], AnyArgument(1)),
        "coalesce" => signature(ANY, &[ITEM], AnyArgument(0)),
        "trace" => signature(ANY, &[(Scope::Outer, TEXT), ITEM], Input),
        "defineVariable" => signature(ANY, &[(Scope::Outer, TEXT), OUTER], Input),
        "first" | "last" => signature(ANY, &[], OneOfInput),
        "single" => signature(ANY, &[], Input),
        "tail" => signature(ANY, &[], SomeOfInput),
        "skip" | "take" => signature(ANY, WHOLE_ARGUMENT, SomeOfInput),
        "intersect" | "exclude" => signature(ANY, &[OUTER], Input),
        "union" | "combine" => signature(ANY, &[OUTER, (Scope::Outer, LOGICAL)], InputAndArgument),
        "distinct" => signature(ANY, &[], Input),
        "checkModifiers" => signature(ANY, TEXT_ARGUMENT, Input),
        "extension" => signature(ANY, TEXT_ARGUMENT, Extensions),
        "children" | "descendants" => signature(ANY, &[], Elements(true)),
        "resolve" | "elementDefinition" | "getValue" => signature(ANY, &[], Elements(false)),
        "slice" => signature(ANY, TEXT_ARGUMENT, Elements(false)),
        "type" => signature(ANY, &[], Gives::TypeInfo),
        "allTrue" | "anyTrue" | "allFalse" | "anyFalse" => signature(LOGICAL, &[], One(Boolean)),
        "count" => signature(ANY, &[], One(Integer)),
        "subsetOf" | "supersetOf" | "subsumes" | "subsumedBy" => signature(ANY, &[OUTER], One(Boolean)),
        "memberOf" | "conformsTo" => signature(ANY, TEXT_ARGUMENT, One(Boolean)),
        "comparable" => signature(&[Quantity], &[(Scope::Outer, &[Quantity])], One(Boolean)),
        "split" => signature(TEXT, TEXT_ARGUMENT, Many(Text)),
        "toChars" => signature(TEXT, &[], Many(Text)),
        "now" => signature(ANY, &[], One(DateTime)),
        "today" => signature(ANY, &[], One(Date)),
        "timeOfDay" => signature(ANY, &[], One(Time)),
        _ => of_value(name),
    }
}

/// Functions on a single value.
fn of_value(name: &str) -> Signature {
    use Gives::{Input, One, Rounded};
    match name {
        "indexOf" | "lastIndexOf" => signature(TEXT, TEXT_ARGUMENT, One(Integer)),
        "startsWith" | "endsWith" | "contains" | "matches" | "matchesFull" => {
            signature(TEXT, TEXT_ARGUMENT, One(Boolean))
        }
        "replace" | "replaceMatches" | "encode" | "decode" | "escape" | "unescape" | "join" => {
            signature(TEXT, TEXT_ARGUMENT, One(Text))
        }
        "substring" => signature(TEXT, WHOLE_ARGUMENT, One(Text)),
        "upper" | "lower" | "trim" => signature(TEXT, &[], One(Text)),
        "length" => signature(TEXT, &[], One(Integer)),
        "abs" => signature(AMOUNT, &[], Input),
        "ceiling" | "floor" | "truncate" => signature(AMOUNT, &[], Rounded(Integer)),
        "exp" | "ln" | "sqrt" => signature(NUMBER, &[], One(Decimal)),
        "log" | "power" => signature(NUMBER, &[(Scope::Outer, NUMBER)], One(Decimal)),
        "round" => signature(AMOUNT, WHOLE_ARGUMENT, Rounded(Decimal)),
        "precision" => signature(PRECISE, &[], One(Integer)),
        "lowBoundary" | "highBoundary" => signature(PRECISE, WHOLE_ARGUMENT, Input),
        "sum" | "avg" => signature(AMOUNT, &[], Input),
        "min" | "max" => signature(ANY, &[], Input),
        "yearOf" | "monthOf" | "dayOf" | "hourOf" | "minuteOf" | "secondOf" | "millisecondOf" => {
            signature(ANY, &[], One(Integer))
        }
        "timezoneOffsetOf" => signature(ANY, &[], One(Decimal)),
        "dateOf" => signature(ANY, &[], One(Date)),
        "timeOf" => signature(ANY, &[], One(Time)),
        "duration" | "difference" => signature(MOMENT, &[(Scope::Outer, MOMENT), (Scope::Outer, TEXT)], One(Integer)),
        "toBoolean" => signature(ANY, &[], One(Boolean)),
        "toInteger" | "toLong" => signature(ANY, &[], One(Integer)),
        "toDecimal" => signature(ANY, &[], One(Decimal)),
        "toString" => signature(ANY, &[], One(Text)),
        "toDate" => signature(ANY, TEXT_ARGUMENT, One(Date)),
        "toDateTime" => signature(ANY, TEXT_ARGUMENT, One(DateTime)),
        "toTime" => signature(ANY, &[], One(Time)),
        "toQuantity" => signature(ANY, TEXT_ARGUMENT, One(Quantity)),
        // empty, not, isDistinct, hasValue, htmlChecks, convertsTo...
        _ => signature(ANY, TEXT_ARGUMENT, One(Boolean)),
    }
}

/// Whether a value of one type is converted to another implicitly (N1, "Conversion").
pub fn converts(from: SystemType, to: SystemType) -> bool {
    from == to
        || matches!(
            (from, to),
            (Integer, Decimal | Quantity) | (Decimal, Quantity) | (Date, DateTime) | (_, SystemType::Any)
        )
}

/// The type of the result of an operator on values of two types; none when it is not defined for them.
pub fn result(operator: Operator, left: SystemType, right: SystemType) -> Option<SystemType> {
    use Operator::{
        Add, Concatenate, Div, Divide, Greater, GreaterOrEqual, Less, LessOrEqual, Mod, Multiply, Subtract,
    };
    let common = if converts(left, right) { Some(right) } else { converts(right, left).then_some(left) };
    let is_number = |kind| matches!(kind, Integer | Decimal);
    let is_moment = matches!(left, Date | DateTime | Time);
    match operator {
        Less | LessOrEqual | Greater | GreaterOrEqual => common.filter(|kind| *kind != Boolean).map(|_| Boolean),
        Add | Subtract if is_moment => (right == Quantity).then_some(left),
        Add if common == Some(Text) => common,
        Add | Subtract | Multiply => common.filter(|kind| is_number(*kind) || *kind == Quantity),
        Divide => common.filter(|kind| is_number(*kind) || *kind == Quantity).map(|kind| match kind {
            Integer => Decimal,
            other => other,
        }),
        Div => common.filter(|kind| is_number(*kind)).map(|_| Integer),
        Mod => common.filter(|kind| is_number(*kind)),
        Concatenate => Some(Text),
        Operator::Equal | Operator::NotEqual | Operator::Equivalent | Operator::NotEquivalent => {
            common.map(|_| Boolean)
        }
        Operator::In | Operator::Contains | Operator::And | Operator::Or | Operator::Xor | Operator::Implies => {
            Some(Boolean)
        }
    }
}
