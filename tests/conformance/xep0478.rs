//! XEP-0478 §3: stream limits.

use ringgate_proto::stream::{Receiving, Side};

use crate::peer::*;

#[test]
fn configured_bound_is_announced() {
    let machine = Receiving::new(Side::Federation, None).with_stanza_bytes(65_536);
    let mut peer = Peer::new(DEFAULT, machine);
    peer.says(&header(TO_LOCAL)).says(STARTTLS).completes_tls(certificate(&[REMOTE])).says(&header(TO_LOCAL));
    assert!(peer.hears().contains("<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>65536</max-bytes></limits>"));
}

/// FEA-15, at the machine: the router is told the peer's bound, and it is that of the last features.
#[test]
fn peers_bound_is_read_from_its_last_features() {
    let limits = |bytes| format!("<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>{bytes}</max-bytes></limits>");
    let mut peer = is_called_encrypted(DEFAULT, certificate(&[REMOTE]));
    assert_eq!(peer.machine.peer_stanza_limit(), None);
    peer.says(&header(RESPONSE)).says(&features(&format!("{EXTERNAL}{}", limits(10_000))));
    assert_eq!(peer.machine.peer_stanza_limit(), Some(10_000));
    peer.says(SUCCESS).says(&header(RESPONSE)).says(&features(&limits(262_144)));
    assert_eq!(peer.machine.peer_stanza_limit(), Some(262_144));
}
