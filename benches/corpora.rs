//! What the benches scan: made-up stanzas by seed, and streams captured between real servers.

use ringgate_proto::scan::naive::inputs::Numbers;

/// Streams of one sort.
pub(crate) struct Corpus {
    /// For the table.
    pub(crate) name: &'static str,
    /// Each with its header and without its end tag.
    pub(crate) streams: Vec<Vec<u8>>,
    /// Depth-1 elements in all of them.
    pub(crate) stanzas: usize,
}

impl Corpus {
    /// Bytes of all streams.
    pub(crate) fn bytes(&self) -> usize {
        self.streams.iter().map(Vec::len).sum()
    }
}

const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' \
    xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' from='a.example' to='b.example' \
    id='x1' xml:lang='en' version='1.0'>";

const WORDS: &[&str] = &[
    "the", "meeting", "moved", "to", "half", "past", "nine", "because", "nobody", "could", "find", "room", "again",
    "it's", "fine,", "really", "&lt;3", "see", "you", "there", "bring", "coffee", "&amp;", "cake", "please",
];

const WORDS_UTF8: &[&str] = &[
    "встреча",
    "перенесена",
    "на",
    "девять",
    "потому",
    "что",
    "会议",
    "改到",
    "九点半",
    "因为",
    "没有",
    "房间",
    "😀",
    "👍🏽",
    "кофе",
    "&amp;",
    "пирог",
    "пожалуйста",
    "再见",
];

const BYTES: usize = 512 * 1024;

fn made(name: &'static str, mut stanza: impl FnMut(&mut Numbers) -> String) -> Corpus {
    let mut numbers = Numbers::new(7);
    let mut stream = HEADER.as_bytes().to_vec();
    let mut stanzas = 0;
    while stream.len() < BYTES {
        stream.extend_from_slice(stanza(&mut numbers).as_bytes());
        stanzas += 1;
    }
    Corpus { name, streams: vec![stream], stanzas }
}

fn text(numbers: &mut Numbers, words: &[&str], bytes: usize) -> String {
    let mut text = String::new();
    while text.len() < bytes {
        text.push_str(numbers.pick(words));
        text.push(' ');
    }
    text
}

fn base64(numbers: &mut Numbers, bytes: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..bytes).map(|_| char::from(DIGITS[numbers.below(64)])).collect()
}

fn presence(n: &mut Numbers) -> String {
    let (user, resource, id) = (n.below(9999), n.draw() & 0xFFFF_FFFF, n.draw());
    format!(
        "<presence from='user{user}@a.example/phone.{resource:08x}' to='friend{user}@b.example' id='{id:016x}'>\
         <show>away</show><status>{}</status>\
         <c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://client.example' ver='{}='/>\
         <x xmlns='vcard-temp:x:update'><photo>{id:016x}</photo></x></presence>",
        text(n, WORDS, 4),
        base64(n, 27),
    )
}

fn message(n: &mut Numbers, words: &[&str], bytes: usize) -> String {
    let (user, resource, id) = (n.below(9999), n.draw() & 0xFFFF_FFFF, n.draw());
    format!(
        "<message from='user{user}@a.example/phone.{resource:08x}' to='friend{user}@b.example' id='{id:016x}' type='chat'>\
         <body>{}</body><origin-id xmlns='urn:xmpp:sid:0' id='{id:016x}'/><active xmlns='http://jabber.org/protocol/chatstates'/>\
         <request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='friend{user}@b.example' id='{id:016x}'/></message>",
        text(n, words, bytes),
    )
}

fn omemo(n: &mut Numbers) -> String {
    let keys: String =
        (0..4).map(|_| format!("<key rid='{}'>{}</key>", n.draw() & 0x7FFF_FFFF, base64(n, 220))).collect();
    let id = n.draw();
    format!(
        "<message from='user{id}@a.example/phone' to='friend@b.example' id='{id:016x}' type='chat'>\
         <encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='{}'>{keys}<iv>{}</iv></header>\
         <payload>{}</payload></encrypted><store xmlns='urn:xmpp:hints'/>\
         <encryption xmlns='urn:xmpp:eme:0' name='OMEMO' namespace='eu.siacs.conversations.axolotl'/>\
         <body>I sent you an OMEMO encrypted message</body></message>",
        n.draw() & 0x7FFF_FFFF,
        base64(n, 16),
        base64(n, 120),
    )
}

fn avatar(n: &mut Numbers) -> String {
    let id = n.draw();
    format!(
        "<iq from='user@a.example' to='friend@b.example/phone' id='{id:016x}' type='result'>\
         <pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:avatar:data'><item id='{id:016x}'>\
         <data xmlns='urn:xmpp:avatar:data'>{}</data></item></items></pubsub></iq>",
        base64(n, 30_000),
    )
}

/// The names of all corpora.
pub(crate) const NAMES: &[&str] = &["presence", "message", "message UTF-8", "OMEMO", "avatar 30 KB", "captured"];

/// The corpus of this name.
pub(crate) fn named(name: &str) -> Corpus {
    match name {
        "presence" => made("presence", presence),
        "message" => made("message", |n| message(n, WORDS, 120)),
        "message UTF-8" => made("message UTF-8", |n| message(n, WORDS_UTF8, 140)),
        "OMEMO" => made("OMEMO", omemo),
        "avatar 30 KB" => made("avatar 30 KB", avatar),
        _ => captured(),
    }
}

/// The longest captured streams: header, then the stanzas of a few hundred exchanges.
fn captured() -> Corpus {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../cases/corpus");
    let mut streams = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "xml") || path.metadata().unwrap().len() < 20_000 {
            continue;
        }
        let capture = std::fs::read_to_string(path).unwrap();
        let header = capture.rfind("<stream:stream").unwrap();
        let end = capture.rfind("</stream:stream>").unwrap_or(capture.len());
        streams.push(capture.as_bytes()[header..end].to_vec());
    }
    let stanzas = streams.iter().map(|s| super::scanner(s, ringgate_proto::scan::Cpu::Scalar)).sum();
    Corpus { name: "captured", streams, stanzas }
}
