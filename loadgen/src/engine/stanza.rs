//! What is written on the wire, and how it is recognised again.
//!
//! A stanza's `id` says which run sent it, on which lane, under which number, and what it was filled with: whoever it
//! reaches can tell whether it is what was sent, without a table.
//!
//! ```text
//!   id='7f3a 00002a 0000001f f 00120'      (without the blanks)
//!       run  lane   number   │ bytes of text
//!                            └ form: what stands around the text
//! ```

use ringgate_proto::scan::Element;

use super::hex;
use crate::plan::{Lane, Plan, Stanza, StanzaKind};
use crate::world;

/// Bytes of an id.
const ID_BYTES: usize = 24;
/// Beginnings of the text that take turns, so that no two stanzas in a row carry the same.
const VARIANTS: u32 = 64;

/// Number of a lane's primer, the stanza that shows before the load that the whole way is open.
pub(super) const PRIMER: u32 = u32::MAX;

/// One stanza of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label {
    /// Index in [`Plan::lanes`].
    pub(super) lane: u32,
    /// Which of the lane's stanzas, from 0; or [`PRIMER`].
    pub(super) number: u32,
}

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// A stanza of this run, as it was sent.
    Sent(Label),
    /// A stanza of this run that came back as an error to its sender.
    Bounced(Label),
    /// Nobody of this run sent that, or not to this domain, or it was changed.
    Foreign,
}

/// What stands around the text of a stanza.
struct Form {
    /// In the id.
    letter: u8,
    /// Element name, up to its addresses.
    name: &'static str,
    /// After the id.
    open: &'static str,
    /// After the text.
    close: &'static str,
    /// Filled with base64 instead of words.
    base64: bool,
}

const CAPS: &str = "</status><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://client.example/' \
                    ver='QgayPKawpkPSDYmwT/WM94uAlu0='/></presence>";
const CAPS_AND_PHOTO: &str = "</status><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://client.example/' \
                              ver='QgayPKawpkPSDYmwT/WM94uAlu0='/><x xmlns='vcard-temp:x:update'>\
                              <photo>a9993e364706816aba3e25717850c26c9cd0d89d</photo></x></presence>";
const AVATAR: &str = "' type='result'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:avatar:data'>\
                      <item id='a9993e364706816aba3e25717850c26c9cd0d89d'><data xmlns='urn:xmpp:avatar:data'>";

const FORMS: [Form; 7] = [
    Form { letter: b'e', name: "presence", open: "'/>", close: "", base64: false },
    Form { letter: b's', name: "presence", open: "'><status>", close: "</status></presence>", base64: false },
    Form { letter: b'c', name: "presence", open: "'><status>", close: CAPS, base64: false },
    Form { letter: b'f', name: "presence", open: "'><status>", close: CAPS_AND_PHOTO, base64: false },
    Form { letter: b'p', name: "presence", open: "' type='probe'/>", close: "", base64: false },
    Form { letter: b'm', name: "message", open: "' type='chat'><body>", close: "</body></message>", base64: false },
    Form { letter: b'a', name: "iq", open: AVATAR, close: "</data></item></items></pubsub></iq>", base64: true },
];

/// Forms of a presence, from the shortest.
const PRESENCES: &[Form] = FORMS.split_at(4).0;
const PROBE: &Form = &FORMS[4];
const MESSAGE: &Form = &FORMS[5];
const IQ: &Form = &FORMS[6];
/// Text that a presence has at least before it takes a longer form.
const STATUS_BYTES: usize = 8;

/// The fixed parts of a lane's addresses.
struct Route {
    /// `@from-domain' to='u`
    middle: Box<[u8]>,
    /// `@to-domain' id='`
    end: Box<[u8]>,
    /// `@from-domain`
    from: Box<[u8]>,
    /// `@to-domain`
    to: Box<[u8]>,
}

impl Route {
    fn new(lane: &Lane) -> Self {
        let (from, to) = (world::domain(lane.from), world::domain(lane.to));
        let (from, to) = (format!("@{}", from.as_str()), format!("@{}", to.as_str()));
        let boxed = |text: &str| text.as_bytes().into();
        Self {
            middle: boxed(&format!("{from}' to='u")),
            end: boxed(&format!("{to}' id='")),
            from: boxed(&from),
            to: boxed(&to),
        }
    }
}

/// Writes and recognises the stanzas of one run.
pub(super) struct Book {
    run: [u8; 4],
    routes: Box<[Route]>,
    words: Box<[u8]>,
    base64: Box<[u8]>,
}

impl Book {
    /// For the stanzas of `plan`; `run` tells its stanzas from those of other runs.
    pub(super) fn new(plan: &Plan, run: u16) -> Self {
        let mut tag = [0; 4];
        hex::write(run.into(), &mut tag);
        let room = longest(plan) as usize + VARIANTS as usize;
        Self { run: tag, routes: plan.lanes.iter().map(Route::new).collect(), words: words(room), base64: base64(room) }
    }

    /// Appends a stanza from user `from` to user `to`; at least what its addresses and id need, else exactly
    /// `stanza.bytes`.
    pub(super) fn write(&self, label: Label, stanza: Stanza, from: u32, to: u32, out: &mut Vec<u8>) {
        let route = &self.routes[label.lane as usize];
        // `<`, ` from='u`, and what the form does not know of.
        let head = 1 + 8 + digits(from) + route.middle.len() + digits(to) + route.end.len() + ID_BYTES;
        let form = choose(stanza, head);
        let taken = head + form.name.len() + form.open.len() + form.close.len();
        let text = if form.close.is_empty() { 0 } else { (stanza.bytes as usize).saturating_sub(taken) };
        out.reserve(taken + text);
        out.push(b'<');
        out.extend_from_slice(form.name.as_bytes());
        out.extend_from_slice(b" from='u");
        push_decimal(from, out);
        out.extend_from_slice(&route.middle);
        push_decimal(to, out);
        out.extend_from_slice(&route.end);
        self.push_id(label, form, text, out);
        out.extend_from_slice(form.open.as_bytes());
        out.extend_from_slice(self.text(form, label, text));
        out.extend_from_slice(form.close.as_bytes());
    }

    /// Says what an element is that came.
    pub(super) fn inspect(&self, element: &Element<'_>) -> Seen {
        self.recognise(element).unwrap_or(Seen::Foreign)
    }

    fn recognise(&self, element: &Element<'_>) -> Option<Seen> {
        let (label, form, length) = self.read_id(element.id?.raw)?;
        let route = self.routes.get(label.lane as usize)?;
        let (from, to) = (element.from?.raw, element.to?.raw);
        if element.ty.is_some_and(|ty| ty.raw == b"error") {
            return to.ends_with(&route.from).then_some(Seen::Bounced(label));
        }
        let is_name = element.bytes.get(1..element.name_end as usize) == Some(form.name.as_bytes());
        let is_whole = is_name && from.ends_with(&route.from) && to.ends_with(&route.to);
        (is_whole && self.carries(element.bytes, form, label, length)).then_some(Seen::Sent(label))
    }

    /// Whether the stanza carries the text it was sent with. Servers write stanzas anew: attributes may come in another
    /// order, but a text stays what it is.
    fn carries(&self, bytes: &[u8], form: &Form, label: Label, length: usize) -> bool {
        if form.close.is_empty() {
            return true;
        }
        let text = self.text(form, label, length);
        let tail = |bytes: &[u8]| bytes.strip_suffix(form.close.as_bytes()).is_some_and(|rest| ends_so(rest, text));
        tail(bytes) || begins_somewhere(bytes, text)
    }

    fn text(&self, form: &Form, label: Label, length: usize) -> &[u8] {
        let source = if form.base64 { &self.base64 } else { &self.words };
        let start = (label.number % VARIANTS) as usize;
        &source[start..start + length]
    }

    fn push_id(&self, label: Label, form: &Form, text: usize, out: &mut Vec<u8>) {
        let mut id = [0; ID_BYTES];
        id[..4].copy_from_slice(&self.run);
        hex::write(label.lane, &mut id[4..10]);
        hex::write(label.number, &mut id[10..18]);
        id[18] = form.letter;
        hex::write(text as u32, &mut id[19..]);
        out.extend_from_slice(&id);
    }

    fn read_id(&self, id: &[u8]) -> Option<(Label, &'static Form, usize)> {
        let id: &[u8; ID_BYTES] = id.try_into().ok()?;
        if id[..4] != self.run {
            return None;
        }
        let label = Label { lane: hex::read(&id[4..10])?, number: hex::read(&id[10..18])? };
        let form = FORMS.iter().find(|form| form.letter == id[18])?;
        let length = hex::read(&id[19..])? as usize;
        (length + VARIANTS as usize <= self.words.len()).then_some((label, form, length))
    }
}

/// Text, right behind the end of a start tag.
fn ends_so(rest: &[u8], text: &[u8]) -> bool {
    rest.strip_suffix(text).is_some_and(|rest| rest.ends_with(b">"))
}

/// Text as the whole content of an element.
fn begins_somewhere(bytes: &[u8], text: &[u8]) -> bool {
    let starts = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'>').map(|(at, _)| at + 1);
    starts.map(|at| &bytes[at..]).any(|rest| rest.strip_prefix(text).is_some_and(|rest| rest.starts_with(b"<")))
}

/// The form of a stanza whose part before the form takes `head` bytes.
fn choose(stanza: Stanza, head: usize) -> &'static Form {
    let fits = |form: &&Form| {
        head + form.name.len() + form.open.len() + form.close.len() + STATUS_BYTES <= stanza.bytes as usize
    };
    match stanza.kind {
        StanzaKind::Presence => PRESENCES.iter().rev().find(fits).unwrap_or(&PRESENCES[0]),
        StanzaKind::Probe => PROBE,
        StanzaKind::Message => MESSAGE,
        StanzaKind::Avatar => IQ,
    }
}

fn longest(plan: &Plan) -> u32 {
    use crate::plan::Load;
    match &plan.load {
        Load::Paced(timetable) => {
            timetable.departures().iter().map(|departure| departure.stanza.bytes).max().unwrap_or(0)
        }
        Load::Saturating { stanza, .. } => stanza.bytes,
        Load::Connecting { .. } | Load::Idle => 0,
    }
}

fn words(bytes: usize) -> Box<[u8]> {
    const WORDS: &[u8] =
        b"Back in half an hour; ask Benvolio, he has the keys of the tower and the list of all guests. ";
    WORDS.iter().copied().cycle().take(bytes).collect()
}

/// Base64 of nothing in particular, without a period that a compressor or a pattern matcher could like.
fn base64(bytes: usize) -> Box<[u8]> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ALPHABET[(state >> 58) as usize]
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

fn digits(value: u32) -> usize {
    value.checked_ilog10().unwrap_or(0) as usize + 1
}

fn push_decimal(value: u32, out: &mut Vec<u8>) {
    let mut text = [0; 10];
    let mut rest = value;
    let count = digits(value);
    for place in text[..count].iter_mut().rev() {
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&text[..count]);
}

#[cfg(test)]
mod tests;
