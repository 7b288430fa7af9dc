//! What a model server says to what it hears.

use ringgate_proto::address::Domain;
use ringgate_proto::stream::PeerCertificate;

use super::server::{Act, Ctx, Phase, Server, TlsMode};
use super::xml::{self, Reader, Token};

const NAMESPACES: &str =
    "xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback'";

pub fn header(from: &str, to: &str) -> String {
    format!("<?xml version='1.0'?><stream:stream {NAMESPACES} from='{from}' to='{to}' version='1.0'>")
}

impl Server {
    /// Our connection stands (after direct TLS, if that was asked for).
    pub fn connected(&mut self, stream: usize, certificate: Option<PeerCertificate>, ctx: &mut Ctx<'_>) {
        let Some(entry) = self.streams.get_mut(&stream) else { return };
        entry.certificate = certificate;
        entry.phase = Phase::Header;
        entry.reader = Reader::default();
        ctx.send(stream, header(&entry.local, &entry.remote));
    }

    /// TLS is up on a stream that began in clear or that the peer began with it.
    pub fn secured(&mut self, stream: usize, certificate: PeerCertificate, ctx: &mut Ctx<'_>) {
        let Some(entry) = self.streams.get_mut(&stream) else { return };
        if entry.is_out {
            return self.connected(stream, Some(certificate), ctx);
        }
        entry.certificate = Some(certificate);
        entry.phase = Phase::Header;
        entry.reader = Reader::default();
    }

    pub fn heard(&mut self, stream: usize, bytes: &[u8], ctx: &mut Ctx<'_>) {
        let Some(entry) = self.streams.get_mut(&stream) else { return };
        for token in entry.reader.feed(bytes) {
            if !self.streams.contains_key(&stream) {
                return;
            }
            match token {
                Token::Header(header) => self.take_header(stream, &header, ctx),
                Token::Element(element) => self.element(stream, &element, ctx),
                Token::End => self.ended(stream, ctx),
            }
        }
    }

    fn ended(&mut self, stream: usize, ctx: &mut Ctx<'_>) {
        if self.streams[&stream].phase != Phase::Closing {
            ctx.send(stream, "</stream:stream>");
        }
        ctx.acts.push(Act::Fin { stream });
        self.gone(stream, true, ctx);
    }

    fn take_header(&mut self, stream: usize, text: &str, ctx: &mut Ctx<'_>) {
        let entry = self.streams.get_mut(&stream).expect("checked by the caller");
        if entry.is_out {
            entry.id = xml::attr(text, "id").unwrap_or_default().into();
            entry.phase = Phase::Features;
            return;
        }
        entry.local = xml::attr(text, "to").unwrap_or_default().into();
        entry.remote = xml::attr(text, "from").unwrap_or_default().into();
        entry.phase = Phase::Open;
        let (id, local, remote) = (entry.id.clone(), entry.local.clone(), entry.remote.clone());
        let is_secure = entry.certificate.is_some();
        let proves =
            entry.certificate.as_ref().zip(Domain::parse(&remote).ok()).is_some_and(|(c, d)| c.proves(&d).is_ok());
        let may_auth = proves && self.config.external && !entry.is_authenticated;
        let opening = format!(
            "<?xml version='1.0'?><stream:stream {NAMESPACES} id='{id}' from='{local}' to='{remote}' version='1.0'>"
        );
        ctx.send(stream, opening);
        if !self.serves(&local) {
            let error = "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>";
            ctx.send(stream, format!("{error}</stream:stream>"));
            ctx.acts.push(Act::Fin { stream });
            return self.gone(stream, true, ctx);
        }
        let starttls = match self.config.tls {
            TlsMode::Required if !is_secure => {
                "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
            }
            TlsMode::Offered if !is_secure => "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
            _ => "",
        };
        let sasl = match may_auth {
            true => "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>",
            false => "",
        };
        let dialback = match starttls.contains("required") {
            true => "",
            false => "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>",
        };
        ctx.send(stream, format!("<stream:features>{starttls}{sasl}{dialback}</stream:features>"));
        if let Some(mischief) = self.config.mischief.clone().filter(|_| !starttls.contains("required") && !may_auth) {
            ctx.send(stream, mischief);
        }
    }

    fn element(&mut self, stream: usize, element: &str, ctx: &mut Ctx<'_>) {
        let is_out = self.streams[&stream].is_out;
        match xml::name(element) {
            "stream:error" => {
                ctx.send(stream, "</stream:stream>");
                ctx.acts.push(Act::Fin { stream });
                self.gone(stream, false, ctx);
            }
            "stream:features" if is_out => self.features(stream, element, ctx),
            "proceed" if is_out => {
                let entry = self.streams.get_mut(&stream).expect("checked by the caller");
                entry.phase = Phase::Tls;
                let sni = Some(entry.remote.clone());
                ctx.acts.push(Act::BeginTls { stream, sni });
            }
            "success" if is_out => {
                self.streams.get_mut(&stream).expect("checked by the caller").is_authenticated = true;
                let certificate = self.streams[&stream].certificate.clone();
                self.connected(stream, certificate, ctx);
            }
            "failure" if is_out => self.open(stream, ctx),
            "starttls" => {
                ctx.send(stream, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
                self.streams.get_mut(&stream).expect("checked by the caller").phase = Phase::Tls;
                ctx.acts.push(Act::BeginTls { stream, sni: None });
            }
            "auth" => self.authenticate(stream, ctx),
            "db:result" | "db:verify" => self.dialback(stream, element, ctx),
            "message" | "presence" | "iq" => self.stanza(stream, element, ctx),
            other => ctx.ledger.violations.push(format!("a model server was sent <{other}>: {element}")),
        }
    }

    fn features(&mut self, stream: usize, features: &str, ctx: &mut Ctx<'_>) {
        let entry = self.streams.get_mut(&stream).expect("checked by the caller");
        let is_secure = entry.certificate.is_some();
        if !is_secure && self.config.tls != TlsMode::Never && features.contains("<starttls") {
            entry.phase = Phase::Proceed;
            return ctx.send(stream, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        }
        if !is_secure && self.config.tls == TlsMode::Required {
            return self.abort(stream, ctx);
        }
        let wants_stanzas = !entry.pairs.is_empty();
        if features.contains("EXTERNAL") && self.config.external && wants_stanzas && !entry.is_authenticated {
            entry.phase = Phase::Auth;
            return ctx.send(stream, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>");
        }
        self.open(stream, ctx);
    }

    fn open(&mut self, stream: usize, ctx: &mut Ctx<'_>) {
        let entry = self.streams.get_mut(&stream).expect("checked by the caller");
        entry.phase = Phase::Open;
        let own = (entry.local.clone(), entry.remote.clone());
        if entry.is_authenticated && entry.pairs.contains(&own) {
            self.granted(stream, &own, ctx);
        }
        self.ask_for_all(stream, ctx);
    }

    fn authenticate(&mut self, stream: usize, ctx: &mut Ctx<'_>) {
        let entry = self.streams.get_mut(&stream).expect("checked by the caller");
        entry.proven.insert((entry.remote.clone(), entry.local.clone()));
        entry.is_authenticated = true;
        entry.phase = Phase::Header;
        entry.reader = Reader::default();
        ctx.send(stream, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
    }

    fn dialback(&mut self, stream: usize, element: &str, ctx: &mut Ctx<'_>) {
        let (Some(from), Some(to)) = (xml::attr(element, "from"), xml::attr(element, "to")) else { return };
        let (pair, back) = ((from.to_owned(), to.to_owned()), (to.to_owned(), from.to_owned()));
        let (id, verdict) = (xml::attr(element, "id").unwrap_or_default(), xml::attr(element, "type"));
        let entry = self.streams.get_mut(&stream).expect("checked by the caller");
        match (xml::name(element), verdict, entry.is_out) {
            ("db:result", None, false) => self.verify(stream, pair, xml::text(element).into(), ctx),
            ("db:verify", None, false) => {
                let is_right = self.serves(to) && self.key(from, to, id) == xml::text(element);
                let verdict = if is_right { "valid" } else { "invalid" };
                ctx.send(stream, format!("<db:verify from='{to}' to='{from}' id='{id}' type='{verdict}'/>"));
            }
            ("db:result", Some(verdict), true) if entry.asked.remove(&back) => match verdict {
                "valid" => self.granted(stream, &back, ctx),
                _ => self.denied(stream, &back, ctx),
            },
            ("db:verify", Some(verdict), true) => {
                let found = entry.verifications.iter().position(|open| open.pair == pair && open.id == id);
                let Some(open) = found.map(|at| entry.verifications.swap_remove(at)) else { return };
                let is_done = entry.verifications.is_empty() && entry.pairs.is_empty();
                self.answer_result(open.origin, &open.pair, verdict, ctx);
                if is_done {
                    self.close(stream, ctx);
                }
            }
            _ => ctx.ledger.violations.push(format!("unexpected dialback on a model server's stream: {element}")),
        }
    }

    fn stanza(&mut self, stream: usize, stanza: &str, ctx: &mut Ctx<'_>) {
        let entry = &self.streams[&stream];
        let domain = |name| xml::attr(stanza, name).map(xml::domain).unwrap_or_default().to_lowercase();
        let pair = (domain("from"), domain("to"));
        // One that answers unasked may grant itself what it was asked for a moment later.
        let is_honest = self.config.mischief.is_none();
        if entry.is_out || (is_honest && !entry.proven.contains(&pair)) {
            ctx.ledger
                .violations
                .push(format!("I5: a stanza of {pair:?}, which was not proven on its stream: {stanza}"));
        }
        ctx.ledger.received(&self.config.domains, stanza);
    }
}
