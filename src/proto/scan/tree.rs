//! A small tree of one negotiation element, and the escaping that its answer needs.
//!
//! The scanner has proven the element well-formed and kept it within the bounds; this reader is for the handful of
//! elements of a negotiation, never for stanzas. It trusts nothing all the same: impossible input is `None`.

use alloc::string::String;
use alloc::vec::Vec;

use crate::limits::STANZA_DEPTH;
use crate::ns;
use crate::scan::StreamContext;

/// One element with everything in it, names resolved and references decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Local name.
    pub name: String,
    /// Namespace name; empty when the element has none.
    pub namespace: String,
    /// Attributes in document order, namespace declarations left out.
    pub attributes: Vec<Attribute>,
    /// Child elements in document order.
    pub children: Vec<Node>,
    /// Character data directly in this element.
    pub text: String,
}

/// One attribute of a [`Node`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Local name.
    pub name: String,
    /// Namespace name; empty for an unprefixed attribute.
    pub namespace: String,
    /// Decoded and normalised (XML 1.0 §3.3.3).
    pub value: String,
}

impl Node {
    /// Reads one element; prefixes that it does not declare mean what the stream's header says.
    ///
    /// `None` when `bytes` are not exactly one element, which the scanner's own cannot be.
    pub fn parse(bytes: &[u8], context: &StreamContext) -> Option<Self> {
        Self::parse_with(bytes, &|prefix| context.namespace(prefix).map(String::from))
    }

    fn parse_with(bytes: &[u8], inherited: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let input = core::str::from_utf8(bytes).ok()?;
        Reader { rest: input, scopes: Vec::new(), inherited }.element_tree()
    }

    /// Whether this is the element `name` in `namespace`.
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.name == name && self.namespace == namespace
    }

    /// The value of an unprefixed attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|a| a.namespace.is_empty() && a.name == name).map(|a| a.value.as_str())
    }

    /// The first child `name` in `namespace`.
    pub fn child(&self, namespace: &str, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.is(namespace, name))
    }
}

/// Appends `text` such that it stands for itself in character data and in attribute values of either quote.
pub fn escape(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'\'' => out.extend_from_slice(b"&apos;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\t' => out.extend_from_slice(b"&#9;"),
            b'\n' => out.extend_from_slice(b"&#10;"),
            b'\r' => out.extend_from_slice(b"&#13;"),
            _ => out.push(byte),
        }
    }
}

/// An open element: its node so far, its QName, and how many scopes were open before it.
struct Open<'b> {
    node: Node,
    qname: &'b str,
    scopes: usize,
}

struct Tag<'b> {
    qname: &'b str,
    attributes: Vec<(&'b str, String)>,
    is_empty: bool,
}

struct Reader<'b, 'c> {
    rest: &'b str,
    /// Declarations in force, innermost last.
    scopes: Vec<(&'b str, String)>,
    inherited: &'c dyn Fn(&str) -> Option<String>,
}

impl<'b> Reader<'b, '_> {
    fn element_tree(mut self) -> Option<Node> {
        let mut stack: Vec<Open<'b>> = Vec::new();
        loop {
            let closed = if self.take("</") {
                let open = stack.pop()?;
                self.end_tag(open.qname)?;
                Some(open)
            } else if self.take("<![CDATA[") {
                let (text, rest) = self.rest.split_once("]]>")?;
                stack.last_mut()?.node.text.push_str(&unify_line_ends(text));
                self.rest = rest;
                None
            } else if self.take("<") {
                let tag = self.start_tag()?;
                let is_empty = tag.is_empty;
                let open = self.open(tag)?;
                if is_empty {
                    Some(open)
                } else {
                    stack.push(open);
                    (stack.len() <= usize::from(STANZA_DEPTH)).then_some(())?;
                    None
                }
            } else {
                let end = self.rest.find('<')?;
                let (text, rest) = self.rest.split_at(end);
                let text = decode(&unify_line_ends(text))?;
                stack.last_mut()?.node.text.push_str(&text);
                self.rest = rest;
                None
            };
            let Some(closed) = closed else { continue };
            self.scopes.truncate(closed.scopes);
            match stack.last_mut() {
                Some(parent) => parent.node.children.push(closed.node),
                None => return self.rest.is_empty().then_some(closed.node),
            }
        }
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn name(&mut self) -> Option<&'b str> {
        let end = self.rest.find([' ', '\t', '\r', '\n', '=', '/', '>', '<', '"', '\'', '&'])?;
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!name.is_empty()).then_some(name)
    }

    fn end_tag(&mut self, qname: &str) -> Option<()> {
        (self.name()? == qname).then_some(())?;
        self.skip_space();
        self.take(">").then_some(())
    }

    /// After the `<` of a start tag.
    fn start_tag(&mut self) -> Option<Tag<'b>> {
        let qname = self.name()?;
        let mut attributes = Vec::new();
        loop {
            self.skip_space();
            if self.take("/>") {
                return Some(Tag { qname, attributes, is_empty: true });
            }
            if self.take(">") {
                return Some(Tag { qname, attributes, is_empty: false });
            }
            let name = self.name()?;
            self.skip_space();
            self.take("=").then_some(())?;
            self.skip_space();
            attributes.push((name, self.value()?));
        }
    }

    fn value(&mut self) -> Option<String> {
        let quote = self.rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (raw, rest) = self.rest.get(1..)?.split_once(quote)?;
        self.rest = rest;
        decode(&unify_line_ends(raw).replace(['\t', '\n'], " "))
    }

    /// Opens the scope of a start tag and resolves its names.
    fn open(&mut self, tag: Tag<'b>) -> Option<Open<'b>> {
        let scopes = self.scopes.len();
        let mut plain = Vec::new();
        for (qname, value) in tag.attributes {
            match qname.strip_prefix("xmlns") {
                Some("") => self.scopes.push(("", value)),
                Some(prefix) if prefix.starts_with(':') => self.scopes.push((&prefix[1..], value)),
                _ => plain.push((qname, value)),
            }
        }
        let (prefix, name) = tag.qname.split_once(':').unwrap_or(("", tag.qname));
        let namespace = match self.resolve(prefix) {
            Some(namespace) => namespace,
            None if prefix.is_empty() => String::new(),
            None => return None,
        };
        let mut attributes = Vec::with_capacity(plain.len());
        for (qname, value) in plain {
            let (namespace, name) = match qname.split_once(':') {
                Some((prefix, name)) => (self.resolve(prefix)?, name),
                None => (String::new(), qname),
            };
            attributes.push(Attribute { name: name.into(), namespace, value });
        }
        let node = Node { name: name.into(), namespace, attributes, children: Vec::new(), text: String::new() };
        Some(Open { node, qname: tag.qname, scopes })
    }

    fn resolve(&self, prefix: &str) -> Option<String> {
        if prefix == "xml" {
            return Some(ns::XML.into());
        }
        let own = self.scopes.iter().rev().find(|(p, _)| *p == prefix).map(|(_, uri)| uri.clone());
        own.or_else(|| (self.inherited)(prefix))
    }
}

/// XML 1.0 §2.11.
fn unify_line_ends(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Replaces the references of XML 1.0 §4.1 and §4.6; no others can stand here.
fn decode(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        decoded.push_str(before);
        let (name, after) = after.split_once(';')?;
        decoded.push(reference(name)?);
        rest = after;
    }
    decoded.push_str(rest);
    Some(decoded)
}

fn reference(name: &str) -> Option<char> {
    let number = |digits: &str, radix| {
        let is_plain = digits.bytes().all(|b| b.is_ascii_alphanumeric()); // from_str_radix takes a sign
        u32::from_str_radix(digits, radix).ok().filter(|_| is_plain).and_then(char::from_u32)
    };
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => match name.strip_prefix("#x") {
            Some(digits) => number(digits, 16),
            None => number(name.strip_prefix('#')?, 10),
        },
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn header(prefix: &str) -> Option<String> {
        match prefix {
            "" => Some(ns::SERVER.into()),
            "db" => Some(ns::DIALBACK.into()),
            _ => None,
        }
    }

    fn parse(input: &str) -> Option<Node> {
        Node::parse_with(input.as_bytes(), &header)
    }

    #[test]
    fn names_resolve_by_own_declarations_then_by_the_header() {
        let node = parse(
            "<db:result a='1' xmlns:q='urn:q' q:a='2' xml:lang='en'><x/><y xmlns='urn:y'><z/></y><q:x/></db:result>",
        );
        let node = node.unwrap();
        assert!(node.is(ns::DIALBACK, "result"));
        assert_eq!(node.attribute("a"), Some("1"));
        assert_eq!(node.attributes.len(), 3);
        assert_eq!(node.attributes[1].namespace, "urn:q");
        assert_eq!(node.attributes[2].namespace, ns::XML);
        assert!(node.child(ns::SERVER, "x").is_some());
        assert!(node.child("urn:y", "y").unwrap().child("urn:y", "z").is_some());
        assert!(node.child("urn:q", "x").is_some());
    }

    #[test]
    fn a_declaration_ends_with_its_element() {
        let node = parse("<a xmlns=''><b xmlns='urn:b'/><b/></a>").unwrap();
        assert_eq!(node.namespace, "");
        assert_eq!(node.children[0].namespace, "urn:b");
        assert_eq!(node.children[1].namespace, "");
        assert!(parse("<a><b xmlns:p='urn:p'/><p:c/></a>").is_none());
    }

    #[test]
    fn references_cdata_and_line_ends_are_decoded() {
        let node = parse("<a v='&lt;&#65;&#x42;\r\n&#10;&quot;'>&amp;<b/><![CDATA[<&\r\n]]>\r.</a>").unwrap();
        assert_eq!(node.attribute("v"), Some("<AB \n\""));
        assert_eq!(node.text, "&<&\n\n.");
    }

    #[test]
    fn impossible_input_is_none() {
        for input in [
            "",
            "x",
            "<",
            "<a",
            "<a>",
            "<a></b>",
            "<a/>x",
            "<a/><b/>",
            "</a>",
            "<a b/>",
            "<a b=/>",
            "<a b='/>",
            "<a b='&x;'/>",
            "<a b='&#;'/>",
            "<a b='&#+65;'/>",
            "<a b='&#x110000;'/>",
            "<a b='&lt'/>",
            "<p:a/>",
            "<a p:b='1'/>",
            "<![CDATA[x]]>",
            "<a><![CDATA[x</a>",
            "<a><!-- --></a>",
            "<>",
            "< a/>",
            "</",
            "é",
        ] {
            assert_eq!(parse(input), None, "{input}");
        }
        assert_eq!(Node::parse_with(b"<a>\xff</a>", &header), None);
    }

    #[test]
    fn every_prefix_and_every_mutation_of_an_element_is_answered_without_panic() {
        let input = "<db:x xmlns:é='&#233;' é:b=\"&amp;\"><![CDATA[é]]>é&lt;<y/></db:x >";
        for end in 0..input.len() {
            assert_eq!(Node::parse_with(&input.as_bytes()[..end], &header), None);
        }
        for at in 0..input.len() {
            for byte in 0..=255 {
                let mut bytes = input.as_bytes().to_vec();
                bytes[at] = byte;
                let _ = Node::parse_with(&bytes, &header);
            }
        }
    }

    #[test]
    fn depth_beyond_the_bound_is_none() {
        let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(parse(&nested(usize::from(STANZA_DEPTH))).is_some());
        assert!(parse(&nested(usize::from(STANZA_DEPTH) + 1)).is_none());
    }

    #[test]
    fn what_is_escaped_reads_back_as_it_was() {
        let text = "<a b='c'>\"&amp;\t\r\n é";
        let mut out = b"<a v='".to_vec();
        escape(text, &mut out);
        out.extend_from_slice(b"'>");
        escape(text, &mut out);
        out.extend_from_slice(b"</a>");
        let node = Node::parse_with(&out, &header).unwrap();
        assert_eq!(node.attribute("v"), Some(text));
        assert_eq!(node.text, text);
    }
}
