//! Just enough XMPP to have ringgate believe four kinds of peer, and no more: every dialback is answered `valid`.

use std::io;

use ringgate::tls::Store;
use ringgate_proto::address::Domain;
use ringgate_proto::gate::Listener;

use crate::stanzas::HOME;
use crate::wire::Wire;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A lane's remote server connected to ringgate's public side: EXTERNAL.
    Origin(usize),
    /// The backend connected to ringgate's inside for a lane: dialback.
    Reply(usize),
    /// ringgate connected to the backend: STARTTLS, dialback.
    Backend,
    /// ringgate connected to a lane's remote server: EXTERNAL.
    Return,
    /// A lane's client of HAProxy: TLS and nothing else.
    PlainClient,
    /// HAProxy connected to the echo: TLS and nothing else.
    PlainServer,
}

/// Where a stream's negotiation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Header,
    Features,
    Elements,
    Success,
    Valid,
    Ready,
}

/// One negotiation.
pub(crate) struct Negotiation {
    role: Role,
    stage: Stage,
    authenticated: bool,
}

const HEADER: &str = "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
                      xmlns:db='jabber:server:dialback' version='1.0'";

impl Negotiation {
    pub(crate) fn new(role: Role) -> Self {
        let stage = match role {
            Role::Origin(_) | Role::Reply(_) => Stage::Features,
            Role::Backend | Role::Return => Stage::Header,
            Role::PlainClient | Role::PlainServer => Stage::Ready,
        };
        Self { role, stage, authenticated: false }
    }

    /// Whether stanzas may be sent.
    pub(crate) fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    /// Dialback has come in between stanzas.
    pub(crate) fn resume(&mut self) {
        self.stage = Stage::Elements;
    }

    /// Sends our header, on a connection that we opened.
    pub(crate) fn start(&self, wire: &mut Wire) -> io::Result<()> {
        let (from, to) = match self.role {
            Role::Origin(lane) => (crate::stanzas::domain(lane), HOME.to_owned()),
            Role::Reply(lane) => (HOME.to_owned(), crate::stanzas::domain(lane)),
            _ => return Ok(()),
        };
        wire.write(format!("<?xml version='1.0'?>{HEADER} from='{from}' to='{to}'>").as_bytes())?;
        wire.flush()
    }

    /// Takes what has come, as far as it is negotiation.
    pub(crate) fn step(&mut self, wire: &mut Wire, store: &Store) -> io::Result<()> {
        while self.step_once(wire, store)? {}
        wire.flush()
    }

    fn step_once(&mut self, wire: &mut Wire, store: &Store) -> io::Result<bool> {
        match self.stage {
            Stage::Header => self.header(wire),
            Stage::Elements => self.element(wire, store),
            Stage::Features => {
                let Some(features) = take(wire, "</stream:features>").or_else(|| take(wire, "<stream:features/>"))
                else {
                    return Ok(false);
                };
                self.features(wire, &features)
            }
            Stage::Success => {
                let Some(_) = take_element(wire, "<success") else { return Ok(false) };
                self.authenticated = true;
                self.stage = Stage::Features;
                self.start(wire)?;
                Ok(true)
            }
            Stage::Valid => {
                let Some(_) = take(wire, "type='valid'/>").or_else(|| take(wire, "type='valid'></db:result>")) else {
                    return Ok(false);
                };
                self.stage = Stage::Ready;
                Ok(true)
            }
            Stage::Ready => Ok(false),
        }
    }

    fn features(&mut self, wire: &mut Wire, features: &str) -> io::Result<bool> {
        match self.role {
            Role::Origin(_) if self.authenticated => self.stage = Stage::Ready,
            Role::Origin(_) if features.contains("EXTERNAL") => {
                wire.write(b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")?;
                self.stage = Stage::Success;
            }
            Role::Reply(lane) => {
                let to = crate::stanzas::domain(lane);
                wire.write(format!("<db:result from='{HOME}' to='{to}'>a-key</db:result>").as_bytes())?;
                self.stage = Stage::Valid;
            }
            _ => return Err(io::Error::other(format!("not what {:?} needs: {features}", self.role))),
        }
        Ok(true)
    }

    /// Their header: ours follows, with what we offer.
    fn header(&mut self, wire: &mut Wire) -> io::Result<bool> {
        let Some(header) = take_element(wire, "<stream:stream") else { return Ok(false) };
        let (from, to) = (attribute(&header, "from"), attribute(&header, "to"));
        let features = match (self.role, wire.is_secure(), self.authenticated) {
            (Role::Backend, false, _) => "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
            (Role::Backend, true, _) => "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>",
            (_, _, false) => {
                "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>"
            }
            (_, _, true) => "",
        };
        let answer = format!(
            "<?xml version='1.0'?>{HEADER} from='{to}' to='{from}' id='a-stream'><stream:features>{features}</stream:features>"
        );
        wire.write(answer.as_bytes())?;
        self.stage = Stage::Elements;
        Ok(true)
    }

    fn element(&mut self, wire: &mut Wire, store: &Store) -> io::Result<bool> {
        let start = wire.text.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(wire.text.len());
        wire.text.drain(..start);
        if wire.text.starts_with(b"<message ") || wire.text.starts_with(b"<presence ") {
            self.stage = Stage::Ready;
            return Ok(false);
        }
        if take_element(wire, "<starttls").is_some() {
            wire.write(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")?;
            wire.flush()?;
            wire.secure(store.server(Listener::Public, None))?;
            self.stage = Stage::Header;
            return Ok(true);
        }
        if take(wire, "</auth>").is_some() {
            wire.write(b"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")?;
            self.authenticated = true;
            self.stage = Stage::Header;
            return Ok(true);
        }
        let asked = take(wire, "</db:result>").or_else(|| take(wire, "</db:verify>"));
        let Some(asked) = asked else { return Ok(false) };
        let name = if asked.starts_with("<db:verify") { "verify" } else { "result" };
        let (from, to) = (attribute(&asked, "from"), attribute(&asked, "to"));
        let id = if name == "verify" { format!(" id='{}'", attribute(&asked, "id")) } else { String::new() };
        wire.write(format!("<db:{name} from='{to}' to='{from}'{id} type='valid'/>").as_bytes())?;
        Ok(true)
    }
}

/// Takes everything up to and with `end`.
fn take(wire: &mut Wire, end: &str) -> Option<String> {
    let at = wire.text.windows(end.len()).position(|window| window == end.as_bytes())?;
    let taken = wire.text.drain(..at + end.len()).collect();
    String::from_utf8(taken).ok()
}

/// Takes everything up to the end of the tag that begins with `start`.
fn take_element(wire: &mut Wire, start: &str) -> Option<String> {
    let at = wire.text.windows(start.len()).position(|window| window == start.as_bytes())?;
    let length = wire.text[at..].iter().position(|byte| *byte == b'>')? + 1;
    String::from_utf8(wire.text.drain(..at + length).skip(at).collect()).ok()
}

fn attribute(tag: &str, name: &str) -> String {
    let value =
        |quote| tag.split_once(&format!(" {name}={quote}"))?.1.split_once(quote).map(|(value, _)| value.to_owned());
    value('\'').or_else(|| value('"')).unwrap_or_default()
}

/// The domains of all lanes.
pub(crate) fn domains() -> anyhow::Result<Vec<Domain>> {
    let parse = |lane| Domain::parse(&crate::stanzas::domain(lane)).map_err(|error| anyhow::anyhow!("{error:?}"));
    (0..crate::LANES).map(parse).collect()
}
