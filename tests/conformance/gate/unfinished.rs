//! A rule of the house: what all streams together keep of stanzas whose end has not come has a bound.

use ringgate_proto::event::{CloseCause, ConnId};
use ringgate_proto::gate::Input;
use ringgate_proto::limits::UNFINISHED_BYTES_PER_SHARD;
use ringgate_proto::stream::Condition;

use super::town::*;
use crate::peer::{LOCAL, REMOTE};

/// Most of the largest stanza.
const MOST: usize = 250_000;
/// As a shell reads.
const READ_BYTES: usize = 16 << 10;

/// A stanza without its end, with a body of so many bytes.
fn beginning(bytes: usize) -> String {
    let head = "<message from='a@remote.example/x' to='b@local.example' id='m2'><body>";
    head.to_owned() + &"x".repeat(bytes)
}

const END_OF_STANZA: &str = "</body></message>";

/// Says it read by read.
fn begins(town: &mut Town, conn: ConnId, bytes: usize) {
    beginning(bytes).as_bytes().chunks(READ_BYTES).for_each(|read| town.says_bytes(conn, read));
}

/// Streams of a remote domain that each held back the end of a stanza took 256 KiB each, bounded only by the connections:
/// 12 GB of a shard that has its full number of them.
#[test]
fn streams_that_hold_back_the_ends_of_their_stanzas_end_oldest_first() {
    let (mut town, _, backend) = Town::inbound();
    let mut holders: Vec<ConnId> = Vec::new();
    for _ in 0..1_100 {
        let conn = town.proven();
        begins(&mut town, conn, MOST);
        holders.push(conn);
        // A byte now and then makes it no younger.
        if !town.line(holders[0]).is_closed {
            town.says(holders[0], "x");
        }
        assert!(town.gate.unfinished_bytes() <= UNFINISHED_BYTES_PER_SHARD);
    }
    let ended = holders.iter().take_while(|conn| town.line(**conn).is_closed).count();
    let (old, young) = holders.split_at(ended);
    assert!(young.iter().all(|conn| !town.line(*conn).is_closed), "{ended} ended, and younger ones too");
    assert!((1..400).contains(&ended), "{ended} of {}", holders.len());
    assert!(town.gate.unfinished_bytes() >= young.len() * MOST, "what is kept is counted");
    old.iter().for_each(|conn| town.ends_with(*conn, "resource-constraint"));
    let is_counted = |cause: &CloseCause| matches!(cause, CloseCause::SentError(Condition::ResourceConstraint, _));
    assert_eq!(town.causes().iter().filter(|cause| is_counted(cause)).count(), ended);

    let neighbour = town.proven();
    begins(&mut town, neighbour, 60_000);
    let (last, another) = (*young.last().unwrap(), town.proven());
    begins(&mut town, another, MOST);
    assert!(town.line(young[0]).is_closed, "there was no room for it");
    town.hears(backend);
    for conn in [neighbour, last] {
        town.says(conn, END_OF_STANZA);
        assert!(town.hears(backend).ends_with(END_OF_STANZA), "its stanza arrives");
    }
}

#[test]
fn stream_that_finishes_its_stanza_or_ends_gives_back_what_it_held() {
    type End = fn(&mut Town, ConnId);
    let ends: [(&str, End); 6] = [
        ("finished", |town, conn| town.says(conn, END_OF_STANZA)),
        ("and the next begun", |town, conn| town.says(conn, "</body></message><message from='a@remote.example/x'")),
        ("not well-formed", |town, conn| town.says(conn, "</message>")),
        ("reset", Town::resets),
        ("left", |town, conn| town.gives(Input::Eof { conn })),
        ("idle", |town, _| town.passes(2 * ringgate_proto::limits::IDLE)),
    ];
    let mut town = Town::new();
    for (name, end) in ends {
        let (conn, other) = (town.proven(), town.proven());
        begins(&mut town, conn, MOST);
        let held = town.gate.unfinished_bytes();
        assert!(held >= MOST, "{name}: {held} bytes");
        town.says(other, &beginning(50_000));
        assert!(town.gate.unfinished_bytes() >= held + 50_000, "{name}");
        town.resets(other);
        assert_eq!(town.gate.unfinished_bytes(), held, "{name}");
        end(&mut town, conn);
        assert_eq!(town.gate.unfinished_bytes(), 0, "{name}");
    }
}

#[test]
fn stanzas_of_backends_are_not_counted() {
    let mut town = Town::new();
    town.knows_remote();
    let (conn, _) = town.backend_calls();
    town.says(conn, &format!("<message from='a@{LOCAL}/x' to='b@{REMOTE}'><body>{}", "x".repeat(MOST)));
    assert!(!town.line(conn).is_closed);
    assert_eq!(town.gate.unfinished_bytes(), 0);
}
