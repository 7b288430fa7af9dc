//! Which of our certificates is shown to whom.

use ringgate::tls::{Identity, Session, Store, TlsError};
use ringgate_proto::gate::Listener;
use ringgate_proto::stream::Untrusted;
use rustls::version::TLS13;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::authority::{Authority, domain, identity};
use crate::wire::{self, Seen, converse, converse_with, names};

fn two_domains(authority: &Authority) -> Store {
    let one = authority.issue(&["one.example", "conference.one.example"]);
    let two = authority.issue(&["bücher.example"]);
    let identities = vec![
        identity(&["one.example", "conference.one.example"], one.files()),
        identity(&["bücher.example"], two.files()),
    ];
    Store::load(identities, authority.roots(), Some(authority.issue(&["ringgate.internal"]).files())).unwrap()
}

fn shown(store: &Store, listener: Listener, server_name: Option<&str>) -> (Vec<String>, Option<String>) {
    shown_by(store.server(listener, None), server_name)
}

fn shown_by(mut session: Session, server_name: Option<&str>) -> (Vec<String>, Option<String>) {
    let mut config = wire::client_config(&TLS13, None);
    config.enable_sni = server_name.is_some();
    let mut peer = wire::client(config, server_name.unwrap_or("unsaid.example"));
    converse_with(&mut session, &mut peer, &mut Seen::default()).unwrap_or_else(|(error, _)| panic!("{error}"));
    let chain = peer.peer_certificates().unwrap().to_vec();
    (dns_names(&chain[0]), session.server_name().map(str::to_owned))
}

fn dns_names(der: &[u8]) -> Vec<String> {
    let (_, certificate) = X509Certificate::from_der(der).unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    let names = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    });
    names.collect()
}

#[test]
fn the_certificate_is_chosen_by_server_name() {
    let store = two_domains(&Authority::new("root"));
    let one = vec!["one.example".to_owned(), "conference.one.example".to_owned()];
    let two = vec!["xn--bcher-kva.example".to_owned()];
    for (asked, expected) in [
        ("one.example", &one),
        ("conference.one.example", &one),
        ("xn--bcher-kva.example", &two),
        ("XN--BCHER-KVA.Example", &two),
        ("unknown.example", &one),
    ] {
        let (names, server_name) = shown(&store, Listener::Public, Some(asked));
        assert_eq!(&names, expected, "{asked}");
        assert_eq!(server_name, Some(asked.to_ascii_lowercase()));
    }
}

/// TCP-20.
#[test]
fn without_server_name_the_first_domains_certificate_is_shown_and_none_is_reported() {
    let store = two_domains(&Authority::new("root"));
    let (names, server_name) = shown(&store, Listener::Public, None);
    assert_eq!(names[0], "one.example");
    assert_eq!(server_name, None);
}

/// Prosody 0.12 sends no SNI after STARTTLS: it saw the first domain's certificate whichever domain it had asked for, and
/// closed the stream ("not valid for this name"). Every domain but the first one was cut off from it.
#[test]
fn without_server_name_the_certificate_of_the_stream_headers_domain_is_shown() {
    let store = two_domains(&Authority::new("root"));
    for (asked, expected) in [("conference.one.example", "one.example"), ("bücher.example", "xn--bcher-kva.example")] {
        let session = store.server(Listener::Public, Some(&domain(asked)));
        assert_eq!(shown_by(session, None).0[0], expected);
    }
    let session = store.server(Listener::Public, Some(&domain("bücher.example")));
    assert_eq!(shown_by(session, Some("one.example")).0[0], "one.example", "SNI wins");
    let session = store.server(Listener::Public, Some(&domain("unknown.example")));
    assert_eq!(shown_by(session, None).0[0], "one.example");
    let session = store.server(Listener::Internal, Some(&domain("bücher.example")));
    assert_eq!(shown_by(session, None).0, ["ringgate.internal"]);
}

#[test]
fn the_internal_listener_shows_the_internal_certificate() {
    let store = two_domains(&Authority::new("root"));
    for asked in [Some("one.example"), Some("remote.example"), None] {
        assert_eq!(shown(&store, Listener::Internal, asked).0, ["ringgate.internal"]);
    }
    let authority = Authority::new("root");
    let without = authority.store(&["one.example"]);
    assert_eq!(shown(&without, Listener::Internal, None).0, ["one.example"]);
}

#[test]
fn the_client_certificate_is_that_of_the_local_domain() {
    let authority = Authority::new("root");
    let own_client = Identity {
        client: Some(authority.issue(&["client.three.example"]).files()),
        ..identity(&["three.example"], authority.issue(&["three.example"]).files())
    };
    let mut identities: Vec<_> =
        ["one.example", "two.example"].map(|name| identity(&[name], authority.issue(&[name]).files())).to_vec();
    identities.push(own_client);
    let internal = authority.issue(&["ringgate.internal"]).files();
    let store = Store::load(identities, authority.roots(), Some(internal)).unwrap();
    let theirs = authority.store(&["partner.example"]);
    for (local, internal, expected) in [
        ("one.example", false, "one.example"),
        ("two.example", false, "two.example"),
        ("three.example", false, "client.three.example"),
        ("one.example", true, "ringgate.internal"),
        ("remote.example", true, "ringgate.internal"),
    ] {
        let mut client = store.client(&names("partner.example", local), internal).unwrap();
        let mut server = theirs.server(Listener::Public, None);
        let (_, at_server) = converse(&mut client, &mut server, usize::MAX);
        assert_eq!(at_server.peer.unwrap().dns_names, [expected]);
        assert_eq!(server.server_name(), Some("partner.example"));
        assert_eq!(client.server_name(), Some("partner.example"));
    }
}

#[test]
fn backends_see_no_certificate_when_there_is_no_internal_one() {
    let authority = Authority::new("root");
    let store = authority.store(&["one.example"]);
    let mut client = store.client(&names("one.example", "remote.example"), true).unwrap();
    let mut server = store.server(Listener::Internal, None);
    let (_, at_server) = converse(&mut client, &mut server, usize::MAX);
    assert_eq!(at_server.trust(), Err(Untrusted::Absent));
}

#[test]
fn an_unknown_local_domain_is_an_error() {
    let store = Authority::new("root").store(&["one.example"]);
    let result = store.client(&names("partner.example", "unknown.example"), false);
    assert!(matches!(result, Err(TlsError::UnknownLocal(name)) if name == domain("unknown.example")));
}

#[test]
fn sessions_and_stores_move_between_threads_and_stay_small() {
    fn assert_send<T: Send>() {}
    fn assert_sync<T: Sync>() {}
    assert_send::<Session>();
    assert_send::<Store>();
    assert_sync::<Store>();
    assert!(size_of::<Session>() <= 128, "{}", size_of::<Session>());
}
