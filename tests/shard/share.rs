//! Connections that bring more than their share of a tick, and those beside them.

use std::io::Write;
use std::net::Shutdown;

use crate::peer::{Peer, client};
use crate::scripts::{accept_dialback, authenticated, header, message, proceeding};
use crate::storm::{STORM, Stepped, is_answered};
use crate::world::{INSIDE, REMOTES, World};

/// Stanzas of a flood. Together they fit into the sockets' buffers, and are many times a share.
pub(crate) const FLOOD: usize = 4;

/// Elements that take long for their length: each is 413 bytes with 60 attributes.
pub(crate) fn elements(count: usize) -> String {
    let attributes: String = (0..60).map(|attribute| format!(" a{attribute}=''")).collect();
    format!("<a{attributes}/>").repeat(count)
}

/// A stanza of 12 KB of these.
pub(crate) fn dear(from: &str, number: usize) -> String {
    message(from, INSIDE, &format!("dear {number}.{}", elements(30)))
}

pub(crate) fn flood(from: &str) -> String {
    (0..FLOOD).map(|number| dear(from, number)).collect()
}

/// Two remote servers that are proven to the same backend, and its stream for both.
pub(crate) struct Street {
    pub(crate) world: World,
    pub(crate) first: Peer,
    pub(crate) second: Peer,
    pub(crate) backend: Peer,
}

impl Street {
    fn new() -> Self {
        Self::of(World::start(1))
    }

    pub(crate) fn of(world: World) -> Self {
        let mut first = authenticated(&world, REMOTES[0]);
        first.say(&message(REMOTES[0], INSIDE, "the stream stands"));
        let mut backend = Peer::new(world.backend.accept().expect("accept").0);
        accept_dialback(&mut backend);
        backend.expect("the stream stands</body></message>");
        let mut second = authenticated(&world, REMOTES[1]);
        second.say(&message(REMOTES[1], INSIDE, "so does this"));
        backend.expect("</db:result>");
        backend.say(&format!("<db:result from='{INSIDE}' to='{}' type='valid'/>", REMOTES[1]));
        backend.expect("so does this</body></message>");
        Self { world, first, second, backend }
    }

    pub(crate) fn end(self) {
        drop((self.first, self.second, self.backend));
        self.world.drain();
    }

    fn deferrals(&self) -> u64 {
        self.world.count(|counters| counters.deferrals)
    }

    /// One read brings the end of a record of many pieces from the first, and what is `behind` it, while the second's flood
    /// waits; returns all that the backend gets.
    fn torn_record_and(&mut self, behind: impl FnOnce(&mut Peer) -> Vec<u8>) -> Vec<String> {
        let record = self.first.sealed(&dear(REMOTES[0], 0));
        let (most, tail) = record.split_at(record.len() - 500);
        self.first.stream.write_all(most).expect("write");
        self.second.say(&message(REMOTES[1], INSIDE, "the record is torn"));
        self.backend.expect("the record is torn</body></message>");
        let held = self.world.hold(0);
        self.second.say(&flood(REMOTES[1]));
        let behind = behind(&mut self.first);
        self.first.stream.write_all(&[tail, &behind].concat()).expect("write");
        drop(held);
        (0..=FLOOD).map(|_| self.backend.expect("</message>")).collect()
    }

    /// The stanzas of a flood arrive, in order.
    fn expect_flood(&mut self, from: usize) {
        for number in from..FLOOD {
            let stanza = self.backend.expect("</message>");
            assert!(stanza.contains(&format!("dear {number}.<a a0=''")), "{number}: {stanza:.200}");
        }
    }
}

#[test]
fn stanza_of_a_neighbour_goes_before_the_rest_of_a_flood() {
    let mut street = Street::new();
    let held = street.world.hold(0);
    street.first.say(&flood(REMOTES[0]));
    street.second.say(&message(REMOTES[1], INSIDE, "from next door"));
    drop(held);
    let mut before = 0;
    loop {
        let stanza = street.backend.expect("</message>");
        if stanza.contains("from next door") {
            break;
        }
        assert!(stanza.contains(&format!("dear {before}.")), "{before}: {stanza:.200}");
        before += 1;
    }
    assert!(before < FLOOD, "the neighbour waited for all of the flood");
    street.expect_flood(before);
    assert!(street.deferrals() > 0);
    street.end();
}

#[test]
fn stanza_of_a_neighbour_is_sent_before_the_rest_of_a_flood_behind_it_is_read() {
    let mut street = Street::new();
    let flushes = |street: &Street| street.world.count(|counters| counters.flushes);
    let before = flushes(&street);
    // Both come in one tick, and nothing comes after the flood.
    let held = street.world.hold(0);
    street.second.say(&message(REMOTES[1], INSIDE, "from next door"));
    street.first.say(&flood(REMOTES[0]));
    drop(held);
    assert!(street.backend.expect("</message>").contains("from next door"));
    street.expect_flood(0);
    assert_eq!(street.deferrals(), 1);
    assert!(flushes(&street) - before > 1, "the neighbour's went with all of the flood");
    street.end();
}

#[test]
fn flood_that_waited_is_complete_and_in_order_though_its_sender_has_left() {
    let mut street = Street::new();
    let held = street.world.hold(0);
    street.first.say(&flood(REMOTES[0]));
    street.first.stream.shutdown(Shutdown::Write).expect("shutdown");
    street.second.say(&flood(REMOTES[1]));
    street.second.stream.shutdown(Shutdown::Write).expect("shutdown");
    drop(held);
    let mut next = [0, 0];
    for _ in 0..2 * FLOOD {
        let stanza = street.backend.expect("</message>");
        let sender = usize::from(stanza.contains(REMOTES[1]));
        assert!(stanza.contains(&format!("dear {}.<a a0=''", next[sender])), "{next:?}: {stanza:.200}");
        next[sender] += 1;
    }
    assert_eq!(next, [FLOOD, FLOOD]);
    assert!(street.deferrals() > 0);
    street.world.eventually(|world| world.connections() == 1);
    street.end();
}

#[test]
fn close_notify_does_not_overtake_the_plaintext_before_it() {
    let mut street = Street::new();
    let stanzas = street.torn_record_and(Peer::farewell);
    let last = stanzas.iter().filter(|stanza| stanza.contains(REMOTES[0])).count();
    assert_eq!(last, 1, "of {} stanzas", stanzas.len());
    assert!(street.deferrals() > 1);
    street.world.eventually(|world| world.connections() == 2);
    street.end();
}

#[test]
fn what_came_before_tls_broke_is_delivered_first() {
    let mut street = Street::new();
    // Nobody can decrypt what is behind.
    let stanzas = street.torn_record_and(|peer| {
        let mut forged = peer.sealed(&message(REMOTES[0], INSIDE, "altered on the way"));
        *forged.last_mut().expect("a record") ^= 1;
        forged
    });
    let mut of_first = stanzas.iter().filter(|stanza| stanza.contains(REMOTES[0]));
    assert!(of_first.next().is_some_and(|stanza| stanza.contains("dear 0.")), "of {} stanzas", stanzas.len());
    assert!(of_first.next().is_none());
    assert!(street.deferrals() > 1);
    street.first.stream.shutdown(Shutdown::Write).expect("shutdown");
    street.world.eventually(|world| world.connections() == 2);
    assert_eq!(street.world.count(|counters| counters.tls_failures), 1);
    street.end();
}

#[test]
fn rest_of_a_flood_alternates_with_handshakes_that_wait() {
    let mut street = Street::new();
    let mut newcomers: Vec<Peer> = (0..STORM).map(|_| proceeding(street.world.public, REMOTES[2])).collect();
    let shard = Stepped::new(&street.world);
    street.first.say(&flood(REMOTES[0]));
    for peer in &mut newcomers {
        peer.start_tls(client(&street.world.tls.without_resumption(), REMOTES[2], INSIDE));
    }
    let mut heard = vec![0; 1 << 17];
    street.backend.stream.set_nonblocking(true).expect("a socket");
    let mut is_through = || {
        let count = street.backend.stream.peek(&mut heard).unwrap_or(0);
        String::from_utf8_lossy(&heard[..count]).matches("</message>").count() == FLOOD
    };
    let through = (0..4 * STORM).any(|_| {
        shard.tick();
        is_through()
    });
    let still_wait = newcomers.iter().filter(|peer| !is_answered(peer)).count();
    assert!(through, "the flood waits");
    assert!(still_wait > 0, "the flood went after all of the handshakes");
    street.backend.stream.set_nonblocking(false).expect("a socket");
    drop(shard);
    newcomers.iter_mut().for_each(Peer::finish_tls);
    street.expect_flood(0);
    drop(newcomers);
    street.end();
}

#[test]
fn two_floods_take_turns() {
    let mut street = Street::new();
    let held = street.world.hold(0);
    street.first.say(&flood(REMOTES[0]));
    street.second.say(&flood(REMOTES[1]));
    drop(held);
    let order: Vec<bool> = (0..2 * FLOOD).map(|_| street.backend.expect("</message>").contains(REMOTES[1])).collect();
    let changes = order.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(changes > 1, "one after the other: {order:?}");
    street.end();
}

#[test]
fn clear_bytes_that_wait_when_tls_begins_do_not_enter_the_stream() {
    let mut street = Street::new();
    let mut peer = Peer::connect(street.world.public);
    peer.say(&header(REMOTES[2], INSIDE));
    peer.expect("</stream:features>");
    let held = street.world.hold(0);
    // Its share ends with the refusal, and what is behind STARTTLS waits: CVE-2011-0411.
    let dear = format!("<compress xmlns='http://jabber.org/protocol/compress'>{}</compress>", elements(19));
    let injected = "<presence from='evil.test' to='inside.test'/>".repeat(500);
    peer.say(&format!("{dear}<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>{injected}"));
    street.second.say(&flood(REMOTES[1]));
    drop(held);
    peer.expect("<proceed");
    peer.expect(">");
    peer.tls_to(&street.world.tls, REMOTES[2], INSIDE);
    peer.say(&header(REMOTES[2], INSIDE));
    let features = peer.expect("</stream:features>");
    assert!(!features.contains("stream:error"), "{features}");
    for number in 0..FLOOD {
        assert!(street.backend.expect("</message>").contains(&format!("dear {number}.")));
    }
    street.end();
}
