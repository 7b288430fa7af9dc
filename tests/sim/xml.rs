//! The model's own XML: a slow splitter of a stream into header, depth-1 elements and end tag. It shares nothing with the
//! crate's scanner and serves only what the model servers need; it trusts the gate to write well-formed XML and panics
//! when it does not.

/// What a stream consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    Header(String),
    Element(String),
    End,
}

/// One direction of one stream.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    buffer: String,
    opened: bool,
}

impl Reader {
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Token> {
        self.buffer.push_str(std::str::from_utf8(bytes).expect("the model's peers write ASCII, split anywhere"));
        std::iter::from_fn(|| self.next()).collect()
    }

    fn next(&mut self) -> Option<Token> {
        let text = self.buffer.trim_start();
        let skipped = self.buffer.len() - text.len();
        if text.starts_with("<?") {
            let end = text.find("?>")? + 2;
            self.buffer.drain(..skipped + end);
            return self.next();
        }
        let (token, end) = if text.starts_with("</") {
            let end = tag_end(text)?;
            assert_eq!(&text[..end], "</stream:stream>", "an end tag without its element");
            (Token::End, end)
        } else if !self.opened {
            let end = tag_end(text)?;
            assert!(text.starts_with("<stream:stream"), "no stream header: {text}");
            self.opened = true;
            (Token::Header(text[..end].to_owned()), end)
        } else {
            let end = element_end(text)?;
            (Token::Element(text[..end].to_owned()), end)
        };
        self.buffer.drain(..skipped + end);
        Some(token)
    }
}

/// Offset after the tag that `text` begins with; `None` while it is incomplete.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'\'' | b'"') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

/// Offset after the element that `text` begins with.
fn element_end(text: &str) -> Option<usize> {
    let (mut at, mut depth) = (0, 0usize);
    loop {
        at += text[at..].find('<')?;
        let end = at + tag_end(&text[at..])?;
        let tag = &text[at..end];
        if tag.starts_with("</") {
            depth -= 1;
        } else if !tag.ends_with("/>") {
            depth += 1;
        }
        if depth == 0 {
            return Some(end);
        }
        at = end;
    }
}

/// The first tag's name.
pub fn name(element: &str) -> &str {
    let rest = element.trim_start_matches('<');
    rest.split([' ', '>', '/']).next().unwrap_or_default()
}

/// An attribute of the first tag.
pub fn attr<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let tag = &element[..tag_end(element).unwrap_or(element.len())];
    for quote in ['\'', '"'] {
        let begin = format!(" {name}={quote}");
        if let Some(at) = tag.find(&begin) {
            let value = &tag[at + begin.len()..];
            return value.find(quote).map(|end| &value[..end]);
        }
    }
    None
}

/// Character data of an element without children.
pub fn text(element: &str) -> &str {
    let Some(begin) = tag_end(element) else { return "" };
    element[begin..].split('<').next().unwrap_or_default()
}

/// The domainpart of an address.
pub fn domain(jid: &str) -> &str {
    let bare = jid.split('/').next().unwrap_or_default();
    bare.rsplit('@').next().unwrap_or_default()
}

#[test]
fn reader_finds_the_same_tokens_at_every_split() {
    let stream = "<?xml version='1.0'?><stream:stream a='>'> <a b='/>'><c/>x</a><d/></stream:stream>";
    let whole = Reader::default().feed(stream.as_bytes());
    let expected = [
        Token::Header("<stream:stream a='>'>".into()),
        Token::Element("<a b='/>'><c/>x</a>".into()),
        Token::Element("<d/>".into()),
        Token::End,
    ];
    assert_eq!(whole, expected);
    for split in 0..stream.len() {
        let mut reader = Reader::default();
        let mut tokens = reader.feed(&stream.as_bytes()[..split]);
        tokens.extend(reader.feed(&stream.as_bytes()[split..]));
        assert_eq!(tokens, expected, "{split}");
    }
}
