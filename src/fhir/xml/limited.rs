//! What narratives may hold (FHIR R4 `narrative.html`, invariants `txt-1` and `txt-2`): the formatting of HTML 4.0, chapters 7
//! to 11 (but for section 4 of chapter 9) and 15, links, images and styles, and no active content.

use std::borrow::Cow;

use super::narrative::trimmed;
use super::scan::{Attribute, Namespace, Scanner, Tag, Token, XHTML};
use super::text::shown;
use crate::base::limits::DEEPEST_NESTING;

/// The elements, sorted, each with the attributes that it has beside [`COMMON`]. What HTML 4.0 calls deprecated is not
/// among them.
const ELEMENTS: [(&str, &[&str]); 53] = [
    ("a", &["charset", "coords", "href", "hreflang", "name", "rel", "rev", "shape", "type"]),
    ("abbr", &[]),
    ("acronym", &[]),
    ("address", &[]),
    ("area", &["alt", "coords", "href", "nohref", "shape"]),
    ("b", &[]),
    ("bdo", &[]),
    ("big", &[]),
    ("blockquote", &["cite"]),
    ("br", &[]),
    ("caption", &[]),
    ("cite", &[]),
    ("code", &[]),
    ("col", &[]),
    ("colgroup", &[]),
    ("dd", &[]),
    ("dfn", &[]),
    ("div", &[]),
    ("dl", &[]),
    ("dt", &[]),
    ("em", &[]),
    ("h1", &[]),
    ("h2", &[]),
    ("h3", &[]),
    ("h4", &[]),
    ("h5", &[]),
    ("h6", &[]),
    ("hr", &[]),
    ("i", &[]),
    ("img", &["alt", "border", "height", "ismap", "longdesc", "src", "usemap"]),
    ("kbd", &[]),
    ("li", &[]),
    ("map", &["name"]),
    ("ol", &[]),
    ("p", &[]),
    ("pre", &["xml:space"]),
    ("q", &["cite"]),
    ("samp", &[]),
    ("small", &[]),
    ("span", &[]),
    ("strong", &[]),
    ("sub", &[]),
    ("sup", &[]),
    ("table", &["border", "cellpadding", "cellspacing", "frame", "rules", "summary"]),
    ("tbody", &[]),
    ("td", &["nowrap"]),
    ("tfoot", &[]),
    ("th", &["nowrap"]),
    ("thead", &[]),
    ("tr", &[]),
    ("tt", &[]),
    ("ul", &[]),
    ("var", &[]),
];

/// The attributes that every element may have, sorted: those of HTML 4.0 for identity, language and style, and for tables.
const COMMON: [&str; 22] = [
    "abbr",
    "accesskey",
    "align",
    "axis",
    "char",
    "charoff",
    "class",
    "colspan",
    "dir",
    "headers",
    "id",
    "idref",
    "lang",
    "rowspan",
    "scope",
    "span",
    "style",
    "tabindex",
    "title",
    "valign",
    "width",
    "xml:lang",
];

/// The attributes whose value is a URL.
const URLS: [&str; 4] = ["cite", "href", "longdesc", "src"];

/// What a narrative breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NarrativeRule {
    /// It must be one `div` of well-formed XHTML.
    Xhtml,
    /// It may have formatting only, in the namespace of XHTML (`txt-1`).
    Formatting,
    /// There must be some content (`txt-2`).
    Content,
}

/// What is wrong with a narrative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NarrativeProblem {
    /// The rule that it breaks.
    pub rule: NarrativeRule,
    /// What is wrong, for people; it names the element or attribute.
    pub text: Cow<'static, str>,
}

/// What is wrong with a text as a narrative: it is not one `div` of well-formed XHTML in its namespace, has an element or
/// attribute that narratives may not have, a link that is a program, or nothing to show. The first that is found.
pub fn narrative_problem(text: &str) -> Option<NarrativeProblem> {
    whole(trimmed(text)).err()
}

fn problem(rule: NarrativeRule, text: impl Into<Cow<'static, str>>) -> NarrativeProblem {
    NarrativeProblem { rule, text: text.into() }
}

#[cold]
fn ill_formed() -> NarrativeProblem {
    problem(NarrativeRule::Xhtml, "must be one div of well-formed XHTML, without entities of HTML")
}

#[cold]
fn not_allowed(text: impl Into<Cow<'static, str>>) -> NarrativeProblem {
    problem(NarrativeRule::Formatting, text)
}

fn whole(text: &str) -> Result<(), NarrativeProblem> {
    let mut scan = Scanner::new(text).map_err(|_| ill_formed())?;
    let (mut has_content, mut is_first) = (false, true);
    loop {
        let token = scan.token().map_err(|_| ill_formed())?;
        if is_ambiguous(scan.text().get(scan.start()..scan.end()).unwrap_or_default()) {
            return Err(not_allowed("must not have markup in comments, processing instructions or CDATA"));
        }
        match token {
            Token::Start(tag) if is_first == is_root(&scan, &tag) => {
                let is_div = tag.name == "div" && tag.prefix.is_empty();
                if is_first && !is_div {
                    return Err(ill_formed());
                }
                element(&tag)?;
                if scan.depth() > DEEPEST_NESTING {
                    return Err(not_allowed("must not be nested so deeply"));
                }
                has_content |= tag.name == "img";
            }
            // a browser shows nothing of CDATA
            Token::Text if !is_first => {
                has_content |= !scan.text().get(scan.start()..).is_some_and(|rest| rest.starts_with("<![CDATA["));
            }
            Token::End | Token::Nothing if !is_first => {}
            Token::Eof if !is_first => break,
            _ => return Err(ill_formed()),
        }
        is_first = false;
    }
    if has_content {
        return Ok(());
    }
    Err(problem(NarrativeRule::Content, "must have some content: text that is not white space, or an image"))
}

/// Whether a tag that has just been read is a root.
fn is_root(scan: &Scanner<'_>, tag: &Tag<'_>) -> bool {
    scan.depth() == usize::from(!tag.is_empty)
}

/// Whether a browser that reads a token as HTML sees its end elsewhere than XML has it, so that what was hidden becomes
/// markup: HTML knows neither CDATA nor processing instructions, and `<!-->` is a whole comment to it.
fn is_ambiguous(raw: &str) -> bool {
    match raw.strip_prefix("<!--") {
        Some(comment) => comment.starts_with('>') || comment.starts_with("->"),
        None => (raw.starts_with("<![") || raw.starts_with("<?")) && raw.find('>') != Some(raw.len() - 1),
    }
}

fn element(tag: &Tag<'_>) -> Result<(), NarrativeProblem> {
    if tag.namespace != Some(Namespace::Xhtml) {
        return Err(not_allowed(format!("the element {} must be in the namespace {XHTML}", shown(tag.name))));
    }
    let Ok(at) = ELEMENTS.binary_search_by(|(name, _)| (*name).cmp(tag.name)) else {
        return Err(not_allowed(format!("the element {} is not allowed in narratives", shown(tag.name))));
    };
    let is_allowed = |name: &str| COMMON.binary_search(&name).is_ok() || ELEMENTS[at].1.contains(&name);
    if let Some(other) = tag.attributes.iter().find(|attribute| !is_allowed(attribute.name)) {
        let (name, element) = (shown(other.name), shown(tag.name));
        return Err(not_allowed(format!("the attribute {name} of {element} is not allowed in narratives")));
    }
    match tag.attributes.iter().find(|attribute| is_program(attribute)) {
        Some(link) => Err(not_allowed(format!("the attribute {} must not be a program", link.name))),
        None => Ok(()),
    }
}

/// Whether the URL of an attribute is code that a browser would run, or a document that could hold some. White space and
/// control characters in front and in the scheme are nothing to a browser.
fn is_program(attribute: &Attribute<'_>) -> bool {
    if !URLS.contains(&attribute.name) {
        return false;
    }
    let plain = attribute.value.chars().filter(|c| !c.is_whitespace() && !c.is_control()).take(16);
    let plain: String = plain.map(|c| c.to_ascii_lowercase()).collect();
    let is_data = plain.starts_with("data:") && !plain.starts_with("data:image/");
    is_data || plain.starts_with("javascript:") || plain.starts_with("vbscript:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(inner: &str) -> Option<NarrativeProblem> {
        narrative_problem(&format!("<div xmlns=\"{XHTML}\">{inner}</div>"))
    }

    #[test]
    fn formatting_links_and_images_are_allowed() {
        for inner in [
            "x",
            "&#160;",
            "<p class='a>b' title=\"c\" xml:lang='de'>x</p>",
            "<img src=\"#a\" alt=\"b\"/>",
            "<img src=\"data:image/png;base64,QUJD\"/>",
            "<!-- <script> -->y<?pi z?>",
            "<a href='b'>c</a><br/>",
            "<a name='b'/>c",
            "x <![CDATA[a & b]]>",
            "<table border=\"1\"><tr><td colspan=\"2\" nowrap=\"nowrap\" style='color: red'>x</td></tr></table>",
            "<div><ul><li>x</li></ul></div>",
        ] {
            assert_eq!(problem(inner), None, "{inner}");
        }
        assert_eq!(narrative_problem(&format!(" <div xmlns='{XHTML}'>x</div>\n")), None);
        assert!(ELEMENTS.is_sorted_by_key(|(name, _)| *name) && COMMON.is_sorted());
    }

    #[test]
    fn what_is_not_allowed_is_named() {
        for (inner, part) in [
            ("", "some content"),
            (" <p>\n</p><!-- x --> ", "some content"),
            ("<script>x</script>", "the element script"),
            ("<SCRIPT>x</SCRIPT>", "the element SCRIPT"),
            ("<P>x</P>", "the element P"),
            ("<form>x</form>", "the element form"),
            ("<iframe src='x'/>y", "the element iframe"),
            ("<object>x</object>", "the element object"),
            ("<style>p {}</style>x", "the element style"),
            ("<link href='x.css'/>x", "the element link"),
            ("<font>x</font>", "the element font"),
            ("<head/><body>x</body>", "the element head"),
            ("<svg xmlns='http://www.w3.org/2000/svg'/>x", "well-formed XHTML"),
            ("<p xmlns=''>x</p>", "namespace"),
            ("<p onclick=\"x\">y</p>", "the attribute onclick of p"),
            ("<p onClick=\"x\">y</p>", "the attribute onClick of p"),
            ("<p href=\"a\">x</p>", "the attribute href of p"),
            ("<p xlink:href=\"a\">x</p>", "the attribute xlink:href of p"),
            ("<a href=\"javascript:x\">y</a>", "a program"),
            ("<a href=\" Java&#10;Script:x\">y</a>", "a program"),
            ("<a href='data:text/html,x'>y</a>", "a program"),
            ("<img src='vbscript:x'/>", "a program"),
            ("&nbsp;", "well-formed XHTML"),
            ("<p>x", "well-formed XHTML"),
            ("</div><div>x", "well-formed XHTML"),
            ("</div>x", "well-formed XHTML"),
            ("<p><![CDATA[x]]></p>", "some content"),
            ("<![CDATA[><script>x</script>]]>", "CDATA"),
            ("<!--><script>x</script>-->y", "comments"),
            ("<!---><script>x</script>-->y", "comments"),
            ("<?pi ><script>x</script>?>y", "processing instructions"),
        ] {
            let found = problem(inner).expect(inner);
            assert!(found.text.contains(part), "{inner}: {}", found.text);
            let rule = match part {
                "well-formed XHTML" => NarrativeRule::Xhtml,
                "some content" => NarrativeRule::Content,
                _ => NarrativeRule::Formatting,
            };
            assert_eq!(found.rule, rule, "{inner}");
        }
        for text in ["", "x", "<div>x</div>", "<p/>", "<?xml version='1.0'?><div/>", "<!-- c --><div>x</div>"] {
            assert!(narrative_problem(text).is_some(), "{text}");
        }
        let prefixed = format!("<h:div xmlns:h='{XHTML}'>x</h:div>");
        assert!(narrative_problem(&prefixed).is_some());
        let deep = format!("{}x{}", "<p>".repeat(DEEPEST_NESTING), "</p>".repeat(DEEPEST_NESTING));
        assert!(problem(&deep).is_some_and(|found| found.text.contains("nested")));
    }
}
