//! XEP-0205: denial of service.

use std::net::SocketAddr;
use std::time::Duration;

use ringgate_proto::event::ConnId;
use ringgate_proto::gate::Purpose;
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
    let streams = limits::INBOUND_VERIFICATIONS_PER_SHARD / limits::VERIFICATIONS_PER_STREAM + 2;
    for stream in 0..streams {
        let peer = town.encrypted_from(stranger(stream));
        asks_for_all_it_may(&mut town, peer, &stream.to_string());
    }
    assert_eq!(too_many(&town), 2 * limits::VERIFICATIONS_PER_STREAM);
    assert!(town.asked.len() <= limits::INBOUND_VERIFICATIONS_PER_SHARD);
}

/// DBK-22: strangers at sixteen addresses held all places of a shard, and our own domains could open no pair for half a minute.
#[test]
fn flood_of_dialback_requests_leaves_places_to_backends() {
    let mut town = Town::new();
    let (_, back) = town.backend_calls();
    town.dns_is_silent = true;
    for stream in 0..limits::VERIFICATIONS_PER_SHARD / limits::VERIFICATIONS_PER_STREAM {
        let peer = town.encrypted_from(stranger(stream / 4));
        asks_for_all_it_may(&mut town, peer, &stream.to_string());
    }
    let refused = limits::VERIFICATIONS_PER_SHARD - limits::INBOUND_VERIFICATIONS_PER_SHARD;
    assert_eq!(too_many(&town), refused);
    let conn = town.backend_connects();
    town.says(conn, &header("from='local.example' to='remote.example' version='1.0'"));
    town.says(conn, "<db:result from='local.example' to='remote.example'>key</db:result>");
    town.grants(back);
    let heard = town.hears(conn);
    assert!(heard.contains(" type='valid'/>"), "{heard}");
    assert_eq!(too_many(&town), refused);
}

/// DBK-22: a stranger claims to be a domain on many streams; the domain itself is asked about no later for it.
#[test]
fn forged_requests_for_a_domain_do_not_stand_before_its_own() {
    let mut town = Town::new();
    town.knows_remote();
    let forged = "<db:result from='remote.example' to='local.example'>forged</db:result>";
    let streams = limits::VERIFICATION_REQUESTS_PER_STREAM + 2;
    for _ in 0..streams {
        let peer = town.encrypted_from(stranger(0));
        town.says(peer, forged);
    }
    assert_eq!(too_many(&town), streams - limits::VERIFICATIONS_PER_LINK_AND_ADDRESS);
    let own = town.encrypted_from(stranger(1));
    town.says(own, &forged.replace("forged", "own"));
    let authority = town.remote_negotiates(DIALBACK);
    let asked = town.hears(authority);
    assert_eq!(asked.matches("<db:verify ").count(), limits::VERIFICATIONS_PER_LINK_AND_ADDRESS + 1, "{asked}");
    assert!(asked.contains(">own<"), "{asked}");
}

/// DBK-22: an address with many streams leaves places to others, and closing the streams frees none.
#[test]
fn flood_of_dialback_requests_is_bounded_per_address() {
    let mut town = Town::new();
    town.dns_is_silent = true;
    let streams = limits::VERIFICATIONS_PER_ADDRESS / limits::VERIFICATIONS_PER_STREAM;
    for stream in 0..streams {
        let peer = town.encrypted_from(stranger(0));
        asks_for_all_it_may(&mut town, peer, &stream.to_string());
        town.resets(peer);
    }
    assert_eq!(too_many(&town), 0);
    let late = town.encrypted_from(stranger(0));
    asks_for_all_it_may(&mut town, late, "late");
    assert_eq!(too_many(&town), limits::VERIFICATIONS_PER_STREAM);
    assert!(town.hears(late).contains("<resource-constraint "));

    let other = town.encrypted_from(stranger(1));
    asks_for_all_it_may(&mut town, other, "other");
    assert_eq!(too_many(&town), limits::VERIFICATIONS_PER_STREAM, "the other's were refused too");
    assert_eq!(town.hears(other), "");
}

/// DBK-22: what was answered takes no place any more.
#[test]
fn address_gets_its_verifications_back_when_they_have_ended() {
    let mut town = Town::new();
    town.dns_is_silent = true;
    for round in 0..3 {
        for stream in 0..limits::VERIFICATIONS_PER_ADDRESS / limits::VERIFICATIONS_PER_STREAM {
            let peer = town.encrypted_from(stranger(0));
            asks_for_all_it_may(&mut town, peer, &format!("{round}-{stream}"));
            town.resets(peer);
        }
        town.passes(limits::DIALBACK + Duration::from_secs(1));
    }
    assert_eq!(too_many(&town), 0);
}

/// DBK-22: a stranger asks to be believed as a domain that we have something for.
#[test]
fn delivery_asks_again_what_waits_for_a_strangers_sake() {
    let mut town = Town::new();
    town.dns_is_silent = true;
    let peer = town.encrypted();
    let request = "<db:result from='remote.example' to='local.example'>key</db:result>";
    town.says(peer, request);
    let first = std::mem::take(&mut town.asked);
    assert!(!first.is_empty() && first.iter().all(|(_, purpose)| *purpose == Purpose::Verification), "{first:?}");

    let (backend, _) = town.backend_calls();
    town.says(backend, "<message from='b@local.example' to='a@remote.example' id='m1'/>");
    let again = first.iter().map(|(question, _)| (question.clone(), Purpose::Delivery)).collect::<Vec<_>>();
    assert_eq!(town.asked, again);
    let other = town.encrypted();
    town.says(other, request);
    assert_eq!(town.asked, again, "once for each purpose");
}

/// The address of one of many hosts.
fn stranger(number: usize) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, number as u8], 40_000))
}

/// As many requests as one stream may have open, all for other names.
fn asks_for_all_it_may(town: &mut Town, peer: ConnId, who: &str) {
    for number in 0..limits::VERIFICATIONS_PER_STREAM {
        town.says(peer, &format!("<db:result from='n{number}.{who}.invalid' to='local.example'>key</db:result>"));
    }
}

fn too_many(town: &Town) -> usize {
    town.refusals().iter().filter(|reason| **reason == "too-many-verifications").count()
}
