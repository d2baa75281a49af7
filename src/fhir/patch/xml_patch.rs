//! XML Patch (RFC 5261; FHIR R4 `http.html`, 3.1.0.6): `add`, `replace` and `remove` on the XML form of a resource.
//!
//! The resource is written as XML, changed as a tree, and read again as FHIR's XML is: what the definitions do not know has
//! no place. The order of elements is the server's to keep, so an `add` at the end is as good as one in the right place.
//! White space has no meaning outside of narratives, so the attribute `ws` changes nothing there.

use super::budget::{Budget, PatchBounds};
use super::selector::{Part, Selector};
use crate::base::fault::{Category, Fault, Result};
use crate::base::limits::DEEPEST_NESTING;
use crate::fhir::json::Json;
use crate::fhir::xml::tree::{self, Element, Node};
use crate::fhir::xml::{self, Layout, Scanner, Tag, Token};

/// An XML Patch.
#[derive(Debug)]
pub(super) struct XmlPatch {
    operations: Vec<Operation>,
    nesting: usize,
}

#[derive(Debug)]
struct Operation {
    /// For messages.
    sel: String,
    selector: Selector,
    act: Act,
}

#[derive(Debug)]
enum Act {
    Add(Vec<Node>, Place),
    AddAttribute(String, String),
    AddNamespace(String, String),
    Replace(Vec<Node>),
    Remove(Space),
}

/// Where added nodes come to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Append,
    Prepend,
    Before,
    After,
}

/// Which white space beside a node goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Space {
    before: bool,
    after: bool,
}

impl Act {
    fn name(&self) -> &'static str {
        match self {
            Self::Add(..) | Self::AddAttribute(..) | Self::AddNamespace(..) => "add",
            Self::Replace(_) => "replace",
            Self::Remove(_) => "remove",
        }
    }
}

impl XmlPatch {
    /// Reads a document: operations within a root element of any name.
    ///
    /// # Errors
    /// 400 with the number of the operation, or line and column of what is not XML.
    pub(super) fn read(text: &[u8], bounds: PatchBounds) -> Result<Self> {
        // Also of another encoding: what it is of is the document, not the request.
        Self::document(text, bounds).map_err(|fault| Fault::of(Category::Invalid, fault.issues().to_vec()))
    }

    fn document(text: &[u8], bounds: PatchBounds) -> Result<Self> {
        let text = std::str::from_utf8(text).map_err(|_| Fault::invalid("the XML Patch is not UTF-8"))?;
        let mut scan = Scanner::with_scope(text.strip_prefix('\u{feff}').unwrap_or(text))?;
        let root = tree::root(&mut scan)?;
        let operations = if root.is_empty { Vec::new() } else { operations(&mut scan, bounds)? };
        tree::ended(&mut scan)?;
        if operations.is_empty() {
            return Err(Fault::coded(Category::Invalid, "required", "the XML Patch has no operation"));
        }
        Ok(Self { operations, nesting: bounds.nesting })
    }

    /// Applies it to a resource: all operations or an error.
    ///
    /// # Errors
    /// 422 with the number of the operation; 400 for a result that is not FHIR's XML.
    pub(super) fn apply(&self, resource: &Json, budget: &mut Budget) -> Result<Json> {
        let mut text = Vec::new();
        let formless = |fault: Fault| unfit(format!("the resource cannot be written as XML: {}", fault.message()));
        xml::write(resource, Layout::Compact, &mut text).map_err(formless)?;
        budget.spend(text.len())?;
        let text = String::from_utf8(text).map_err(|_| Fault::internal("XML that is not UTF-8"))?;
        let mut root = tree::parse(&text, DEEPEST_NESTING).map_err(formless)?;
        self.change(&mut root, budget)?;
        root.arrange();
        let mut changed = Vec::with_capacity(text.len());
        root.write(None, &mut changed);
        budget.spend(changed.len())?;
        xml::parse(&changed, self.nesting)
            .map_err(|fault| without_places(&fault).context("the result of the XML Patch"))
    }

    /// Applies it to any document.
    ///
    /// # Errors
    /// 422 with the number of the operation.
    pub(super) fn change(&self, root: &mut Element, budget: &mut Budget) -> Result<()> {
        for (at, operation) in self.operations.iter().enumerate() {
            let done = operation.apply(root, budget);
            let named = |f: Fault| f.context(format!("operation {at} ({} {})", operation.act.name(), operation.sel));
            done.map_err(named)?;
        }
        Ok(())
    }
}

/// The lines of the server's own document say nothing to the client.
fn without_places(fault: &Fault) -> Fault {
    let mut issues = fault.issues().to_vec();
    issues.iter_mut().for_each(|issue| issue.position = None);
    Fault::of(fault.category(), issues)
}

/// The operations within the root element, up to its end tag.
fn operations(scan: &mut Scanner<'_>, bounds: PatchBounds) -> Result<Vec<Operation>> {
    let (mut all, mut room) = (Vec::new(), tree::NODES);
    loop {
        match scan.token()? {
            Token::Start(tag) => {
                if all.len() == bounds.operations {
                    let message = format!("the patch has more than {} operations", bounds.operations);
                    return Err(Fault::coded(Category::Invalid, "too-costly", message));
                }
                let read = operation(scan, &tag, bounds.nesting, &mut room);
                all.push(read.map_err(|f| f.context(format!("operation {}", all.len())))?);
            }
            Token::Nothing => {}
            Token::Text => return Err(scan.fault(scan.start(), "text between the operations of an XML Patch")),
            Token::End | Token::Eof => return Ok(all),
        }
    }
}

fn operation<'a>(scan: &mut Scanner<'a>, tag: &Tag<'a>, nesting: usize, room: &mut usize) -> Result<Operation> {
    let scope = scan.scope();
    let attribute = |name: &str| tag.attributes.iter().find(|a| a.name == name).map(|a| a.value.as_ref().trim());
    let known: &[&str] = match tag.name {
        "add" => &["sel", "pos", "type"],
        "replace" => &["sel"],
        "remove" => &["sel", "ws"],
        other => {
            let shown: String = other.chars().take(40).collect();
            return Err(Fault::invalid(format!("\"{shown}\" is not one of add, replace, remove")));
        }
    };
    if let Some(other) = tag.attributes.iter().find(|a| !known.contains(&a.name)) {
        let shown: String = other.name.chars().take(40).collect();
        return Err(Fault::invalid(format!("{} has no attribute \"{shown}\"", tag.name)));
    }
    let sel = attribute("sel").ok_or_else(|| Fault::coded(Category::Invalid, "required", "there is no sel"))?;
    let selector = Selector::parse(sel, &scope)?;
    let (sel, pos, kind, ws) = (
        sel.chars().take(120).flat_map(char::escape_debug).collect(),
        attribute("pos").map(str::to_owned),
        attribute("type").map(str::to_owned),
        attribute("ws").map(str::to_owned),
    );
    let content = tree::children(scan, tag, nesting, room)?;
    let act = match tag.name {
        "add" => add(content, &selector, pos.as_deref(), kind.as_deref())?,
        "replace" => Act::Replace(replacement(content, &selector.part)?),
        _ if content.iter().any(|node| !node.is_space()) => return Err(Fault::invalid("remove has no content")),
        _ => Act::Remove(space(ws.as_deref())?),
    };
    Ok(Operation { sel, selector, act })
}

fn add(content: Vec<Node>, selector: &Selector, pos: Option<&str>, kind: Option<&str>) -> Result<Act> {
    if selector.part != Part::Element {
        return Err(Fault::invalid("the selector of an add means an element"));
    }
    let place = match pos {
        None => Place::Append,
        Some("prepend") => Place::Prepend,
        Some("before") => Place::Before,
        Some("after") => Place::After,
        Some(_) => return Err(Fault::invalid("pos is prepend, before or after")),
    };
    let Some(kind) = kind else {
        if content.is_empty() {
            return Err(Fault::coded(Category::Invalid, "required", "there is nothing to add"));
        }
        return Ok(Act::Add(content, place));
    };
    if pos.is_some() {
        return Err(Fault::invalid("pos and type do not go together"));
    }
    let value = plain(content)?;
    match (kind.strip_prefix('@'), kind.strip_prefix("namespace::")) {
        (Some(name), _) if is_name(name) => Ok(Act::AddAttribute(name.to_owned(), value)),
        (_, Some(prefix)) if is_name(prefix) => Ok(Act::AddNamespace(prefix.to_owned(), value)),
        _ => Err(Fault::invalid("type is @ with the name of an attribute, or namespace:: with a prefix")),
    }
}

/// A name that can be written; a foreign prefix has no declaration in FHIR.
fn is_name(name: &str) -> bool {
    let name = name.strip_prefix("xml:").unwrap_or(name);
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    name.starts_with(|c: char| c.is_alphabetic() || c == '_') && name.chars().all(is_part)
}

/// Text alone.
fn plain(content: Vec<Node>) -> Result<String> {
    match content.as_slice() {
        [] => Ok(String::new()),
        [Node::Text(text)] => Ok(text.clone()),
        _ => Err(Fault::invalid("the content is text, without elements")),
    }
}

fn replacement(mut content: Vec<Node>, part: &Part) -> Result<Vec<Node>> {
    if *part != Part::Element {
        return Ok(vec![Node::Text(plain(content)?)]);
    }
    content.retain(|node| !node.is_space());
    match content.as_slice() {
        [Node::Element(_)] => Ok(content),
        _ => Err(Fault::invalid("an element is replaced by one element")),
    }
}

fn space(ws: Option<&str>) -> Result<Space> {
    let (before, after) = match ws {
        None => (false, false),
        Some("before") => (true, false),
        Some("after") => (false, true),
        Some("both") => (true, true),
        Some(_) => return Err(Fault::invalid("ws is before, after or both")),
    };
    Ok(Space { before, after })
}

fn unfit(message: impl Into<String>) -> Fault {
    Fault::coded(Category::Unprocessable, "processing", message)
}

impl Operation {
    fn apply(&self, root: &mut Element, budget: &mut Budget) -> Result<()> {
        let found = self.selector.find(root, budget)?;
        let [path] = found.as_slice() else {
            let hint = "; are the namespaces of its names those of FHIR and XHTML?";
            return Err(match found.len() {
                0 => unfit(format!("no element is there{hint}")),
                many => unfit(format!("{many} elements are there, not one")),
            });
        };
        if let Act::Add(content, _) | Act::Replace(content) = &self.act {
            budget.spend(content.iter().map(Node::size).sum())?;
        }
        match (&self.act, &self.selector.part) {
            (Act::Add(content, place @ (Place::Append | Place::Prepend)), _) => {
                let element = element(root, path)?;
                let at = if *place == Place::Append { element.children.len() } else { 0 };
                element.children.splice(at..at, content.iter().cloned());
                element.join();
                Ok(())
            }
            (Act::Add(content, place), _) => {
                let (parent, at) = parent(root, path)?;
                let at = if *place == Place::After { at + 1 } else { at };
                parent.children.splice(at..at, content.iter().cloned());
                parent.join();
                Ok(())
            }
            (Act::AddAttribute(name, value), _) => fresh(&mut element(root, path)?.attributes, name, value),
            (Act::AddNamespace(prefix, name), _) => fresh(&mut element(root, path)?.declared, prefix, name),
            (Act::Replace(content), Part::Element) => replace(root, path, content),
            (Act::Remove(space), Part::Element) => {
                let (parent, at) = parent(root, path)?;
                remove(parent, at, *space)
            }
            (act, part) => inner(element(root, path)?, part, act),
        }
    }
}

/// Replaces or removes a part of an element.
fn inner(element: &mut Element, part: &Part, act: &Act) -> Result<()> {
    let value = match act {
        Act::Replace(content) => content.first().map(|node| match node {
            Node::Text(text) => text.clone(),
            Node::Element(element) => element.string_value(),
        }),
        _ => None,
    };
    let of = |pairs: &mut Vec<(String, String)>, name: &str| {
        let at = pairs.iter().position(|(given, _)| given == name);
        let at = at.ok_or_else(|| unfit(format!("there is no {name}")))?;
        match value.clone() {
            Some(value) => pairs[at].1 = value,
            None => _ = pairs.remove(at),
        }
        Ok(())
    };
    match part {
        Part::Attribute(name) => of(&mut element.attributes, name),
        Part::Namespace(prefix) => of(&mut element.declared, prefix),
        Part::Text(number) => {
            let nodes = element.children.iter().enumerate().filter(|(_, node)| matches!(node, Node::Text(_)));
            let texts: Vec<usize> = nodes.map(|(at, _)| at).collect();
            let at = match (number, texts.as_slice()) {
                (None, [at]) => Some(*at),
                (None, _) => None,
                (Some(number), texts) => texts.get(number - 1).copied(),
            };
            let at =
                at.ok_or_else(|| unfit(format!("{} text nodes are there, not the one that is meant", texts.len())))?;
            match (value, act) {
                (Some(text), _) => element.children[at] = Node::Text(text),
                (None, Act::Remove(space)) => remove(element, at, *space)?,
                (None, _) => _ = element.children.remove(at),
            }
            element.join();
            Ok(())
        }
        Part::Element => Err(Fault::internal("an element was taken for a part of one")),
    }
}

/// Removes the node at a position, with white space beside it.
fn remove(parent: &mut Element, at: usize, space: Space) -> Result<()> {
    let is_space = |at: Option<usize>| at.and_then(|at| parent.children.get(at)).is_some_and(Node::is_space);
    let (before, after) = (is_space(at.checked_sub(1)), is_space(Some(at + 1)));
    if space.before && !before || space.after && !after {
        // RFC 5261, 4.5: it must be there. Between the elements of FHIR there is none that counts.
        let is_narrative = parent.namespace == Some(xml::Namespace::Xhtml);
        if is_narrative {
            return Err(unfit("there is no white space that could go too"));
        }
    }
    let start = at - usize::from(space.before && before);
    let end = at + 1 + usize::from(space.after && after);
    parent.children.drain(start..end);
    parent.join();
    Ok(())
}

fn replace(root: &mut Element, path: &[usize], content: &[Node]) -> Result<()> {
    let Some(Node::Element(new)) = content.first() else {
        return Err(Fault::internal("an element is to be replaced by none"));
    };
    *element(root, path)? = new.clone();
    Ok(())
}

fn element<'a>(root: &'a mut Element, path: &[usize]) -> Result<&'a mut Element> {
    root.at_mut(path).ok_or_else(|| Fault::internal("a place of an XML tree that was found is not there"))
}

/// The parent of an element, and its position there.
fn parent<'a>(root: &'a mut Element, path: &[usize]) -> Result<(&'a mut Element, usize)> {
    match path.split_last() {
        Some((at, parents)) => Ok((element(root, parents)?, *at)),
        None => Err(unfit("the root element can neither be removed nor get siblings")),
    }
}

/// Adds a pair whose name is not there yet.
fn fresh(pairs: &mut Vec<(String, String)>, name: &str, value: &str) -> Result<()> {
    if pairs.iter().any(|(given, _)| given == name) {
        return Err(unfit(format!("{name} is there already")));
    }
    pairs.push((name.to_owned(), value.to_owned()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::{parse, write};

    const BOUNDS: PatchBounds = PatchBounds { operations: 20, nesting: 64, bytes: 1 << 16 };

    fn patched(operations: &str, resource: &str) -> Result<String> {
        let diff =
            format!("<diff xmlns=\"http://hl7.org/fhir\" xmlns:h=\"http://www.w3.org/1999/xhtml\">{operations}</diff>");
        let patch = XmlPatch::read(diff.as_bytes(), BOUNDS)?;
        let result = patch.apply(&parse(resource.as_bytes()).expect("JSON"), &mut Budget::new(BOUNDS))?;
        let mut out = Vec::new();
        write(&result, &mut out);
        Ok(String::from_utf8(out).expect("UTF-8"))
    }

    const PATIENT: &str = r#"{"resourceType":"Patient","id":"a","active":true,"name":[{"use":"official","family":"F","given":["A","B"]},{"use":"usual","given":["C"]}],"birthDate":"1970"}"#;

    #[test]
    fn resources_are_patched() {
        for (operations, old, new) in [
            (r#"<replace sel="Patient/active/@value">false</replace>"#, r#""active":true"#, r#""active":false"#),
            (r#"<remove sel="f:Patient/f:birthDate"/>"#, r#","birthDate":"1970""#, ""),
            (r#"<remove sel="/Patient/name[use/@value='official']/given[2]"/>"#, r#"["A","B"]"#, r#"["A"]"#),
            (
                r#"<add sel="Patient/name[2]" pos="prepend"><family value="G"/></add>"#,
                r#""usual","given""#,
                r#""usual","family":"G","given""#,
            ),
            // Added at the end, and yet in its place.
            (
                r#"<add sel="Patient"><gender value="male"/></add>"#,
                r#","birthDate""#,
                r#","gender":"male","birthDate""#,
            ),
            (
                r#"<add sel="Patient/name[1]/given[1]" pos="before"><given value="0"/></add>"#,
                r#"["A","B"]"#,
                r#"["0","A","B"]"#,
            ),
            (
                r#"<add sel="Patient/name[1]/given[1]" pos="after"><given value="0"/></add>"#,
                r#"["A","B"]"#,
                r#"["A","0","B"]"#,
            ),
            (
                r#"<add sel="Patient/name[1]" type="@id">n1</add>"#,
                r#"{"use":"official""#,
                r#"{"id":"n1","use":"official""#,
            ),
            (
                r#"<replace sel="Patient/name[2]/given"><given value="D &amp; &quot;E&quot;"/></replace>"#,
                r#"["C"]"#,
                r#"["D & \"E\""]"#,
            ),
            (
                r#"<remove sel="Patient/name[2]/given/@value"/><add sel="Patient/name[2]/given" type="@value">Z</add>"#,
                r#"["C"]"#,
                r#"["Z"]"#,
            ),
        ] {
            assert_eq!(patched(operations, PATIENT), Ok(PATIENT.replace(old, new)), "{operations}");
        }
    }

    #[test]
    fn narratives_stay_as_they_are_until_they_are_changed() {
        let div = r#"<div xmlns='http://www.w3.org/1999/xhtml'><p>a&#160;<b>c</b> d</p></div>"#;
        let with = |div: &str| {
            format!(
                r#"{{"resourceType":"Basic","text":{{"status":"generated","div":{}}},"code":{{"text":"x"}}}}"#,
                serde_json(div)
            )
        };
        let replaced = patched(r#"<replace sel="Basic/code/text/@value">y</replace>"#, &with(div)).expect("patched");
        assert_eq!(replaced, with(div).replace(r#""text":"x""#, r#""text":"y""#));
        let replaced =
            patched(r#"<replace sel="Basic/text/h:div/h:p/h:b/text()">e</replace>"#, &with(div)).expect("patched");
        assert_eq!(replaced, with("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>a\u{a0}<b>e</b> d</p></div>"));
        let removed = patched(r#"<remove sel="Basic/text/h:div/h:p/text()[2]"/>"#, &with(div)).expect("patched");
        assert!(removed.contains("</b></p>"), "{removed}");
    }

    fn serde_json(text: &str) -> String {
        let mut out = Vec::new();
        write(&Json::string(text), &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (operations, status) in [
            ("", 400),
            ("text", 400),
            (r#"<move sel="Patient"/>"#, 400),
            ("<remove/>", 400),
            (r#"<remove sel="Patient//x"/>"#, 400),
            (r#"<remove sel="Patient/active" ws="none"/>"#, 400),
            (r#"<remove sel="Patient/active">x</remove>"#, 400),
            (r#"<add sel="Patient/active"/>"#, 400),
            (r#"<add sel="Patient/active/@value">x</add>"#, 400),
            (r#"<add sel="Patient/active" pos="middle">x</add>"#, 400),
            (r#"<add sel="Patient/active" type="value">x</add>"#, 400),
            (r#"<add sel="Patient/active" type="@a b">x</add>"#, 400),
            (r#"<replace sel="Patient/active"><active value="true"/><active value="true"/></replace>"#, 400),
            (r#"<replace sel="Patient/active/@value"><x/></replace>"#, 400),
            (r#"<replace sel="Patient/active" pos="before"><active value="true"/></replace>"#, 400),
            (r#"<remove sel="Patient"/>"#, 422),
            (r#"<remove sel="Patient/gender"/>"#, 422),
            (r#"<remove sel="Patient/name"/>"#, 422),
            (r#"<remove sel="Patient/active/@id"/>"#, 422),
            (r#"<remove sel="Patient/active/text()"/>"#, 422),
            (r#"<add sel="Patient/active" type="@value">false</add>"#, 422),
            // The result is not FHIR's XML.
            (r#"<add sel="Patient"><nickname value="x"/></add>"#, 400),
            (r#"<add sel="Patient"><gender xmlns="" value="male"/></add>"#, 400),
            (r#"<add sel="Patient">text</add>"#, 400),
            (r#"<add sel="Patient"><active value="false"/></add>"#, 400),
            (r#"<remove sel="Patient/active/@value"/>"#, 400),
            (r#"<replace sel="Patient/active/@value">maybe</replace>"#, 400),
            (r#"<add sel="Patient" type="namespace::x"></add>"#, 400),
        ] {
            assert_eq!(patched(operations, PATIENT).expect_err(operations).category().status(), status, "{operations}");
        }
        // nothing uses it
        let declared = patched(r#"<add sel="Patient" type="namespace::x">urn:x</add>"#, PATIENT).expect("no change");
        assert_eq!(declared, PATIENT);
        let many = r#"<remove sel="Patient/name[1]/given[1]"/>"#.repeat(21);
        assert!(patched(&many, PATIENT).expect_err("many").message().contains("20 operations"));
        let name = format!("<name><text value=\"{}\"/></name>", "x".repeat(9000));
        let growing = format!(r#"<add sel="Patient">{name}</add>"#).repeat(8);
        assert_eq!(patched(&growing, PATIENT).expect_err("grows").category().status(), 422);
    }
}
