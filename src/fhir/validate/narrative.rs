//! The rules of narratives (FHIR R4 `narrative.html`): `txt-1`, only basic formatting of XHTML, and `txt-2`, some
//! content. The text is well-formed already: its primitive type is checked before.

/// The elements of chapters 7 to 11 (but for 4 of 9) and 15 of HTML 4.0, sorted, with the attributes each has beside
/// [`ATTRIBUTES`].
const ELEMENTS: &[(&str, &[&str])] = &[
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
    ("div", &["xmlns"]),
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
    ("pre", &["space", "xml:space"]),
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
    ("th", &[]),
    ("thead", &[]),
    ("tr", &[]),
    ("tt", &[]),
    ("ul", &[]),
    ("var", &[]),
];

/// The attributes that every element may have.
const ATTRIBUTES: &[&str] = &[
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

/// What a narrative is made of.
#[derive(Debug, PartialEq, Eq)]
pub struct Findings {
    /// Whether it has only elements and attributes that are allowed, and is in the namespace of XHTML (`txt-1`).
    pub is_allowed: bool,
    /// Whether there is text or an image (`txt-2`).
    pub has_content: bool,
}

/// Looks through a narrative.
pub fn read(text: &str) -> Findings {
    let mut rest = text.trim_start();
    let mut has_content = false;
    let mut is_allowed = true;
    let mut is_first = true;
    while let Some(at) = rest.find('<') {
        has_content |= is_content(&rest[..at]);
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
            continue;
        }
        if let Some(data) = rest.strip_prefix("<![CDATA[") {
            let end = data.find("]]>").unwrap_or(data.len());
            has_content |= is_content(&data[..end]);
            rest = data.get(end + 3..).unwrap_or("");
            continue;
        }
        let Some(end) = tag_end(rest) else { break };
        let tag = &rest[1..end];
        rest = &rest[end + 1..];
        if tag.starts_with('/') {
            continue;
        }
        let name = allowed_tag(tag, is_first);
        is_allowed &= name.is_some();
        has_content |= name == Some("img");
        is_first = false;
    }
    Findings { is_allowed, has_content: has_content || is_content(rest) }
}

fn is_content(text: &str) -> bool {
    text.contains(|c: char| !c.is_whitespace())
}

/// Where the tag ends that a text begins with: at a `>` outside of quotes.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    text.bytes().position(|byte| {
        match quote {
            Some(open) if open == byte => quote = None,
            None if matches!(byte, b'"' | b'\'') => quote = Some(byte),
            _ => {}
        }
        quote.is_none() && byte == b'>'
    })
}

/// The name of the tag, if it and its attributes are allowed. `tag` is what stands between `<` and `>`.
fn allowed_tag(tag: &str, is_root: bool) -> Option<&str> {
    let tag = tag.trim_end_matches('/');
    let (name, mut rest) = tag.split_at(tag.find(char::is_whitespace).unwrap_or(tag.len()));
    let at = ELEMENTS.binary_search_by(|element| element.0.cmp(name)).ok()?;
    let mut has_namespace = false;
    while let Some((attribute, value)) = rest.split_once('=') {
        let attribute = attribute.trim();
        has_namespace |= attribute == "xmlns";
        let is_known = attribute == "xmlns" || ELEMENTS[at].1.contains(&attribute) || ATTRIBUTES.contains(&attribute);
        let quote = value.trim_start().chars().next()?;
        let value = value.trim_start().get(1..)?;
        rest = &value[value.find(quote)? + 1..];
        if !is_known {
            return None;
        }
    }
    (rest.trim().is_empty() && (has_namespace || !is_root)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatting_only() {
        let read = |inner: &str| read(&format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{inner}</div>"));
        for good in [
            "x",
            "<p class='a>b' title=\"c\">x</p>",
            "<img src=\"#a\" alt=\"b\"/>",
            "<!-- <script> -->y",
            "<a href='b'>c</a><br/>",
            "<![CDATA[x]]>",
            "<table border=\"1\"><tr><td colspan=\"2\" nowrap=\"nowrap\">x</td></tr></table>",
        ] {
            assert_eq!(read(good), Findings { is_allowed: true, has_content: true }, "{good}");
        }
        for bad in ["<script>x</script>", "<p onclick=\"x\">y</p>", "<P>x</P>", "<form>x</form>", "<p href=\"a\">x</p>"]
        {
            assert_eq!(read(bad), Findings { is_allowed: false, has_content: true }, "{bad}");
        }
        for empty in ["", "  <p> </p> ", "<!-- x -->", "<br/>"] {
            assert_eq!(read(empty), Findings { is_allowed: true, has_content: false }, "{empty}");
        }
        assert!(!super::read("<div>x</div>").is_allowed);
        assert!(ELEMENTS.is_sorted_by_key(|e| e.0));
    }
}
