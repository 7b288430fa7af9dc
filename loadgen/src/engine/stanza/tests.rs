use std::time::Duration;

use ringgate_proto::scan::{Cpu, Limits, Scanner, Scratch, Step};

use super::*;
use crate::plan::{Load, Party, Phases, Slo, Transport};

const HEADER: &[u8] =
    b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";

fn plan(bytes: u32) -> Plan {
    let (local, remote) = (Party::Local(0), Party::Remote(7));
    let second = Duration::from_secs(1);
    Plan {
        scenario: "test",
        seed: 1,
        locals: 1,
        remotes: 8,
        transport: Transport { direct_tls: false, dialback: false, inside_tls: false, resumption: false },
        lanes: vec![Lane { from: local, to: remote }, Lane { from: remote, to: local }],
        senders: Vec::new(),
        load: Load::Saturating { window: 1, per_record: 1, stanza: Stanza { kind: StanzaKind::Avatar, bytes } },
        phases: Phases { connect: second, warm_up: second, measure: second },
        deadline: second,
        disturbance: None,
        slo: Slo::default(),
        options: serde_json::Value::Null,
    }
}

fn book() -> Book {
    Book::new(&plan(40_000), 0x7f3a)
}

fn inspect(book: &Book, stanza: &[u8]) -> Seen {
    let (mut scanner, mut scratch) = (Scanner::new(Limits::default(), Cpu::Scalar), Scratch::default());
    scanner.scan(&mut scratch, HEADER).expect("a header");
    match scanner.scan(&mut scratch, stanza).expect("well-formed") {
        Step::Element(element) => book.inspect(&element),
        other => panic!("{other:?}"),
    }
}

fn written(book: &Book, label: Label, kind: StanzaKind, bytes: u32) -> Vec<u8> {
    let mut out = Vec::new();
    book.write(label, Stanza { kind, bytes }, 12, 3, &mut out);
    out
}

const LABEL: Label = Label { lane: 1, number: 0x1f };

#[test]
fn every_kind_and_size_is_recognised_and_as_long_as_asked() {
    let book = book();
    for kind in [StanzaKind::Presence, StanzaKind::Message, StanzaKind::Avatar] {
        for bytes in (1..700).chain([30_000, 40_000]) {
            let stanza = written(&book, LABEL, kind, bytes);
            assert_eq!(inspect(&book, &stanza), Seen::Sent(LABEL), "{kind:?} {bytes}");
            let least = written(&book, LABEL, kind, 0).len();
            let has_text = kind != StanzaKind::Presence || bytes as usize >= least + 40;
            if has_text && bytes as usize >= least {
                assert_eq!(stanza.len(), bytes as usize, "{kind:?}");
            }
        }
    }
    assert_eq!(inspect(&book, &written(&book, LABEL, StanzaKind::Probe, 500)), Seen::Sent(LABEL));
}

#[test]
fn presence_of_the_usual_size_carries_capabilities_and_photo() {
    let stanza = String::from_utf8(written(&book(), LABEL, StanzaKind::Presence, 450)).expect("text");
    assert!(stanza.starts_with("<presence from='u12@r7.remote.test' to='u3@l0.local.test' id='7f3a0000010000001ff"));
    assert!(stanza.contains("<status>") && stanza.contains("vcard-temp:x:update"), "{stanza}");
}

#[test]
fn stanza_of_another_run_is_foreign() {
    let stanza = written(&Book::new(&plan(1_000), 1), LABEL, StanzaKind::Message, 300);
    assert_eq!(inspect(&book(), &stanza), Seen::Foreign);
}

#[test]
fn changed_text_address_or_kind_is_foreign() {
    let book = book();
    let stanza = String::from_utf8(written(&book, LABEL, StanzaKind::Message, 400)).expect("text");
    let changes = [
        ("Benvolio", "benvolio"),
        ("Benvolio", "Benvoli"),
        ("u3@l0.", "u3@l1."),
        ("u12@r7.", "u12@r6."),
        ("0000001fm", "0000001ff"),
        ("<body>", "<body>x"),
        ("id='7f3a000001", "id='7f3a000009"),
        ("0000001fm", "0000002fm"),
    ];
    for (old, new) in changes {
        let changed = stanza.replacen(old, new, 1);
        assert_ne!(changed, stanza, "{old}");
        assert_eq!(inspect(&book, changed.as_bytes()), Seen::Foreign, "{changed}");
    }
}

#[test]
fn stanza_that_a_server_wrote_anew_is_recognised() {
    let book = book();
    let stanza = String::from_utf8(written(&book, LABEL, StanzaKind::Message, 400)).expect("text");
    let anew = stanza
        .replace("<message ", "<message xml:lang=\"en\" ")
        .replace("</body>", "</body><delay xmlns='urn:xmpp:delay'/>");
    assert_eq!(inspect(&book, anew.as_bytes()), Seen::Sent(LABEL));
}

#[test]
fn error_that_comes_back_to_the_sender_is_a_bounce() {
    let book = book();
    let stanza = String::from_utf8(written(&book, LABEL, StanzaKind::Message, 400)).expect("text");
    let id = &stanza[stanza.find("id='").expect("id") + 4..][..ID_BYTES];
    let bounce = |to| format!("<message from='u3@l0.local.test' to='{to}' id='{id}' type='error'><error/></message>");
    assert_eq!(inspect(&book, bounce("u12@r7.remote.test").as_bytes()), Seen::Bounced(LABEL));
    assert_eq!(inspect(&book, bounce("u3@l0.local.test").as_bytes()), Seen::Foreign);
}
