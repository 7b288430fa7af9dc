//! XEP-0205: denial of service.

use std::time::Duration;

use ringgate_proto::limits;

use super::town::*;
use crate::peer::*;

/// STZ-32: white space is thrown away as it comes: it fills no buffer, and before authentication it buys no time.
#[test]
fn flood_of_white_space_takes_no_memory_and_buys_no_time() {
    let mut town = Town::new();
    let (proven, slow) = (town.proven(), town.encrypted());
    let spaces = " ".repeat(64 << 10);
    for _ in 0..70 {
        for _ in 0..16 {
            town.says(proven, &spaces);
            town.says(slow, &spaces);
        }
        town.passes(Duration::from_secs(1));
    }
    assert!(limits::NEGOTIATION < Duration::from_secs(70));
    town.ends_with(slow, "connection-timeout");
    town.goes_on(proven);
    town.says(proven, HELLO);
    assert_eq!(town.account(REMOTE, LOCAL).accepted, 1);
}

/// DBK-22: requests for names that do not exist make us ask the DNS, so a stream may have only so many open.
#[test]
fn flood_of_dialback_requests_is_bounded_per_stream() {
    let mut town = Town::new();
    town.dns_is_silent = true;
    let peer = town.encrypted();
    let requests = 10_000;
    for number in 0..requests {
        town.says(peer, &format!("<db:result from='n{number}.invalid' to='local.example'>key</db:result>"));
    }
    let heard = town.hears(peer);
    let refused = heard.matches("<resource-constraint ").count();
    assert_eq!(refused, requests - limits::VERIFICATIONS_PER_STREAM);
    assert!(town.asked.len() <= limits::VERIFICATIONS_PER_STREAM, "{} questions", town.asked.len());
    assert!(town.calls.is_empty());
    town.goes_on(peer);
}

/// DBK-22: and so may all streams of a shard together.
#[test]
fn flood_of_dialback_requests_is_bounded_per_shard() {
    let mut town = Town::new();
    town.dns_is_silent = true;
    let streams = limits::VERIFICATIONS_PER_SHARD / limits::VERIFICATIONS_PER_STREAM + 2;
    for stream in 0..streams {
        let peer = town.encrypted();
        for number in 0..limits::VERIFICATIONS_PER_STREAM {
            let request = format!("<db:result from='n{stream}-{number}.invalid' to='local.example'>key</db:result>");
            town.says(peer, &request);
        }
    }
    let refused = town.refusals().iter().filter(|reason| **reason == "too-many-verifications").count();
    assert_eq!(refused, 2 * limits::VERIFICATIONS_PER_STREAM);
    assert!(town.asked.len() <= limits::VERIFICATIONS_PER_SHARD);
}
