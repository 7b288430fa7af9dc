//! A rule of the house: in the steady state, nothing is allocated per stanza. An allocator that counts is the judge.

use ringgate_proto::event::ConnId;
use ringgate_proto::gate::{Input, Outgoing};

use crate::gate::town::Town;
use crate::peer::{LOCAL, REMOTE};

/// Ticks before anything is counted: buffers grow to what they will be.
const WARM_UP: usize = 8;
const TICKS: usize = 100;
const PER_TICK: usize = 8;

/// What comes in one tick: stanzas of several kinds, with entities, declarations and addresses to be prepared.
fn stanzas(from: &str, to: &str) -> String {
    let text = |number| match number % 4 {
        0 => format!("<message from='a@{from}/x' to='b@{to}' id='m{number}' type='chat'><body>hello</body></message>"),
        1 => format!("<presence from='a@{from}/x' to='b@{to}'><c xmlns='http://jabber.org/protocol/caps'/></presence>"),
        2 => format!(
            "<iq from='a@{from}/x' to='{to}' id='&lt;{number}&gt;' type='get'><ping xmlns='urn:xmpp:ping'/></iq>"
        ),
        _ => format!("<message from='a@{from}/&amp;x' to='b@{to}/ö' xml:lang='de'><body>ä &amp; ö</body></message>"),
    };
    (0..PER_TICK).map(text).collect()
}

/// What a shard does in a tick in which these pieces came in. Returns how many bytes left.
fn tick(town: &mut Town, conn: ConnId, pieces: &[&[u8]], reused: &mut Outgoing) -> usize {
    let (gate, now) = (&mut town.gate, town.now);
    for bytes in pieces {
        gate.receive(conn, bytes, now, &mut |_| true);
    }
    assert!(gate.next_output().is_none(), "nothing but stanzas happens");
    gate.end_tick();
    let mut left = 0;
    while let Some(conn) = gate.next_dirty() {
        *reused = gate.take_outbox(conn, std::mem::take(reused));
        left += reused.bytes.len();
        reused.bytes.clear();
        gate.handle(Input::Flushed { conn }, now);
    }
    left
}

/// Allocations in [`TICKS`] ticks of the steady state; every byte must have left.
#[track_caller]
fn allocations(town: &mut Town, conn: ConnId, pieces: &[&[u8]]) -> u64 {
    let mut reused = Outgoing::default();
    let mut ticks = |count| (0..count).map(|_| tick(town, conn, pieces, &mut reused)).sum::<usize>();
    ticks(WARM_UP);
    let mut left = 0;
    let counted = allocation_counter::measure(|| left = ticks(TICKS));
    assert_eq!(left, TICKS * pieces.concat().len(), "the very bytes leave");
    counted.count_total
}

#[test]
fn stanzas_of_a_remote_server_are_forwarded_without_an_allocation() {
    let (mut town, conn, _) = Town::inbound();
    let text = stanzas(REMOTE, LOCAL);
    assert_eq!(allocations(&mut town, conn, &[text.as_bytes()]), 0);
    let forwarded = 1 + (WARM_UP + TICKS) * PER_TICK;
    assert_eq!(town.account(REMOTE, LOCAL).handed_over, forwarded as u64);
}

#[test]
fn stanzas_of_a_backend_are_forwarded_without_an_allocation() {
    let mut town = Town::new();
    town.knows_remote();
    let (conn, _) = town.backend_calls();
    town.says(conn, &stanzas(LOCAL, REMOTE));
    town.remote_takes();
    assert_eq!(allocations(&mut town, conn, &[stanzas(LOCAL, REMOTE).as_bytes()]), 0);
    let forwarded = (1 + WARM_UP + TICKS) * PER_TICK;
    assert_eq!(town.account(LOCAL, REMOTE).handed_over, forwarded as u64);
}

#[test]
fn stanzas_that_span_reads_are_joined_without_an_allocation() {
    let (mut town, conn, _) = Town::inbound();
    let text = stanzas(REMOTE, LOCAL);
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(97).collect();
    assert_eq!(allocations(&mut town, conn, &pieces), 0);
}

#[test]
fn counter_sees_what_a_shell_without_reuse_allocates() {
    let (mut town, conn, _) = Town::inbound();
    let text = stanzas(REMOTE, LOCAL);
    let counted = allocation_counter::measure(|| town.says(conn, &text));
    assert!(counted.count_total > 0, "an allocator that counts nothing proves nothing");
}
