//! Two connections joined back to back, and peers from a script.

use std::fmt::Write as _;

use ringgate_proto::scan::Kind;
use ringgate_proto::stream::{Condition, SaslFailure};

use super::*;
use crate::stage::authority::Authority;

const STANZA: &str = "<message from='u@a.test' to='v@b.test' id='1'><body>hello</body></message>";

fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn cast(authority: &Authority, names: &[&str]) -> Arc<Cast> {
    let domains: Vec<Domain> = names.iter().map(|name| domain(name)).collect();
    Arc::new(Cast::new(&domains, Some(authority.store(&domains).unwrap())))
}

fn call(tls: Tls, proof: Proof) -> Call {
    Call { from: domain("a.test"), to: domain("b.test"), tls, proof }
}

/// One end, and what became of it.
struct End {
    endpoint: Endpoint,
    /// Bytes for the other end.
    out: Vec<u8>,
    /// What was heard, one line each.
    heard: String,
    broken: Option<Broken>,
}

impl End {
    fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, out: Vec::new(), heard: String::new(), broken: None }
    }

    fn take(&mut self, bytes: &[u8]) {
        let heard = &mut self.heard;
        let result = self.endpoint.receive(&mut bytes.to_vec(), &mut self.out, &mut |what| {
            match what {
                Heard::Ready => heard.push_str("ready"),
                Heard::PeerClosed => heard.push_str("closed"),
                Heard::Stanza(stanza) => {
                    let id = stanza.id.map(|id| id.to_text()).unwrap_or_default();
                    write!(heard, "{:?} {id}", stanza.kind).unwrap();
                }
            }
            heard.push('\n');
        });
        if let (Err(broken), None) = (result, &self.broken) {
            self.broken = Some(broken);
        }
    }
}

/// Both ends of one connection.
struct Pair {
    caller: End,
    called: End,
    /// Bytes that are delivered at once.
    piece: usize,
}

impl Pair {
    fn new(call: Call, caller: Arc<Cast>, reception: Reception, called: Arc<Cast>) -> Self {
        let caller = End::new(Endpoint::initiating(call, caller).unwrap());
        let called = End::new(Endpoint::receiving(reception, called));
        let mut pair = Self { caller, called, piece: usize::MAX };
        pair.caller.endpoint.start(&mut pair.caller.out).unwrap();
        pair.called.endpoint.start(&mut pair.called.out).unwrap();
        pair
    }

    /// Carries bytes until there are none.
    fn settle(&mut self) {
        for _ in 0..100 {
            let (there, back) = (std::mem::take(&mut self.caller.out), std::mem::take(&mut self.called.out));
            if there.is_empty() && back.is_empty() {
                return;
            }
            there.chunks(self.piece).for_each(|piece| self.called.take(piece));
            back.chunks(self.piece).for_each(|piece| self.caller.take(piece));
        }
        panic!("the ends do not come to rest");
    }

    /// Negotiates, sends two stanzas in one record, closes.
    fn play(&mut self) {
        self.settle();
        self.play_on();
    }

    /// From the end of the negotiation on.
    fn play_on(&mut self) {
        assert!(self.caller.endpoint.is_ready(), "{:?} {:?}", self.caller.broken, self.called.broken);
        let stanzas = format!("{STANZA}{}", STANZA.replace("id='1'", "id='2'"));
        self.caller.endpoint.send(stanzas.as_bytes(), &mut self.caller.out).unwrap();
        self.settle();
        assert!(!self.caller.endpoint.is_over() && !self.called.endpoint.is_over());
        self.caller.endpoint.close(&mut self.caller.out);
        self.settle();
        assert_eq!((&self.caller.broken, &self.called.broken), (&None, &None));
        assert!(self.caller.endpoint.is_over() && self.called.endpoint.is_over());
        assert_eq!(self.caller.heard, "ready\nclosed\n");
        assert_eq!(self.called.heard, "ready\nMessage 1\nMessage 2\nclosed\n");
    }
}

fn pair(tls: Tls, proof: Proof) -> Pair {
    let authority = Authority::new().unwrap();
    let reception = Reception { tls, offers_external: proof == Proof::External };
    Pair::new(call(tls, proof), cast(&authority, &["a.test"]), reception, cast(&authority, &["x.test", "b.test"]))
}

#[test]
fn dialback_in_clear_carries_stanzas() {
    pair(Tls::None, Proof::Dialback).play();
}

#[test]
fn dialback_after_starttls_carries_stanzas() {
    pair(Tls::StartTls, Proof::Dialback).play();
}

#[test]
fn dialback_over_direct_tls_carries_stanzas() {
    pair(Tls::Direct, Proof::Dialback).play();
}

#[test]
fn external_after_starttls_carries_stanzas() {
    pair(Tls::StartTls, Proof::External).play();
}

#[test]
fn external_over_direct_tls_carries_stanzas() {
    pair(Tls::Direct, Proof::External).play();
}

#[test]
fn direct_tls_is_taken_where_starttls_is_offered() {
    let authority = Authority::new().unwrap();
    let reception = Reception { tls: Tls::StartTls, offers_external: true };
    let (a, b) = (cast(&authority, &["a.test"]), cast(&authority, &["b.test"]));
    Pair::new(call(Tls::Direct, Proof::External), a, reception, b).play();
}

/// What lies behind a relay that ends TLS itself sees a stream in clear.
#[test]
fn without_certificates_no_tls_is_offered_and_clear_streams_are_taken() {
    let authority = Authority::new().unwrap();
    let reception = Reception { tls: Tls::StartTls, offers_external: true };
    let b = Arc::new(Cast::new(&[domain("b.test")], None));
    Pair::new(call(Tls::None, Proof::Dialback), cast(&authority, &["a.test"]), reception, b).play();
}

#[test]
fn any_cut_of_the_bytes_means_the_same() {
    for piece in [1, 2, 3, 7, 64, 1000] {
        let mut clear = pair(Tls::None, Proof::Dialback);
        clear.piece = piece;
        clear.play();
        let mut secured = pair(Tls::StartTls, Proof::External);
        secured.piece = piece;
        secured.play();
    }
}

#[test]
fn stanza_cut_anywhere_is_heard_once_and_leaves_no_buffer() {
    let mut pair = pair(Tls::Direct, Proof::External);
    pair.settle();
    for at in 0..=STANZA.len() {
        pair.called.heard.clear();
        for part in [&STANZA[..at], &STANZA[at..]] {
            pair.caller.endpoint.send(part.as_bytes(), &mut pair.caller.out).unwrap();
        }
        pair.settle();
        assert_eq!(pair.called.heard, "Message 1\n", "cut at {at}: {:?}", pair.called.broken);
        assert_eq!(pair.called.endpoint.stream.kept_bytes(), 0);
    }
}

/// One stream may vouch for many domains, also between stanzas; each is believed, strangers' hosts are not ours.
#[test]
fn further_pairs_are_believed_between_stanzas() {
    let mut pair = pair(Tls::StartTls, Proof::Dialback);
    pair.settle();
    let result = |to: &str| format!("<db:result from='c.test' to='{to}'>key</db:result>");
    let text = format!("{}{STANZA}{}{STANZA}", result("x.test"), result("nobody.test"));
    pair.caller.endpoint.send(text.as_bytes(), &mut pair.caller.out).unwrap();
    pair.settle();
    assert_eq!(pair.called.heard, "ready\nMessage 1\nMessage 1\n");
    assert_eq!((&pair.caller.broken, &pair.called.broken), (&None, &None));
}

#[test]
fn own_keys_are_verified_truly() {
    let cast = Arc::new(Cast::new(&[domain("b.test")], None));
    let key = cast.secret.key(&domain("a.test"), &domain("b.test"), "id");
    let reception = Reception { tls: Tls::None, offers_external: false };
    let mut server = End::new(Endpoint::receiving(reception, cast));
    server.take(HEADER.as_bytes());
    for (key, to, answer) in [
        (key.as_str(), "b.test", "type='valid'/>"),
        ("wrong", "b.test", "type='invalid'/>"),
        (key.as_str(), "c.test", "<item-not-found "),
    ] {
        server.out.clear();
        server.take(format!("<db:verify from='a.test' to='{to}' id='id'>{key}</db:verify>").as_bytes());
        let text = String::from_utf8_lossy(&server.out).into_owned();
        assert!(text.contains(answer), "{text}");
    }
    assert_eq!(server.heard, "", "who only asks has proven nothing");
}

const HEADER: &str = "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
                      xmlns:db='jabber:server:dialback' from='a.test' to='b.test' version='1.0'>";
const RESPONSE: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' \
                        xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' \
                        from='b.test' to='a.test' id='i' version='1.0'><stream:features>\
                        <dialback xmlns='urn:xmpp:features:dialback'/></stream:features>";

/// Why a call in clear ends when the peer says this.
fn refusal(script: &[&str]) -> Broken {
    let cast = Arc::new(Cast::new(&[domain("a.test")], None));
    let mut end = End::new(Endpoint::initiating(call(Tls::None, Proof::Dialback), cast).unwrap());
    end.endpoint.start(&mut end.out).unwrap();
    script.iter().for_each(|text| end.take(text.as_bytes()));
    assert!(end.endpoint.is_over() && !end.endpoint.is_ready());
    assert!(end.out.ends_with(b"</stream:stream>"));
    end.broken.expect("the peer refuses")
}

#[test]
fn refusals_name_the_domains_and_the_condition_in_one_line() {
    let answer = |kind: &str| format!("<db:result from='b.test' to='a.test' type='{kind}'/>");
    let why = refusal(&[RESPONSE, &answer("invalid")]);
    assert_eq!(why.to_string(), "a.test to b.test: the peer answered dialback with invalid");
    let error = "<db:result from='b.test' to='a.test' type='error'><error type='cancel'><item-not-found \
                 xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>";
    let why = refusal(&[RESPONSE, error]);
    assert_eq!(why.to_string(), "a.test to b.test: the peer answered dialback with item-not-found");
    let error = "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>";
    let why = refusal(&[RESPONSE, error]);
    assert_eq!(why.to_string(), "a.test to b.test: the peer ended the stream with host-unknown");
    let why = refusal(&[RESPONSE, STANZA]);
    assert_eq!(why.to_string(), "a.test to b.test: stanzas came on a stream that we opened (not-authorized)");
    let why = refusal(&[RESPONSE, "<a><b></a>"]);
    assert_eq!(why.to_string(), "a.test to b.test: the XML is not well-formed (not-well-formed)");
}

#[test]
fn certificates_of_strangers_are_not_accepted() {
    let (ours, others) = (Authority::new().unwrap(), Authority::new().unwrap());
    let mut pair = Pair::new(
        call(Tls::Direct, Proof::External),
        cast(&ours, &["a.test"]),
        Reception { tls: Tls::Direct, offers_external: true },
        cast(&others, &["b.test"]),
    );
    pair.settle();
    let why = pair.caller.broken.unwrap().to_string();
    assert_eq!(why, "a.test to b.test: the certificate's issuer is not trusted (not-authorized)");
}

#[test]
fn failed_external_is_the_peers_condition() {
    let authority = Authority::new().unwrap();
    let (a, b) = (cast(&authority, &["a.test"]), cast(&authority, &["b.test"]));
    let mut caller = End::new(Endpoint::initiating(call(Tls::Direct, Proof::External), a).unwrap());
    caller.endpoint.start(&mut caller.out).unwrap();
    let offer = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>";
    let offer = RESPONSE.replace("<dialback xmlns='urn:xmpp:features:dialback'/>", offer);
    let failure = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>";
    let mut script = [offer.as_str(), failure].into_iter();
    let mut server = b.store.as_ref().unwrap().server(Listener::Public, None);
    for _ in 0..10 {
        let (mut back, mut spoke) = (Vec::new(), false);
        let mut there = std::mem::take(&mut caller.out);
        let spoken = &mut |received: Received<'_>| spoke |= matches!(received, Received::Plaintext(_));
        server.receive(&mut there, &mut back, spoken).unwrap();
        if spoke && let Some(text) = script.next() {
            server.send(text.as_bytes(), &mut back).unwrap();
        }
        caller.take(&back);
    }
    let why = caller.broken.unwrap();
    assert_eq!(why.cause, Cause::Sasl(SaslFailure::NotAuthorized));
    assert_eq!(why.to_string(), "a.test to b.test: the peer answered SASL EXTERNAL with not-authorized");
}

/// Engines make connections on one thread and may serve them on another.
#[test]
fn endpoint_moves_between_threads() {
    let mut pair = pair(Tls::StartTls, Proof::External);
    pair.settle();
    std::thread::spawn(move || pair.play_on()).join().unwrap();
}

#[test]
fn peer_without_tls_breaks_direct_tls_on_both_sides() {
    let authority = Authority::new().unwrap();
    let reception = Reception { tls: Tls::Direct, offers_external: true };
    let mut called = End::new(Endpoint::receiving(reception, cast(&authority, &["b.test"])));
    called.take(HEADER.as_bytes());
    assert_eq!(called.broken.unwrap().cause, Cause::NotTls);
    let mut caller =
        End::new(Endpoint::initiating(call(Tls::Direct, Proof::External), cast(&authority, &["a.test"])).unwrap());
    caller.endpoint.start(&mut caller.out).unwrap();
    caller.take(RESPONSE.as_bytes());
    assert!(matches!(caller.broken.unwrap().cause, Cause::Tls(_)));
}

#[test]
fn stream_to_a_host_that_is_not_ours_is_refused() {
    let authority = Authority::new().unwrap();
    let reception = Reception { tls: Tls::StartTls, offers_external: true };
    let (a, c) = (cast(&authority, &["a.test"]), cast(&authority, &["c.test"]));
    let mut pair = Pair::new(call(Tls::StartTls, Proof::External), a, reception, c);
    pair.settle();
    // Our header is from another domain than was asked for, which the caller notices before the error.
    assert!(pair.caller.broken.is_some());
    let Cause::Stream(error) = pair.called.broken.unwrap().cause else { panic!("a stream error") };
    assert_eq!(error.condition, Condition::HostUnknown);
}

#[test]
fn what_cannot_be_opened_is_refused_at_once() {
    let authority = Authority::new().unwrap();
    let stranger = call(Tls::StartTls, Proof::External);
    let why = Endpoint::initiating(stranger, cast(&authority, &["c.test"])).err().unwrap();
    assert_eq!(why.to_string(), "a.test to b.test: TLS: no certificate is configured for a.test");
    let clear = Arc::new(Cast::new(&[domain("a.test")], None));
    let why = Endpoint::initiating(call(Tls::Direct, Proof::External), Arc::clone(&clear)).err().unwrap();
    assert!(matches!(why.cause, Cause::Impossible(_)));
    let component = call(Tls::StartTls, Proof::Component { secret: "s".into() });
    assert!(matches!(Endpoint::initiating(component, clear).err().unwrap().cause, Cause::Impossible(_)));
}

#[test]
fn stanzas_are_not_sent_before_ready_after_the_end_or_on_the_peers_stream() {
    let mut pair = pair(Tls::None, Proof::Dialback);
    let mut out = Vec::new();
    let refused = |end: &mut End, out: &mut Vec<u8>| end.endpoint.send(STANZA.as_bytes(), out).unwrap_err().cause;
    assert_eq!(refused(&mut pair.caller, &mut out), Cause::NotReady);
    pair.settle();
    assert_eq!(refused(&mut pair.called, &mut out), Cause::NotReady);
    pair.called.endpoint.close(&mut pair.called.out);
    pair.settle();
    assert_eq!(refused(&mut pair.caller, &mut out), Cause::Ended);
    assert_eq!(out, b"");
    assert_eq!(pair.caller.heard, "ready\nclosed\n");
}

/// A relay that loses its other half says no more than close_notify.
#[test]
fn end_without_an_end_tag_is_heard_as_closed() {
    let mut pair = pair(Tls::StartTls, Proof::External);
    pair.settle();
    pair.caller.endpoint.tls.as_mut().unwrap().close(&mut pair.caller.out);
    pair.settle();
    assert_eq!(pair.called.heard, "ready\nclosed\n");
    assert!(pair.called.endpoint.is_over() && pair.called.broken.is_none());
}

/// What a server says to a component whose secret it knows as `s`; the digest is sha1("idé&s").
const SERVER: [&str; 4] = [
    "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
     xmlns='jabber:component:accept' from='a.test' id='id&#233;&amp;'>",
    "<handshake/>",
    "<presence from='u@b.test' to='a.test' id='p'/>\
     <iq xmlns='jabber:component:accept' from='u@b.test' to='a.test' id='q' type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
    "</stream:stream>",
];

fn component() -> End {
    let cast = Arc::new(Cast::new(&[domain("a.test")], None));
    let proof = Proof::Component { secret: "s".into() };
    let mut end = End::new(Endpoint::initiating(call(Tls::None, proof), cast).unwrap());
    end.endpoint.start(&mut end.out).unwrap();
    end
}

#[test]
fn component_shakes_hands_and_carries_stanzas_both_ways() {
    for piece in [1, 5, usize::MAX] {
        let mut end = component();
        assert!(end.out.ends_with(b"xmlns='jabber:component:accept' to='a.test'>"));
        end.out.clear();
        for text in SERVER.map(str::as_bytes) {
            text.chunks(piece).for_each(|piece| end.take(piece));
            if text == SERVER[1].as_bytes() {
                let handshake = "<handshake>3370803408f0bd470b62df8513dd89e0bd370e42</handshake>";
                assert_eq!(String::from_utf8_lossy(&end.out), handshake);
                end.out.clear();
                end.endpoint.send(STANZA.as_bytes(), &mut end.out).unwrap();
                assert_eq!(end.out, STANZA.as_bytes());
                end.out.clear();
            }
        }
        assert_eq!(end.heard, format!("ready\n{:?} p\n{:?} q\nclosed\n", Kind::Presence, Kind::Iq));
        assert_eq!(String::from_utf8_lossy(&end.out), "</stream:stream>");
        assert!(end.broken.is_none() && end.endpoint.is_over());
    }
}

/// A `>` in a value was taken for the header's end: the header was translated twice, and the scanner went on beyond its input.
#[test]
fn component_header_ends_at_no_quoted_bracket() {
    let good = SERVER[0].replacen("xmlns=", "a='>' xmlns=", 1);
    let bad = SERVER[0].replacen("xmlns=", "xmlns:x='jabber:component:accept' a='>' xmlns=", 1);
    for (header, is_good) in [(good, true), (bad, false)] {
        for cut in 1..header.len() {
            let mut end = component();
            let (first, second) = header.as_bytes().split_at(cut);
            end.take(first);
            end.take(second);
            assert_eq!(end.broken.is_none(), is_good, "{header} at {cut}: {:?}", end.broken);
        }
    }
}

#[test]
fn component_with_a_wrong_secret_is_not_authorized() {
    let mut end = component();
    end.take(SERVER[0].as_bytes());
    end.take(
        b"<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
    );
    assert_eq!(end.broken.unwrap().to_string(), "a.test to b.test: the peer ended the stream with not-authorized");
    assert!(end.out.ends_with(b"</handshake></stream:stream>"));
}

#[test]
fn component_bounds_the_header_and_refuses_other_streams() {
    let mut end = component();
    end.take(b"<stream:stream id='");
    (0..10).for_each(|_| end.take(&[b'x'; 1000]));
    let Cause::Stream(error) = end.broken.unwrap().cause else { panic!("a stream error") };
    assert_eq!(error.condition, Condition::PolicyViolation);
    let mut end = component();
    end.take(SERVER[0].replace("jabber:component:accept", "jabber:client").as_bytes());
    let Cause::Stream(error) = end.broken.unwrap().cause else { panic!("a stream error") };
    assert_eq!(error.condition, Condition::InvalidNamespace);
    let mut end = component();
    end.take(SERVER[0].as_bytes());
    end.take(STANZA.as_bytes());
    let Cause::Stream(error) = end.broken.unwrap().cause else { panic!("a stream error") };
    assert_eq!(error.condition, Condition::NotAuthorized);
}
