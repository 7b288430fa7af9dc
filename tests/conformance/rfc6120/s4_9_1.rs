//! RFC 6120 §4.9.1: how stream errors are sent.

use ringgate_proto::stream::{Condition, StreamError};

use crate::peer::*;

/// TCP-01, at the machine: an error before the peer's header comes after ours. §4.9.1.2
#[test]
fn error_before_the_peers_header_follows_a_header_of_ours() {
    let mut peer = connects(DEFAULT);
    peer.is_refused(StreamError::peer(Condition::ConnectionTimeout, "negotiation took too long"));
    assert_eq!(
        peer.hears(),
        format!(
            "<?xml version='1.0'?><stream:stream {NAMESPACES} from='local.example' \
             id='00000000000000000000000000000001' version='1.0'><stream:error><connection-timeout \
             xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' \
             xml:lang='en'>negotiation took too long</text></stream:error></stream:stream>"
        )
    );
    assert!(peer.machine.is_over());
}

/// TCP-08
#[test]
fn http_request_hears_header_and_not_well_formed_or_bad_format() {
    let mut peer = connects(DEFAULT);
    peer.says("GET / HTTP/1.1\r\nHost: local.example\r\n\r\n");
    let condition = peer.error.unwrap().condition;
    assert!(matches!(condition, Condition::NotWellFormed | Condition::BadFormat), "{condition:?}");
    assert!(peer.out_contains("<?xml version='1.0'?><stream:stream "));
    peer.hears_error(condition.as_str());
}

#[test]
fn header_is_written_once_when_an_error_follows_it() {
    let mut peer = connects(DEFAULT);
    peer.says(&header(TO_LOCAL)).says("<x xmlns='urn:x'/>");
    let heard = peer.hears();
    assert_eq!(heard.matches("<stream:stream ").count(), 1, "{heard}");
}

/// §4.9.1.1: an error ends the stream; a second one is not written.
#[test]
fn second_error_is_not_written() {
    let mut peer = connects(DEFAULT);
    let error = StreamError::us(Condition::SystemShutdown, "");
    peer.is_refused(error).is_refused(error).is_closed();
    let heard = peer.hears();
    assert_eq!((heard.matches("<stream:error>").count(), heard.matches(END).count()), (1, 1), "{heard}");
}

#[test]
fn error_between_success_and_the_restarted_header_follows_a_new_header() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&auth("=")).hears();
    peer.is_refused(StreamError::peer(Condition::ConnectionTimeout, ""));
    let heard = peer.hears();
    assert!(heard.starts_with("<?xml version='1.0'?><stream:stream "), "{heard}");
}

/// TLS's bytes come next: an error in clear would be read as a broken handshake, or worse, as ours.
#[test]
fn error_while_tls_is_agreed_writes_nothing_in_clear() {
    let mut peer = connects(DEFAULT);
    peer.says(&header(TO_LOCAL)).says(STARTTLS).hears();
    peer.is_refused(StreamError::peer(Condition::ConnectionTimeout, ""));
    assert_eq!((peer.hears().as_str(), peer.machine.is_over()), ("", true));
}

#[test]
fn error_on_an_outbound_stream_before_it_began_follows_our_header() {
    let mut peer = is_called(intent(DEFAULT), None);
    peer.is_refused(StreamError::us(Condition::SystemShutdown, ""));
    assert!(peer.out_contains(&format!("{NAMESPACES} from='local.example' to='remote.example' version='1.0'>")));
    peer.hears_error("system-shutdown");
}
