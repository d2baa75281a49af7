//! Documents by hand, and laws on arbitrary trees and texts.

use proptest::prelude::*;

use super::{Layout, arbitrary, parse, parse_exact, write};
use crate::base::fault::Category;
use crate::fhir::json::{self, Json};

fn to_xml(json: &Json, layout: Layout) -> String {
    let mut out = Vec::new();
    write(json, layout, &mut out).expect("XML");
    String::from_utf8(out).expect("UTF-8")
}

fn to_json(xml: &str) -> String {
    let mut out = Vec::new();
    json::write(&parse(xml.as_bytes(), 64).unwrap_or_else(|fault| panic!("{fault}: {xml}")), &mut out);
    String::from_utf8(out).expect("UTF-8")
}

/// A patient around some content.
fn patient(content: &str) -> String {
    format!("<Patient xmlns=\"http://hl7.org/fhir\">{content}</Patient>")
}

#[test]
fn documents_that_are_judged_are_read_exactly() {
    let family = |xml: &str| {
        let name = |json: &Json| json.get("id").and_then(Json::as_str).map(str::to_owned);
        (
            parse(xml.as_bytes(), 64).map(|json| name(&json)).ok(),
            parse_exact(xml.as_bytes(), 64).map(|json| name(&json)).ok(),
        )
    };
    let (plain, exact) = family(&patient(r#"<id value=" a "/>"#));
    assert_eq!((plain.flatten().as_deref(), exact.flatten().as_deref()), (Some("a"), Some(" a ")));
    let schema = patient(r#"<id value="a"/>"#).replace(
        "<Patient",
        r#"<Patient xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://hl7.org/fhir x.xsd""#,
    );
    for text in [
        patient(r#"<?x y?><id value="a"/>"#),
        format!("<?xml-stylesheet href='x'?>{}", patient("<id value='a'/>")),
        format!("{}<?x y?>", patient("<id value='a'/>")),
        patient(
            r#"<id value="a"/><text><status value="empty"/><div xmlns="http://www.w3.org/1999/xhtml">x<?y z?></div></text>"#,
        ),
        schema,
    ] {
        let (plain, exact) = family(&text);
        assert!(plain.is_some() && exact.is_none(), "{text}");
    }
    let (_, exact) = family(&format!("<?xml version='1.0'?>{}", patient("<!-- c --><id value='a'/>")));
    assert!(exact.is_some());
}

#[test]
fn the_text_of_cdata_in_narratives_is_text() {
    let text = |inner: &str| {
        let div = format!("<text><div xmlns=\"http://www.w3.org/1999/xhtml\">{inner}</div></text>");
        let json = parse_exact(patient(&div).as_bytes(), 64).expect("XML");
        json.get("text").and_then(|text| text.get("div")?.as_str()).expect("a div").to_owned()
    };
    let div = |inner: &str| format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{inner}</div>");
    assert_eq!(text("<p>a <![CDATA[<b> & c]]></p>"), div("<p>a &lt;b&gt; &amp; c</p>"));
    assert_eq!(text("<![CDATA[><script>x</script>]]>"), div("&gt;&lt;script&gt;x&lt;/script&gt;"));
}

#[test]
fn json_and_xml_say_the_same() {
    for (json, xml) in [
        (r#"{"resourceType":"Patient","id":"a","active":true}"#, r#"<id value="a"/><active value="true"/>"#),
        (
            r#"{"resourceType":"Patient","birthDate":"1970-03-30","_birthDate":{"id":"314159","extension":[{"url":"http://x","valueString":"Easter"}]}}"#,
            r#"<birthDate value="1970-03-30" id="314159"><extension url="http://x"><valueString value="Easter"/></extension></birthDate>"#,
        ),
        (
            r#"{"resourceType":"Patient","name":[{"id":"n","given":["A",null,"C"],"_given":[null,{"id":"b"},null]}]}"#,
            r#"<name id="n"><given value="A"/><given id="b"/><given value="C"/></name>"#,
        ),
        (
            r#"{"resourceType":"Patient","name":[{"_given":[{"extension":[{"url":"http://x","valueDecimal":1.00}]}]}]}"#,
            r#"<name><given><extension url="http://x"><valueDecimal value="1.00"/></extension></given></name>"#,
        ),
        (
            r#"{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"> <p class='x'>a&#160;&lt;<br/></p><!-- c --></div>"},"contained":[{"resourceType":"Binary","id":"b","contentType":"text/plain","data":"QUJD"}]}"#,
            r#"<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"> <p class='x'>a&#160;&lt;<br/></p><!-- c --></div></text><contained><Binary><id value="b"/><contentType value="text/plain"/><data value="QUJD"/></Binary></contained>"#,
        ),
        (
            r#"{"resourceType":"Patient","name":[{"text":" a\n\t\r<&>\"'ä😀 "}]}"#,
            r#"<name><text value=" a&#10;&#9;&#13;&lt;&amp;&gt;&quot;'ä😀 "/></name>"#,
        ),
    ] {
        let xml = patient(xml);
        assert_eq!(to_json(&xml), json);
        let tree = json::parse(json.as_bytes()).expect("JSON");
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
        assert_eq!(to_xml(&tree, Layout::Compact), format!("{head}{xml}"));
    }
}

#[test]
fn the_order_of_elements_is_that_of_the_definitions() {
    let json = r#"{"birthDate":"2000","_gender":{"id":"g"},"extension":[{"valueCode":"c","url":"http://x","id":"e"}],"id":"p","resourceType":"Patient","meta":{"profile":["http://p"]}}"#;
    let xml = to_xml(&json::parse(json.as_bytes()).expect("JSON"), Layout::Pretty);
    let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<Patient xmlns="http://hl7.org/fhir">
  <id value="p"/>
  <meta>
    <profile value="http://p"/>
  </meta>
  <extension url="http://x" id="e">
    <valueCode value="c"/>
  </extension>
  <gender id="g"/>
  <birthDate value="2000"/>
</Patient>"#;
    assert_eq!(xml, expected);
    assert!(to_json(&xml).contains(r#""_gender":{"id":"g"},"birthDate":"2000""#));
}

#[test]
fn values_are_read_as_their_types_have_them() {
    for (xml, json) in [
        (r#"<multipleBirthInteger value=" +5 "/>"#, r#""multipleBirthInteger":5"#),
        (r#"<multipleBirthInteger value="-5"/>"#, r#""multipleBirthInteger":-5"#),
        (r#"<gender value="&#10;male&#x20;"/>"#, r#""gender":"male""#),
        ("<name><!-- a --><text\nvalue='a&#10;b' ></text><?pi?></name>", r#""name":[{"text":"a\nb"}]"#),
        (
            r#"<name><use value="usual"/><text id="i" value="x"/></name>"#,
            r#""name":[{"use":"usual","text":"x","_text":{"id":"i"}}]"#,
        ),
    ] {
        assert_eq!(to_json(&patient(xml)), format!(r#"{{"resourceType":"Patient",{json}}}"#));
    }
    let decimal = r#"<extension url="http://x"><valueDecimal value="+5"/></extension>"#;
    assert!(parse(patient(decimal).as_bytes(), 64).is_err());
}

#[test]
fn prefixes_and_outer_declarations_are_resolved() {
    let plain = to_json(&patient(
        r#"<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><p lang="en">x</p></div></text>"#,
    ));
    for xml in [
        r#"<f:Patient xmlns:f="http://hl7.org/fhir" xmlns="http://www.w3.org/1999/xhtml"><f:text><f:status value="generated"/><div><p lang="en">x</p></div></f:text></f:Patient>"#,
        r#"<Patient xmlns="http://hl7.org/fhir" xmlns:h="http://www.w3.org/1999/xhtml"><text><status value="generated"/><h:div><h:p lang="en">x</h:p></h:div></text></Patient>"#,
        "\u{feff}<?xml version='1.0' encoding='utf-8'?>\r\n<!-- a --><?pi x?><Patient\n xmlns = 'http://hl7.org/fhir' ><text\n><!-- - --><status value='gener&#97;ted' /><div xmlns=\"http://www.w3.org/1999/xhtml\"><p lang=\"en\">x</p></div></text ></Patient>\n<!-- z -->",
    ] {
        assert_eq!(to_json(xml), plain, "{xml}");
    }
}

#[test]
fn what_is_wrong_has_a_place() {
    for (content, column, place, part) in [
        ("<foo/>", 38, Some("Patient"), "unknown element \"foo\""),
        ("<active value='true' foo='1'/>", 59, Some("Patient.active"), "unknown attribute \"foo\""),
        ("<active value='True'/>", 46, Some("Patient.active"), "the value is no boolean"),
        ("<active value=' '/>", 46, Some("Patient.active"), "must not be empty"),
        ("<active/>", 38, Some("Patient.active"), "must not be empty"),
        ("<name/>", 38, Some("Patient.name[0]"), "must not be empty"),
        ("<active value='true'/><id value='a'/>", 60, Some("Patient.id"), "must stand before active"),
        ("<active value='true'/><active value='true'/>", 60, Some("Patient.active"), "must not repeat"),
        ("<name><id value='x'/></name>", 44, Some("Patient.name[0]"), "unknown element \"id\""),
        (
            "<deceasedBoolean value='true'/><deceasedDateTime value='2000'/>",
            69,
            Some("Patient.deceased"),
            "only one of deceased[x]",
        ),
        ("<name>x</name>", 44, Some("Patient.name[0]"), "text has no place"),
        ("<name><![CDATA[ ]]></name>", 44, Some("Patient.name[0]"), "text has no place"),
        ("<name>&#32;</name>", 44, Some("Patient.name[0]"), "text has no place"),
        ("<contained/>", 38, Some("Patient.contained[0]"), "no resource"),
        ("<contained><Foo/></contained>", 49, Some("Patient.contained[0]"), "unknown resource type \"Foo\""),
        ("<contained id='x'><Patient/></contained>", 49, Some("Patient.contained[0]"), "unknown attribute"),
        ("<text><div>x</div></text>", 44, Some("Patient.text.div"), "wrong namespace"),
        (
            "<text><div xmlns='http://www.w3.org/1999/xhtml'><p></div></text>",
            89,
            Some("Patient.text.div"),
            "expected `</p>`",
        ),
        ("<text><div xmlns='http://www.w3.org/1999/xhtml'>&nbsp;</div></text>", 86, Some("Patient.text.div"), "entity"),
        ("<name xmlns='urn:x'/>", 44, Some("Patient"), "has no place in a resource"),
        ("<name xsi:type='x'/>", 44, Some("Patient.name[0]"), "unknown attribute"),
        ("<name xml:id='x'/>", 44, Some("Patient.name[0]"), "unknown attribute"),
        ("<active value='&nbsp;'/>", 53, Some("Patient"), "`&`"),
        ("<multipleBirthInteger value='+0'/>", 60, Some("Patient.multipleBirth"), "no integer"),
        ("<multipleBirthInteger value='05'/>", 60, Some("Patient.multipleBirth"), "no integer"),
        ("<x:name/>", 38, Some("Patient"), "stands for no namespace"),
        ("<x:name xmlns:x='urn:x'/>", 38, Some("Patient"), "stands for no namespace"),
        ("<active value='true' value='true'/>", 59, Some("Patient"), "stands twice"),
        ("<active value='true'id='a'/>", 58, Some("Patient"), "expected an attribute"),
        ("<active value=true/>", 52, Some("Patient"), "quotes"),
        ("<active value/>", 51, Some("Patient"), "expected `=`"),
        ("<active value='a&b'/>", 54, Some("Patient"), "`&`"),
        ("<active value='<'/>", 53, Some("Patient"), "`<`"),
        ("<1/>", 38, Some("Patient"), "not a name"),
        ("]]>", 38, Some("Patient"), "`]]>`"),
        ("<!-- a -- b -->", 45, Some("Patient"), "--"),
        ("<!DOCTYPE x>", 38, Some("Patient"), "DTD"),
        ("<?xml version='1.0'?>", 38, Some("Patient"), "must be the first"),
        ("\u{1}", 38, None, "character"),
    ] {
        let xml = patient(content);
        let fault = parse(xml.as_bytes(), 64).expect_err(content);
        let issue = &fault.issues()[0];
        assert_eq!(fault.category(), Category::Invalid, "{content}: {fault}");
        assert!(issue.diagnostics.contains(part), "{content}: {fault}");
        assert_eq!(issue.expression.as_deref(), place, "{content}: {fault}");
        assert_eq!(issue.position, Some((1, column)), "{content}: {fault}");
    }
}

#[test]
fn namespaces_that_nothing_uses_are_ignored() {
    let start = r#"<Patient xmlns="http://hl7.org/fhir" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:x="urn:x">"#;
    let xml = |div: &str| format!("{start}<text><status value=\"empty\"/>{div}</text></Patient>");
    let div = r#"<div xmlns="http://www.w3.org/1999/xhtml" xmlns:y="urn:y">a</div>"#;
    let json = to_json(&xml(div));
    assert!(json.contains(r#"xmlns:y=\"urn:y\">a</div>"#), "{json}");
    // a prefix in use keeps its meaning
    let other = r#"<h:div xmlns:h="http://www.w3.org/1999/xhtml"><h:p xmlns:h="urn:h">a</h:p></h:div>"#;
    assert!(parse(xml(other).as_bytes(), 64).is_err());
}

#[test]
fn the_place_of_a_schema_is_ignored() {
    let start = "<Patient xmlns=\"http://hl7.org/fhir\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";
    let xml =
        format!("{start} xsi:schemaLocation=\"http://hl7.org/fhir ../patient.xsd\"><active value=\"true\"/></Patient>");
    assert_eq!(to_json(&xml), to_json(&patient("<active value=\"true\"/>")));
}

#[test]
fn later_versions_of_xml_1_are_read_as_1_0() {
    let patient = patient("<active value=\"true\"/>");
    assert_eq!(to_json(&format!("<?xml version=\"1.1\" encoding=\"UTF-8\"?>{patient}")), to_json(&patient));
}

#[test]
fn whole_documents_that_are_wrong() {
    for (xml, part) in [
        ("", "no element"),
        ("<Patient/>", "namespace"),
        ("<Patient xmlns=\"http://hl7.org/fhir\">", "ends inside"),
        ("<Patient xmlns=\"http://hl7.org/fhir\"/><a/>", "more than one root"),
        ("<Patient xmlns=\"http://hl7.org/fhir\"/>x", "outside of the root"),
        ("<!DOCTYPE a [<!ENTITY b \"c\">]><Patient xmlns=\"http://hl7.org/fhir\"/>", "DTD"),
        ("<Patient xmlns=\"http://hl7.org/fhir\" xmlns:x=\"\"/>", "no place"),
        ("<Patient xmlns=\"http://hl7.org/fhir\" xmlns:xml=\"urn:x\"/>", "no place"),
        ("<Patient xmlns=\"http://hl7.org/fhir\" xmlns:x=\"urn:x\" x:id=\"a\"/>", "unknown attribute"),
        (
            "<Patient xmlns=\"http://hl7.org/fhir\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"a\"/>",
            "unknown attribute",
        ),
        ("<Patient xmlns=\"http://hl7.org/fhir\" id=\"a\"/>", "unknown attribute"),
        ("\u{feff}\u{feff}<Patient xmlns=\"http://hl7.org/fhir\"/>", "character"),
        ("<?xml version=\"2.0\"?><Patient xmlns=\"http://hl7.org/fhir\"/>", "1.0"),
        ("<?xml version=\"1.\"?><Patient xmlns=\"http://hl7.org/fhir\"/>", "1.0"),
        ("<?xml version=\"1.1\"?><Patient xmlns=\"http://hl7.org/fhir\">&#1;</Patient>", "entity"),
        ("{\"resourceType\":\"Patient\"}", "outside of the root"),
    ] {
        let fault = parse(xml.as_bytes(), 64).expect_err(xml);
        assert!(fault.message().contains(part), "{xml}: {fault}");
    }
    let utf_16 = |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        "\u{feff}<?xml version='1.0'?><a/>".encode_utf16().flat_map(bytes).collect()
    };
    for text in [
        b"<?xml version='1.0' encoding='latin1'?><a/>".to_vec(),
        b"<?xml version='1.0' encoding='UTF-16'?><a/>".to_vec(),
        utf_16(u16::to_be_bytes),
        utf_16(u16::to_le_bytes),
    ] {
        assert_eq!(parse(&text, 64).expect_err("not UTF-8").category(), Category::UnsupportedMedia);
    }
    let fault = parse(b"<Patient xmlns=\"http://hl7.org/fhir\">\n \xff</Patient>", 64).expect_err("UTF-8");
    assert_eq!(fault.issues()[0].position, Some((2, 2)));
}

#[test]
fn everything_is_bounded() {
    let deep = |n: usize| {
        let nest = "<identifier><assigner>".repeat(n) + "<display value='x'/>" + &"</assigner></identifier>".repeat(n);
        patient(&format!("<generalPractitioner>{nest}</generalPractitioner>"))
    };
    // Patient, the array, the reference, and two levels each
    let xml = deep(254);
    let tree = parse(xml.as_bytes(), 511).expect("deep");
    assert_eq!(to_json(&deep(20)).matches("assigner").count(), 20);
    assert!(parse(xml.as_bytes(), 510).expect_err("too deep").message().contains("nested too deeply"));
    assert!(to_xml(&tree, Layout::Pretty).len() > xml.len());
    let mut text = Vec::new();
    json::write(&tree, &mut text);
    assert!(json::parse_with(&text, 511).is_ok() && json::parse_with(&text, 510).is_err());
    assert!(parse("<a>".repeat(200_000).as_bytes(), 64).is_err());
    let many: String = (0..65).map(|i| format!(" a{i}='1'")).collect();
    assert!(parse(patient(&format!("<name{many}/>")).as_bytes(), 64).expect_err("many").message().contains("too many"));
    let many: String = (0..65).map(|i| format!(" xmlns:a{i}='http://hl7.org/fhir'")).collect();
    assert!(parse(patient(&format!("<name{many}/>")).as_bytes(), 64).is_err());
}

#[test]
fn a_stored_narrative_that_is_no_xhtml_does_not_break_the_document() {
    for (div, expected) in [
        ("<div>a<b>c</b></div>", "<div xmlns=\"http://www.w3.org/1999/xhtml\">a<b>c</b></div>"),
        ("<div>&nbsp;</div>", "<div xmlns=\"http://www.w3.org/1999/xhtml\">&lt;div&gt;&amp;nbsp;&lt;/div&gt;</div>"),
        ("</div><script>", "<div xmlns=\"http://www.w3.org/1999/xhtml\">&lt;/div&gt;&lt;script&gt;</div>"),
    ] {
        let text = Json::object([("status", Json::string("generated")), ("div", Json::string(div))]);
        let tree = Json::object([("resourceType", Json::string("Patient")), ("text", text)]);
        let xml = to_xml(&tree, Layout::Compact);
        assert!(xml.contains(expected), "{xml}");
        assert!(parse(xml.as_bytes(), 64).is_ok(), "{xml}");
    }
}

/// The same tree with the properties of every object turned round.
fn turned(json: &Json) -> Json {
    match json {
        Json::Array(items) => Json::Array(items.iter().map(turned).collect()),
        Json::Object(object) => {
            let mut pairs: Vec<_> = object.iter().map(|(name, value)| (name.clone(), turned(value))).collect();
            pairs.reverse();
            Json::Object(pairs.into_iter().collect())
        }
        other => other.clone(),
    }
}

/// Whatever the text is: an answer, and when it is a resource, one that survives XML and JSON.
fn survives(text: &[u8]) {
    let Ok(tree) = parse(text, 64) else { return };
    let mut again = Vec::new();
    json::write(&tree, &mut again);
    assert_eq!(json::parse_with(&again, 64).as_ref(), Ok(&tree));
    for layout in [Layout::Compact, Layout::Pretty] {
        assert_eq!(parse(to_xml(&tree, layout).as_bytes(), 64).as_ref(), Ok(&tree));
    }
}

#[test]
fn arbitrary_resources_are_of_many_kinds() {
    let mut names = std::collections::BTreeSet::new();
    let mut sizes = Vec::new();
    for seed in 0..2000 {
        let text = to_xml(&arbitrary::resource(seed), Layout::Pretty);
        sizes.push(text.lines().count());
        names.extend(text.split('<').filter_map(|part| part.split([' ', '>', '/']).next().map(str::to_owned)));
    }
    sizes.sort_unstable();
    assert!(names.len() > 1400 && sizes[1000] > 10, "{} names, median of {} lines", names.len(), sizes[1000]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_json_says_xml_says(seed in any::<u64>()) {
        let tree = arbitrary::resource(seed);
        for layout in [Layout::Compact, Layout::Pretty] {
            let xml = to_xml(&tree, layout);
            let read = parse(xml.as_bytes(), 64);
            prop_assert_eq!(read.as_ref(), Ok(&tree), "{}", xml);
            prop_assert_eq!(to_xml(&turned(&tree), layout).len(), xml.len());
        }
        let xml = to_xml(&turned(&tree), Layout::Compact);
        let read = parse(xml.as_bytes(), 64);
        prop_assert_eq!(read.as_ref(), Ok(&tree), "{}", xml);
    }

    #[test]
    fn bytes_never_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survives(&bytes);
    }

    #[test]
    fn changed_documents_never_break_the_reader(
        seed in any::<u64>(), at in any::<prop::sample::Index>(), cut in 0..20_usize,
        with in prop_oneof![
            Just(String::new()), Just("<".to_owned()), Just("/>".to_owned()), Just("\"".to_owned()), Just("&".to_owned()),
            Just("<!--".to_owned()), Just("<![CDATA[".to_owned()), Just("\u{ffff}".to_owned()), Just("]]>".to_owned()),
            Just(" xmlns:a=\"http://hl7.org/fhir\"".to_owned()), Just("<?xml?>".to_owned()), "\\PC{0,8}",
        ],
    ) {
        let mut xml = to_xml(&arbitrary::resource(seed), Layout::Compact).into_bytes();
        let at = at.index(xml.len());
        xml.splice(at..(at + cut).min(xml.len()), with.into_bytes());
        survives(&xml);
    }
}
