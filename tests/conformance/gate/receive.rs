//! A rule of the house: who gives the gate bytes may stop it anywhere, and nothing is lost, doubled or late for it.

use ringgate_proto::event::ConnId;
use ringgate_proto::gate::LOOK_BYTES;
use ringgate_proto::limits::{OUTBOX_HARD_BYTES, OUTBOX_HIGH_BYTES};

use crate::gate::town::{HELLO, Town};
use crate::peer::{LOCAL, REMOTE};

fn message(body: usize) -> String {
    format!("<message from='a@{REMOTE}/x' to='b@{LOCAL}'><body>{}</body></message>", "ä".repeat(body))
}

/// Stanzas of all sizes, with white space between them.
fn stanzas() -> String {
    [0, 1, 5_000, 10, 700, 20_000, 3].map(message).join(" \n") + &message(20).repeat(200)
}

/// Gives bytes in pieces of `cut`, and the gate's every `patience`-th question has the answer no.
fn gives(town: &mut Town, conn: ConnId, bytes: &[u8], (cut, patience): (usize, usize)) {
    let mut asked = 0;
    let mut goes_on = |_| {
        asked += 1;
        asked % patience != 0
    };
    for piece in bytes.chunks(cut) {
        let mut taken = 0;
        while taken < piece.len() {
            taken += town.gate.receive(conn, &piece[taken..], town.now, &mut goes_on);
        }
    }
    town.says(conn, "");
}

#[test]
fn stanzas_are_the_same_wherever_they_are_cut_and_stopped() {
    let text = stanzas();
    for cut in [1, 7, 333, LOOK_BYTES, LOOK_BYTES + 1, 5_000, usize::MAX] {
        for patience in [1, 2, 3, 7, usize::MAX] {
            let (mut town, conn, backend) = Town::inbound();
            gives(&mut town, conn, text.as_bytes(), (cut, patience));
            assert_eq!(town.hears(backend), text.replace(" \n", ""), "cut {cut}, patience {patience}");
        }
    }
}

#[test]
fn who_brings_much_can_be_stopped_soon() {
    let (mut town, conn, _) = Town::inbound();
    let small = message(20).repeat(200);
    let taken = town.gate.receive(conn, small.as_bytes(), town.now, &mut |_| false);
    assert!((LOOK_BYTES..2 * LOOK_BYTES).contains(&taken), "{taken}");
    town.says(conn, &small[taken..]);
    let large = message(20_000);
    for part in large.as_bytes().chunks(LOOK_BYTES) {
        let taken = town.gate.receive(conn, part, town.now, &mut |_| false);
        assert_eq!(taken, part.len());
    }
    let taken = town.gate.receive(conn, large.as_bytes(), town.now, &mut |_| false);
    assert_eq!(taken, LOOK_BYTES, "an element that is not complete is stopped as well");
}

#[test]
fn stream_whose_stanzas_have_nowhere_to_go_is_stopped_before_the_next_one() {
    let (mut town, conn, backend) = Town::inbound();
    let stanza = message(200);
    let flood = stanza.repeat(2 * OUTBOX_HIGH_BYTES / stanza.len());
    let taken = town.gate.receive(conn, flood.as_bytes(), town.now, &mut |is_blocked| !is_blocked);
    assert_eq!(taken % stanza.len(), 0);
    assert!((OUTBOX_HIGH_BYTES..OUTBOX_HIGH_BYTES + 2 * stanza.len()).contains(&taken), "{taken}");
    assert_eq!(town.gate.receive(conn, flood.as_bytes(), town.now, &mut |is_blocked| !is_blocked), 0);
    town.says(conn, "");
    town.says(conn, &flood[taken..]);
    assert_eq!(town.hears(backend), flood);
}

/// 410 streams of one domain made a slow backend's outbox overflow, and everybody's stanzas to it bounced.
#[test]
fn many_streams_that_feed_a_full_outbox_add_a_stanza_each_and_nothing_bounces() {
    let (mut town, first, backend) = Town::inbound();
    let stanza = message(200);
    let brought = stanza.repeat(30);
    let mut streams = vec![(first, &brought[..])];
    streams.resize_with(1 + 2 * OUTBOX_HARD_BYTES / brought.len(), || (town.proven(), &brought[..]));
    let mut heard = 0;
    while streams.iter().any(|(_, rest)| !rest.is_empty()) {
        for (conn, rest) in &mut streams {
            let taken = town.gate.receive(*conn, rest.as_bytes(), town.now, &mut |is_blocked| !is_blocked);
            *rest = &rest[taken..];
        }
        town.says(first, "");
        let bytes = town.hears(backend).len();
        assert!(bytes <= OUTBOX_HIGH_BYTES + (1 + streams.len()) * stanza.len(), "{bytes}");
        heard += bytes;
    }
    assert_eq!(heard, streams.len() * brought.len());
    assert_eq!(town.account(REMOTE, LOCAL).bounced, 0);
}

/// 34 streams of one domain, each with all but the last byte of a large stanza, made others' bounce.
#[test]
fn largest_stanzas_that_end_at_once_make_nobodys_bounce() {
    let (mut town, neighbour, backend) = Town::inbound();
    let large = message(125_000);
    let (most, last) = large.split_at(large.len() - 1);
    let streams: Vec<ConnId> = (0..2 * OUTBOX_HARD_BYTES / large.len()).map(|_| town.proven()).collect();
    streams.iter().for_each(|conn| town.says(*conn, most));
    for conn in &streams {
        town.gate.receive(*conn, last.as_bytes(), town.now, &mut |is_blocked| !is_blocked);
    }
    town.says(neighbour, HELLO);
    assert_eq!(town.hears(backend).len(), streams.len() * large.len() + HELLO.len());
    assert_eq!(town.account(REMOTE, LOCAL).bounced, 0);
}
