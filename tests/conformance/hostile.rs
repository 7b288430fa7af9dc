//! Strangers who want the whole shard, not only their own stream: bounds of memory, time and numbers.

use ringgate_proto::event::{CloseCause, Event};
use ringgate_proto::gate::{Input, Output};
use ringgate_proto::limits;
use ringgate_proto::stream::{Condition, TlsTerms, Untrusted};

use crate::house::House;
use crate::peer::*;

const NAMELESS: &str = "to='local.example' version='1.0'";

fn message(from: &str, body: &str) -> String {
    format!("<message from='a@{from}' to='b@{LOCAL}'><body>{body}</body></message>")
}

fn is_ended(house: &House, condition: Condition) -> bool {
    house.has_event(|event| {
        matches!(event, Event::StreamClosed { cause: CloseCause::SentError(sent, _), .. } if *sent == condition)
    })
}

/// A1.21: a domain with two hosts, the first of which answered within the second's head start: the head start's time had
/// passed, was set again, and passed again: the shard never left its timers.
#[test]
fn host_that_connects_before_the_next_is_due_stops_no_shard() {
    let mut house = House::new(TlsTerms::Required);
    house.posts([(pair(LOCAL, REMOTE), format!("<message from='a@{LOCAL}' to='b@{REMOTE}'/>"))].into_iter());
    house.resolves_all();
    let attempt = house.dialled().expect("the first host is dialled");
    house.wait_briefly();
    house.handle(Input::Connected { conn: attempt });
    house.wait(1);
    assert!(house.takes(attempt).contains("<stream:stream"));
}
