//! The text of the specification, section by section: its examples, the empty input, several items, and the edges.

use super::context::{Context, Tracer};
use super::convert::to_text;
use super::expression::compile;
use super::value::{Collection, Item, Node};
use crate::base::clock::Timestamp;
use crate::base::fault::Result;
use crate::fhir::json::{self, Json};

const PATIENT: &str = r##"{"resourceType":"Patient","id":"p","active":true,"gender":"male",
  "name":[{"use":"official","family":"Chalmers","given":["Peter","James"]},{"use":"usual","given":["Jim"]}],
  "telecom":[{"system":"phone","value":"1","use":"home"},{"system":"phone","value":"2","use":"work"}],
  "birthDate":"1974-12-25","maritalStatus":{"coding":[{"system":"s","code":"M","display":"a"},{"system":"s","code":"N"}]}}"##;

fn run(text: &str) -> Result<Vec<String>> {
    let patient = json::parse(PATIENT.as_bytes()).expect("JSON");
    let node = Node::resource(&patient);
    let context = Context { now: Some(Timestamp(1_700_000_000_000_000)), ..Context::new(node) };
    let items = compile(text)?.eval(node, &context)?;
    Ok(items.iter().map(|item: &Item<'_>| to_text(item).map_or("{}".to_owned(), |text| text.to_string())).collect())
}

/// Each expression with its items, joined by commas.
fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let got = run(text).unwrap_or_else(|fault| panic!("{text}: {fault}")).join(",");
        assert_eq!(got, *expected, "{text}");
    }
}

fn fails(texts: &[&str]) {
    for text in texts {
        assert!(run(text).is_err(), "{text} gives {:?}", run(text));
    }
}

/// Calls: whether they are nothing on nothing, and whether they refuse several items.
const CALLS: [(&str, bool, bool); 104] = [
    ("single()", true, true),
    ("first()", true, false),
    ("last()", true, false),
    ("tail()", true, false),
    ("skip(1)", true, false),
    ("take(1)", true, false),
    ("intersect(1)", true, false),
    ("exclude(1)", true, false),
    ("where(true)", true, false),
    ("select(1)", true, false),
    ("repeat(1)", true, false),
    ("repeatAll(1)", true, false),
    ("ofType(String)", true, false),
    ("distinct()", true, false),
    ("sort()", true, false),
    ("children()", true, false),
    ("descendants()", true, false),
    ("toBoolean()", true, true),
    ("convertsToBoolean()", true, true),
    ("toInteger()", true, true),
    ("convertsToInteger()", true, true),
    ("toLong()", true, false),
    ("convertsToLong()", true, false),
    ("toDecimal()", true, true),
    ("convertsToDecimal()", true, true),
    ("toString()", true, true),
    ("convertsToString()", true, true),
    ("toDate()", true, true),
    ("convertsToDate()", true, true),
    ("toDateTime()", true, true),
    ("convertsToDateTime()", true, true),
    ("toTime()", true, true),
    ("convertsToTime()", true, true),
    ("toQuantity()", true, true),
    ("convertsToQuantity()", true, true),
    ("indexOf('a')", true, true),
    ("lastIndexOf('a')", true, true),
    ("substring(0)", true, true),
    ("startsWith('a')", true, true),
    ("endsWith('a')", true, true),
    ("contains('a')", true, true),
    ("upper()", true, true),
    ("lower()", true, true),
    ("replace('a', 'b')", true, true),
    ("matches('a')", true, true),
    ("matchesFull('a')", true, true),
    ("replaceMatches('a', 'b')", true, true),
    ("length()", true, true),
    ("toChars()", true, true),
    ("encode('hex')", true, true),
    ("decode('hex')", true, false),
    ("escape('html')", true, false),
    ("unescape('html')", true, false),
    ("trim()", true, true),
    ("split(',')", true, true),
    ("join(',')", true, false),
    ("abs()", true, true),
    ("ceiling()", true, true),
    ("exp()", true, true),
    ("floor()", true, true),
    ("ln()", true, true),
    ("log(2)", true, true),
    ("power(2)", true, true),
    ("round()", true, true),
    ("sqrt()", true, true),
    ("truncate()", true, true),
    ("trace('t')", true, false),
    ("lowBoundary()", true, true),
    ("highBoundary()", true, false),
    ("precision()", true, true),
    ("comparable(1 'm')", true, true),
    ("yearOf()", true, true),
    ("monthOf()", true, false),
    ("dayOf()", true, false),
    ("hourOf()", true, true),
    ("minuteOf()", true, false),
    ("secondOf()", true, false),
    ("millisecondOf()", true, false),
    ("timezoneOffsetOf()", true, false),
    ("dateOf()", true, false),
    ("timeOf()", true, false),
    ("duration(today(), 'day')", true, true),
    ("difference(today(), 'day')", true, false),
    ("sum()", true, false),
    ("avg()", true, false),
    ("min()", true, false),
    ("max()", true, false),
    ("not()", true, true),
    ("type()", true, false),
    ("extension('u')", true, false),
    ("resolve()", true, false),
    ("getValue()", true, false),
    ("memberOf('v')", true, true),
    ("conformsTo('p')", true, true),
    ("is(String)", true, true),
    ("as(String)", true, true),
    ("htmlChecks()", true, false),
    ("slice('a', 'b')", true, false),
    ("elementDefinition()", true, false),
    ("checkModifiers('u')", true, false),
    ("aggregate(1)", true, false),
    ("subsumes(1)", true, false),
    ("subsumedBy(1)", true, false),
    ("iif(true, 1)", false, true),
];

#[test]
fn every_function_on_nothing_is_nothing_but_for_those_that_say_otherwise() {
    for (call, _, _) in CALLS.iter().filter(|(_, is_nothing, _)| *is_nothing) {
        check(&[(&format!("{{}}.{call}"), "")]);
    }
    check(&[
        ("{}.empty() and {}.exists().not() and {}.all(false) and {}.allTrue() and {}.allFalse()", "true"),
        ("{}.anyTrue() or {}.anyFalse() or {}.hasValue()", "false"),
        ("{}.count()", "0"),
        ("{}.isDistinct() and {}.subsetOf(1) and {}.supersetOf({})", "true"),
        ("{}.supersetOf(1)", "false"),
        ("{}.union(1)", "1"),
        ("{}.combine(1)", "1"),
        ("{}.iif(true, 'a')", "a"),
        ("{}.aggregate(1, 7)", "7"),
        ("{}.coalesce({}, 2)", "2"),
    ]);
}

#[test]
fn functions_of_one_item_refuse_several() {
    for (call, _, _) in CALLS.iter().filter(|(_, _, refuses)| *refuses) {
        fails(&[&format!("('a' | 'b').{call}")]);
    }
    for operator in ["+", "-", "*", "/", "div", "mod", "&", "<", "<=", ">", ">=", "in", "and", "or", "xor", "implies"] {
        fails(&[&format!("(1 | 2) {operator} 1")]);
    }
    fails(&["1 contains (1 | 2)", "-(1 | 2)", "(1 | 2) is Integer", "name as HumanName", "'a'.startsWith('a' | 'b')"]);
}

#[test]
fn literals_are_as_the_text_has_them() {
    check(&[
        (r#"'\'\`\r\n\t\f\\\u0041\/\"'"#, "'`\r\n\t\u{c}\\A/\""),
        ("@2014-01-25 is Date and @2014-01-25T14 is DateTime and @T14:30 is Time and @2014T is DateTime", "true"),
        ("@2015-02-04T14:34:28+09:00", "2015-02-04T14:34:28+09:00"),
        ("45 'mg' is Quantity and 4 days is Quantity and 1L is Integer", "true"),
        ("`name`.`given`.first() | %`context`.id | %\"resource\".id", "Peter,p"),
        ("1 /* a\n comment */ + 2 // and another", "3"),
        ("{}", ""),
        ("0.10", "0.10"),
        ("$index", "0"),
    ]);
    fails(&["@2014-13", "@T25", "12345678901234567890", "1.", "'open", "@", "%"]);
}

#[test]
fn precedence_and_three_values() {
    check(&[
        ("1 + 2 * 3 = 7 and -2 * -3 = 6 and 7 div 2 + 1 = 4 and 'a' & 'b' = 'ab'", "true"),
        ("1 | 2 is Integer", "1,true"),
        ("true or true and false", "true"),
        ("true xor true or true", "true"),
        ("false implies false = true", "true"),
        ("({} and {}) | ({} or {}) | ({} xor {}) | ({} implies {})", ""),
        ("(true xor false) = (false xor true) and (true xor true) = (false xor false)", "true"),
        ("(true implies false) | (false implies {}) | ({} implies true)", "false,true"),
    ]);
}

#[test]
fn equality_and_equivalence() {
    check(&[
        ("1 = 1.0 and 1.10 = 1.1 and 'a' != 'A'", "true"),
        ("1 = {}", ""),
        ("(1 | 2) = 1", "false"),
        ("'1' = 1", "false"),
        ("1.10 ~ 1.1 and 1.2 / 1.8 ~ 0.67 and 0.0 ~ 0 and {} ~ {} and (1 | 2 | 3) ~ (3 | 1 | 2)", "true"),
        ("'a b' ~ 'A\tB'", "true"),
        ("'a  b' ~ 'a b'", "false"),
        ("1 ~ {}", "false"),
        ("name ~ name and (name !~ telecom)", "true"),
        ("maritalStatus.coding[0] ~ maritalStatus.coding[1]", "false"),
        ("4 'g' = 4000 'mg' and 4 'g' ~ 4040 'mg' and 1 '[in_i]' ~ 2.5 'cm' and 23 'Cel' ~ 73.4 '[degF]'", "true"),
        ("23 ~ 23 '1'", "true"),
        ("7 days = 1 'wk' and 1 week = 7 'd' and 1 second = 1 's'", "true"),
        ("1 year = 1 'a'", ""),
        ("1 year ~ 1 'a'", "true"),
        ("1 'm' = 1 'nonsense'", ""),
        ("@2012-01 = @2012", ""),
        ("@2012-01 ~ @2012", "false"),
        ("@2012-01-01T10:30:31.0 = @2012-01-01T10:30:31 and @T10:30 != @T10:31", "true"),
        ("@2017-11-05T01:30:00.0-04:00 = @2017-11-05T00:30:00.0-05:00", "true"),
        ("1 != 2 and (1 !~ 2) and ({} != 1).empty()", "true"),
    ]);
}

#[test]
fn comparison() {
    check(&[
        ("10 > 5.0 and 'abc' > 'ABC' and 4 'm' > 4 'cm' and 10 seconds > 1 's' and (6 months > 1 year).not()", "true"),
        ("@2018-03 > @2018-03-01", ""),
        ("@T10 > @T10:30", ""),
        ("@2018-03-01T10:30:00 > @2018-03-01T10:30:00.0", "false"),
        ("1 year > 1 'a'", ""),
        ("2 year.toQuantity('a') > 1 'a'", "true"),
        ("1 > {}", ""),
        ("1 'cm' > 1 's'", ""),
        ("(1 'cm' = 1 's') | (1 'cm' != 1 's') | (1 'cm' = 1) | (1 != 1 'cm') | (1 'cm2' = 1 'cm')", ""),
        ("1 'cm' !~ 1 's' and 1 'cm' != 1 'm' and 23 = 23 '1' and 23 != 24 '1' and 1 '%' = 0.01", "true"),
        ("(1 'cm' in (1 's' | 2 's')) | (1 's' | 1 'cm').distinct().count() | (1 'cm' = 'cm')", "false,2"),
        ("1 'm'.comparable(1 'cm')", "true"),
        ("1 'm'.comparable(1 's')", "false"),
        ("birthDate < '2000'.toDate()", "true"),
    ]);
    fails(&["1 > 'a'", "@2018 > 1", "true > false", "@T10 > @2018", "name.first() > 1"]);
}

#[test]
fn arithmetic() {
    check(&[
        ("7 mod 3 | (-7) div 2 | 5.5 mod 0.7 | 5 / 2", "1,-3,0.6,2.5"),
        ("1 / 0 | 1 div 0 | 1 mod 0 | 1.0 / 0.0", ""),
        ("'a' + 'b' | 'a' & {} | {} & {}", "ab,a,"),
        ("12 'cm' * 3 'cm' = 36 'cm2' and 12 'cm2' / 3 'cm' = 4 'cm' and 12 / 3 'cm' = 4 '/cm'", "true"),
        ("3 'm' + 3 'cm' = 303 'cm'", "true"),
        ("(1 'm' + 1 's').empty()", "true"),
        ("-(1 'm') = 0 'm' - 1 'm'", "true"),
        ("+1 | -1", "1,-1"),
        ("1.5 'mg'.ceiling() | 1.5 'mg'.floor() | (-1.5 'mg').truncate()", "2 'mg',1 'mg',-1 'mg'"),
        ("1.25 'mg'.round(1) | 1.5.round() | (-2.5 'mg').abs()", "1.3 'mg',2,2.5 'mg'"),
    ]);
    fails(&["true + 1", "1 - 'a'", "'a' * 2", "-'a'", "'a' div 1", "@2014 + 1", "@2014 + @2014", "1 'm' mod 2"]);
}

#[test]
fn dates_and_durations() {
    check(&[
        ("@2014-01-31 + 1 month | @2016-02-29 - 1 year | @2014-12 + 1 month", "2014-02-28,2015-02-28,2015-01"),
        ("@T01:00:00 + 2.5 hours | @T23:00 + 2 hours", "03:00:00,01:00"),
        ("@2014T + 24 months | @2014-01-01T + 1.9 days", "2016,2014-01-02"),
        ("@2014-01-01T00:00:00 + 1.5 seconds", "2014-01-01T00:00:01"),
        ("@2014-01-05T10:30:00.125-07:30.select(yearOf() | monthOf() | dayOf() | hourOf())", "2014,1,5,10"),
        ("@2014-01-05T10:30:41.125-07:30.select(minuteOf() | secondOf() | millisecondOf())", "30,41,125"),
        ("@2014-01-05T10:30:00-07:30.timezoneOffsetOf() | @2014-01-05T10:30:00+02:00.timezoneOffsetOf()", "-7.5,2.0"),
        ("@2014-01-05T10:30:00.dateOf() | @2014-01-05T10:30:00.timeOf()", "2014-01-05,10:30:00"),
        (
            "@2012.monthOf() | @2012.hourOf() | 'a'.yearOf() | @T10.dayOf() | @T10.timeOf() | @2012T.timezoneOffsetOf()",
            "",
        ),
        ("@2025-01-02.duration(@2025-01-07, 'week') | @2025-01-02.difference(@2025-01-07, 'week')", "0,1"),
        ("@2024-12-01.duration(@2025-09-01, 'year')", "0"),
        ("@2024-12-01.difference(@2025-09-01, 'year')", "1"),
        ("@2024-01-31.duration(@2024-03-01, 'month') | @2024-03-01.duration(@2024-01-31, 'month')", "1,-1"),
        ("@2024-01-31T23:59:59.difference(@2024-02-01T00:00:00, 'day')", "1"),
        ("@2024-01-31T23:59:59.duration(@2024-02-01T00:00:00, 'day')", "0"),
        ("@2024-01-01T12:00:00Z.difference(@2024-01-01T14:30:00+02:00, 'minute')", "30"),
        ("@T10:59:59.difference(@T11:00:00, 'hour') | @T10:59:59.duration(@T11:00:00, 'hour')", "1,0"),
        ("@2024.duration(@2025-01-01, 'month')", ""),
    ]);
    fails(&["@2024-01-01.duration(@2025-01-01, 'hour')", "@T10.duration(@T11, 'day')", "@2024.duration(@T10, 'year')"]);
    fails(&["@2024.duration(@2025, 'fortnight')", "1.duration(@2024, 'year')"]);
}

#[test]
fn boundaries_and_precision() {
    check(&[
        ("1.587.lowBoundary() | 1.587.lowBoundary(2) | (-1.587).lowBoundary(0)", "1.58650000,1.58,-2"),
        ("1.587.highBoundary() | 1.587.highBoundary(2) | (-1.587).highBoundary(0)", "1.58750000,1.59,-1"),
        ("@2014.lowBoundary(6) | @2014.highBoundary(6) | @2014.highBoundary()", "2014-01,2014-12,2014-12-31"),
        ("@T10:30.highBoundary(9) | @T10:30.lowBoundary()", "10:30:59.999,10:30:00.000"),
        ("1.lowBoundary(99) | @2014.lowBoundary(99) | 1.lowBoundary(-1)", ""),
        (
            "1.58700.precision() | @2014.precision() | @2014-01-05T10:30:00.000.precision() | 100.precision()",
            "5,4,17,0",
        ),
        ("@T10:30:00.000.precision()", "9"),
    ]);
    fails(&["'a'.lowBoundary()", "true.precision()"]);
}

#[test]
fn strings() {
    check(&[
        ("'abcdefg'.indexOf('x') | 'abc'.indexOf('') | 'abcabc'.lastIndexOf('b')", "-1,0,4"),
        ("'abcdefg'.substring(3, 20) | 'abc'.substring(0, 0) | 'abc'.substring(-1) | 'abc'.substring(7)", "defg,"),
        ("'abc'.startsWith('') and 'abc'.endsWith('') and 'abc'.contains('')", "true"),
        ("'first\nsecond'.matches('^second', 'm') and 'a'.matches('A', 'i') and 'a\nb'.matches('^B', 'im')", "true"),
        ("'first\nsecond'.matches('^second') or 'first\nsecond'.matches('^second', '')", "false"),
        ("'N8000123123'.matchesFull('N[0-9]{8}') | 'N8000123123'.matchesFull('n[0-9]{10}', 'i')", "false,true"),
        ("'aaabaa'.replaceMatches('AA', '\"aa\"', 'i')", "\"aa\"ab\"aa\""),
        ("'ab'.toChars() | 'ab'.length()", "a,b,2"),
        ("name.given.join() | name.given.join(', ')", "PeterJamesJim,Peter, James, Jim"),
        ("'a'.matches({}) | 'a'.replaceMatches('a', {}) | 'a'.indexOf({}) | 'a'.substring({})", ""),
        ("'a'.encode('nonsense') | 'zz'.decode('hex') | 'a'.escape('nonsense')", ""),
    ]);
    fails(&["'a'.matches('a', 'x')", "1.upper()", "'a'.matches('(?=a)')", "name.startsWith('a')"]);
}

#[test]
fn conversions() {
    check(&[
        (
            "'15-01-2024'.toDate('dd-MM-yyyy') | '150124'.toDate('ddMMyy') | '12-27'.toDate('MM-yy')",
            "2024-01-15,2027-12",
        ),
        ("'1/2'.toDate('dd-MM') | '1/2'.convertsToDate('dd-MM')", "false"),
        ("@2024-01-15T23:30:00-05:00.toDate() | @2024-01-15.toDateTime()", "2024-01-15"),
        ("'20240115T1030'.toDateTime('yyyyMMddTHHmm')", "2024-01-15T10:30"),
        ("'+5'.toInteger() | '5.0'.toInteger() | 5.5.toInteger() | '5.5'.toDecimal()", "5,5.5"),
        ("'Y'.toBoolean() | 'f'.toBoolean() | 2.toBoolean() | 1.0.toBoolean()", "true,false"),
        ("1.toQuantity() | '5 \\'mg\\''.toQuantity() | true.toQuantity() | 'x'.toQuantity()", "1 '1',5 'mg'"),
        ("1 'g'.toQuantity('mg') | 1 'g'.toQuantity('m') | 1 week.toQuantity('d')", "1000 'mg',7 'd'"),
        ("'14:30:00.5'.toTime() | '25:00'.toTime() | @T10.toTime()", "14:30:00.5,10"),
        ("name.first().toString().empty() and name.first().convertsToString().not()", "true"),
        ("123.toLong() | 'abc'.convertsToLong()", "123,false"),
        ("iif('a', 1, 2) | iif({}, 1, 2) | iif(false, 1)", "1,2"),
        ("name.first().iif(family.exists(), family, 'none')", "Chalmers"),
    ]);
    fails(&["iif(1 | 2, 1, 2)", "'a'.toDate(1)"]);
}

#[test]
fn collections_and_scopes() {
    check(&[
        ("(3 | 1 | 2).sort($this desc)", "3,2,1"),
        ("name.sort(family).use", "usual,official"),
        ("name.sort(family desc).use", "official,usual"),
        ("coalesce({}, name.family, 1 / 'a')", "Chalmers"),
        ("name.select(coalesce(family, given.first(), 'unknown'))", "Chalmers,Jim"),
        ("(1 | 2).combine(2 | 3, true)", "1,2,2,3"),
        ("name.where($index = 1).given | name.select(given.select($index))", "Jim,0,1"),
        ("(1 | 2 | 3).aggregate(iif($total.empty(), $this, iif($this < $total, $this, $total)))", "1"),
        ("(1 | 2 | 3).select((4 | 5).aggregate($total + $this, 0)).first()", "9"),
        ("(1.0 | 2.0 | 3.0).sum() | (5.5 'cm' | 4.7 'cm').avg() | (2 | 4 | 6).avg()", "6.0,5.1 'cm',4"),
        ("(@2012-12-31 | @2013-01-01).max() | ('b' | 'a').min() | (1 'm' | 50 'cm').min()", "2013-01-01,a,50 'cm'"),
        ("(@2012 | @2012-01).min()", ""),
        ("(1 | 2 | 3)[1] | (1 | 2)[7] | (1 | 2)[-1] | (1 | 2)[{}]", "2"),
        ("(1 | 2 | 3).skip(-1).count() | (1 | 2).take(0).count()", "3,0"),
    ]);
    fails(&[
        "(1 | 'a').sum()",
        "('a' | 'b').sum()",
        "(1 | 'a').max()",
        "(true | false).min()",
        "$this.name.sort(given)",
    ]);
    fails(&["a desc", "(1 | 2).combine(1, 2 | 3)", "(1 | 'a').allTrue()"]);
}

#[test]
fn variables_live_as_long_as_their_chain() {
    check(&[
        ("defineVariable('v1', 'value1').select(%v1)", "value1"),
        (
            "name.select(defineVariable('n').given.select(%n.use.first() & ':' & $this))",
            "official:Peter,official:James,usual:Jim",
        ),
        ("defineVariable('a', 1).select(%a + 1) | defineVariable('a', 2).select(%a + 1)", "2,3"),
        ("defineVariable('a', 1).name.where(use = 'usual').select(%a)", "1"),
        ("defineVariable('a').active", "true"),
        ("name.given.defineVariable('all').first().select(%all.count())", "3"),
        ("defineVariable('a', 1).select(defineVariable('b', %a + 1).select(%a + %b))", "3"),
    ]);
    fails(&[
        "defineVariable('a', 1).defineVariable('a', 2)",
        "defineVariable('a', 1).select(defineVariable('a', 2))",
        "(defineVariable('a', 1).select(%a)) | %a",
        "name.select(defineVariable('n')).select(%n)",
        "defineVariable('context', 1)",
        "defineVariable('resource')",
        "defineVariable('vs-x')",
        "defineVariable({})",
        "%nonsense",
    ]);
}

#[test]
fn trace_tells_the_tracer_and_changes_nothing() {
    struct Log(std::cell::RefCell<Vec<String>>);
    impl<'a> Tracer<'a> for Log {
        fn trace(&self, name: &str, items: &Collection<'a>) {
            let texts: Vec<String> = items.iter().filter_map(|item| Some(to_text(item)?.to_string())).collect();
            self.0.borrow_mut().push(format!("{name}={}", texts.join(",")));
        }
    }
    let patient: Json = json::parse(PATIENT.as_bytes()).expect("JSON");
    let node = Node::resource(&patient);
    let log = Log(std::cell::RefCell::default());
    let context = Context { tracer: Some(&log), ..Context::new(node) };
    let expression = compile("name.trace('uses', use).given.trace('given').count()").expect("compiles");
    let items = expression.eval(node, &context).expect("runs");
    assert!(matches!(items.as_slice(), [Item::Integer(3)]), "{items:?}");
    assert_eq!(*log.0.borrow(), ["uses=official,usual", "given=Peter,James,Jim"]);
}

#[test]
fn without_a_resource_there_is_nothing() {
    let cases = [
        (
            "$this.exists() | %resource.exists() | %context.exists() | %rootResource.exists() | children().exists()",
            "false",
        ),
        ("iif(true, 1, 2) | ('a').select($this & 'b') | 'x'.length()", "1,ab"),
        ("name | '#'.resolve() | $this.type() | type()", ""),
        ("defineVariable('x', 5).select(%x) | today()", "2023-11-14"),
    ];
    let context = Context { now: Some(Timestamp(1_700_000_000_000_000)), ..Context::new(Node::nothing()) };
    for (text, expected) in cases {
        let items = compile(text).expect(text).eval(Node::nothing(), &context).expect(text);
        let shown: Vec<String> = items.iter().filter_map(|item| to_text(item).map(|text| text.to_string())).collect();
        assert_eq!((items.len(), shown.join(",").as_str()), (shown.len(), expected), "{text}");
    }
}

#[test]
fn types_and_reflection() {
    check(&[
        ("active is boolean and (active is Boolean).not() and active is FHIR.boolean", "true"),
        ("(active as boolean) | (gender as code) | gender.ofType(string)", "true,male"),
        ("gender is code and gender is string", "true"),
        ("gender.as(System.String) | gender.as(FHIR.code)", "male"),
        (
            "gender.as(System.string) | active.as(System.boolean) | birthDate.ofType(System.date)",
            "male,true,1974-12-25",
        ),
        (
            "gender.is(System.string).not() and gender.getValue().is(System.string) and @2014T is System.dateTime",
            "true",
        ),
        ("Patient.is(System.Patient) or gender.is(System.code)", "false"),
        ("gender.getValue() is System.String and gender.hasValue()", "true"),
        ("Patient.is(DomainResource) and Patient.is(FHIR.Patient) and 1.is(Integer) and 1.is(System.Integer)", "true"),
        (
            "1.type().namespace & '.' & 1.type().name & ' ' & gender.type().namespace & '.' & gender.type().name",
            "System.Integer FHIR.code",
        ),
        ("name.first().type().name", "HumanName"),
        (
            "name.first().type().baseType & ' ' & gender.type().baseType & ' ' & type().baseType",
            "FHIR.Element FHIR.string FHIR.DomainResource",
        ),
        ("1.type().baseType & ' ' & 'a'.type().baseType", "System.Any System.Any"),
        ("1 'mg'.unit | 1 'mg'.value", "mg,1"),
    ]);
    fails(&[
        "1 is System.foo",
        "gender.as(System.)",
        "1 is Nonsense",
        "1.ofType(FHIR.Nonsense)",
        "gender.as(string1)",
        "name.is(A.B.C)",
    ]);
}

#[test]
fn quantities_of_rates_and_temperatures() {
    for (a, b) in [
        ("24 'mg/d'", "1 'mg/h'"),
        ("80 '/min'", "4800 '/h'"),
        ("1440 'mL/d'", "1 'mL/min'"),
        ("60 'mmol/min'", "1 'mmol/s'"),
        ("1.44 'mg/kg/d'", "1 'ug/kg/min'"),
        ("50 '[degF]'", "10 'Cel'"),
        ("1 'Mmol'", "1000 'kmol'"),
    ] {
        check(&[
            (&format!("{a} = {b}"), "true"),
            (&format!("{a} < {b}"), "false"),
            (&format!("{a} >= {b}"), "true"),
            (&format!("({a} | {b}).count()"), "1"),
        ]);
    }
    check(&[
        ("23 'mg/d' < 1 'mg/h'", "true"),
        ("10 'Cel'.toQuantity('[degF]')", "50 '[degF]'"),
        ("38 'Cel'.toQuantity('[degF]') = 100.4 '[degF]'", "true"),
        ("1 'kat'.toQuantity('mol/min')", "60 'mol/min'"),
        ("1 's'.convertsToQuantity('a') and 1 'ug'.convertsToQuantity('[lb_av]')", "true"),
        ("1 'a'.toQuantity('s')", "31557600 's'"),
        // nothing is reckoned with units that do not begin at zero
        ("1 'Cel' + 1 'Cel'", ""),
        ("37 'Cel' * 2", ""),
        ("1 '[degF]' / 2", ""),
        ("1 'K' + 1 'K'", "2 'K'"),
    ]);
}

#[test]
fn durations_count_in_the_precision_of_what_they_move() {
    check(&[
        ("@2014 + 360 days", "2014"),
        ("@2014 + 364 days", "2014"),
        ("@2014 + 365 days", "2015"),
        ("@2014 + 729 days", "2015"),
        ("@2014 - 364 days", "2014"),
        ("@2014 + 13 months", "2015"),
        ("@2014T + 8640 hours", "2014"),
        ("@2014-01-01T10:00:00Z - 1 millisecond", "2014-01-01T10:00:00Z"),
        ("@2014-01-01T10:00:00.000Z - 1 millisecond", "2014-01-01T09:59:59.999Z"),
        ("@T10:00:00 - 0.5 seconds", "10:00:00"),
        ("@T10:00:00 - 1.5 seconds", "09:59:59"),
        ("@2014-01-01T10:00:00.0Z - 50 milliseconds", "2014-01-01T10:00:00.0Z"),
    ]);
    fails(&["@9999 + 1 year", "@2014 - 2014 years", "@9999-12-31 + 1 day"]);
}

#[test]
fn times_are_what_the_text_allows() {
    check(&[
        ("@2014-01-01T08:05:10.123Z.lowBoundary(8)", "2014-01-01"),
        ("@2014-06-15T10:30:00Z.highBoundary(6)", "2014-06"),
        ("@2014.lowBoundary(17)", ""),
        ("@2014.highBoundary(14)", ""),
        ("@2014.highBoundary(8)", "2014-12-31"),
        ("'14:34:60'.toTime()", ""),
        ("'2024-01-15T10:00:00Z'.toDate()", ""),
        ("'2024-01-15T10:00'.convertsToDate()", "false"),
        ("'2024-01'.toDate()", "2024-01"),
        ("'T14:34'.convertsToTime()", "false"),
        ("'14:34'.convertsToTime()", "true"),
    ]);
    fails(&["@2014-12-31T23:59:60Z = @2015-01-01T00:00:00Z", "2.log(0)", "0.log(2)", "(-1).log(2)", "2.log(-2)"]);
}

#[test]
fn texts_and_choices_of_several() {
    check(&[
        ("'\\u00a0x\\u00a0'.trim().length()", "3"),
        ("' \\t\\r\\nx '.trim().length()", "1"),
        ("(1 | 2).coalesce({}, 5)", "5"),
        ("'&#65;&#x42;&apos;&nbsp;&amp;lt; & &eacute; &;'.unescape('html')", "AB'\u{a0}&lt; & &eacute; &;"),
        ("1.resolve().empty()", "true"),
    ]);
}
