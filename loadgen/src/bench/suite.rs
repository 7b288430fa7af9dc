//! The comparisons of a bench without a scenario: each is a command line that can be run by hand.

use super::Contender;
use crate::systems::System;

/// How fast a comparison goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// As its command line says.
    Given,
    /// Half of what the slowest contender carried in an earlier comparison.
    HalfOf {
        /// Name of the earlier one.
        case: &'static str,
        /// Stanzas that one of `--rate` makes.
        stanzas: f64,
    },
}

/// One comparison.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// For directories and `--only`.
    pub name: &'static str,
    /// For tables.
    pub title: &'static str,
    /// Scenario and options.
    pub line: &'static str,
    /// How fast.
    pub rate: Rate,
    /// Who can do this; the others are related to the first one.
    pub contenders: &'static [Contender],
}

impl Case {
    /// Scenario and options of one contender.
    pub fn line_of(&self, contender: &Contender) -> String {
        [self.line, contender.options].join(" ").trim_end().to_owned()
    }
}

const RINGGATE: Contender = Contender::plain(System::Ringgate);
const HAPROXY: Contender = Contender::plain(System::Haproxy);
const XMPP_PROXY: Contender = Contender::plain(System::XmppProxy);
const PROSODY: Contender = Contender::plain(System::Prosody);
const EJABBERD: Contender = Contender::plain(System::Ejabberd);
const DIRECT: Contender = Contender::plain(System::Direct);
const BARE: Contender = Contender::plain(System::Bare);

const fn ringgate(name: &'static str, options: &'static str) -> Contender {
    Contender { name, system: System::Ringgate, options }
}

/// The last one knows no XMPP; the two relays move the same bytes.
const FLOOR: &[Contender] = &[RINGGATE, HAPROXY, DIRECT, BARE];
/// Ten streams, ten thousand.
const STREAMS: &[Contender] = &[ringgate("ringgate-10", "-d 10"), ringgate("ringgate-10000", "-d 10000")];
/// A relay that has two connections for each: 9,000 are what 20,000 descriptors of a process allow.
const STREAMS_HAPROXY: &[Contender] = &[
    Contender { name: "haproxy-10", system: System::Haproxy, options: "-d 10" },
    Contender { name: "haproxy-9000", system: System::Haproxy, options: "-d 9000" },
];
/// One stream from a backend and one to the remote domain for each: again as many as the descriptors allow.
const STREAMS_OUT: &[Contender] = &[STREAMS[0], ringgate("ringgate-9000", "-d 9000")];
/// They share the cores of the system.
const SHARDS: &[Contender] = &[ringgate("one-shard", "--shards 1"), ringgate("two-shards", "--shards 2")];

/// TLS on both sides: what HAProxy does at its best.
const TLS_TO_TLS: &[Contender] = &[RINGGATE, HAPROXY, DIRECT];
/// TLS outside, clear inside, stanzas from remote domains: what everyone can do.
const INBOUND: &[Contender] = &[RINGGATE, HAPROXY, XMPP_PROXY, PROSODY, EJABBERD, DIRECT];
/// Those that check a client's certificate.
const CERTIFIED: &[Contender] = &[RINGGATE, HAPROXY, PROSODY, EJABBERD, DIRECT];
/// For the one that does not.
const DIALBACK: &[Contender] = &[RINGGATE, XMPP_PROXY];
/// Stanzas to remote domains.
const OUTBOUND: &[Contender] = &[RINGGATE, HAPROXY, PROSODY, EJABBERD, DIRECT];

/// One system under every attack; in the first only the generator is disturbed, the second is left alone.
const ATTACKED: &[Contender] = &[
    ringgate("sink", "--attack sink"),
    ringgate("none", "--attack none"),
    ringgate("elements", "--attack elements"),
    ringgate("attributes", "--attack attributes"),
    ringgate("prefixes", "--attack prefixes"),
    ringgate("records", "--attack records"),
    ringgate("bytes", "--attack bytes"),
    ringgate("whitespace", "--attack whitespace"),
    ringgate("reconnect", "--attack reconnect"),
];

/// Carried by everyone, as fast as it goes: half of the slowest is the rate of the fan-out.
const FLOOD: &str = "flood";

const fn given(name: &'static str, title: &'static str, line: &'static str, contenders: &'static [Contender]) -> Case {
    Case { name, title, line, rate: Rate::Given, contenders }
}

const SUITE: &[Case] = &[
    given(
        "one-tls-tls",
        "messages of 500 bytes, one at a time on each of 50 streams, TLS on both sides",
        "message -d 50 --inside-tls --window 1 --warm-up 1s --duration 4s",
        TLS_TO_TLS,
    ),
    given(
        "eight-tls-tls",
        "messages of 500 bytes, eight to a TLS record, TLS on both sides",
        "message -d 50 --inside-tls --window 16 --per-record 8 --warm-up 1s --duration 4s",
        TLS_TO_TLS,
    ),
    given(
        "paced-1000",
        "1,000 messages a second, TLS on both sides",
        "message -d 50 --inside-tls --rate 1000 --warm-up 1s --duration 12s",
        TLS_TO_TLS,
    ),
    given(
        "paced-10000",
        "10,000 messages a second, TLS on both sides",
        "message -d 50 --inside-tls --rate 10000 --warm-up 1s --duration 6s",
        TLS_TO_TLS,
    ),
    given(
        "paced-50000",
        "50,000 messages a second, TLS on both sides",
        "message -d 50 --inside-tls --rate 50000 --warm-up 1s --duration 6s",
        TLS_TO_TLS,
    ),
    given(
        "avatars-tls-tls",
        "stanzas of 30 kB, TLS on both sides",
        "message -d 50 --inside-tls --bytes 30000 --window 4 --warm-up 1s --duration 4s",
        TLS_TO_TLS,
    ),
    given(
        "one",
        "messages of 500 bytes from remote domains, one at a time on each of 50 streams, clear inside",
        "message -d 50 --direction in --dialback --window 1 --warm-up 1s --duration 4s",
        INBOUND,
    ),
    given(
        "eight",
        "messages of 500 bytes from remote domains, eight to a TLS record, clear inside",
        "message -d 50 --direction in --dialback --window 16 --per-record 8 --warm-up 1s --duration 4s",
        INBOUND,
    ),
    given(
        FLOOD,
        "presence-sized messages to remote domains as fast as they go, clear inside",
        "message -d 50 --direction out --dialback --bytes 450 --window 16 --warm-up 1s --duration 4s",
        OUTBOUND,
    ),
    Case {
        name: "fanout",
        title: "presence changes to 100 contacts in 50 remote domains, at half of what the slowest system carries",
        line: "fanout -k 100 -d 50 --dialback --warm-up 2s --duration 20s",
        rate: Rate::HalfOf { case: FLOOD, stanzas: 100.0 },
        contenders: OUTBOUND,
    },
    given(
        "fanout-tls-tls",
        "350 presence changes a second to 100 contacts in 50 remote domains, TLS on both sides",
        "fanout -k 100 -d 50 --inside-tls --rate 350 --warm-up 2s --duration 10s",
        TLS_TO_TLS,
    ),
    given(
        "fanout-floor",
        "20 presence changes a second to 1,000 contacts in 100 remote domains, clear inside, and their records and sends alone",
        "fanout -k 1000 -d 100 --zipf 0 --rate 20 --warm-up 2s --duration 105s",
        FLOOR,
    ),
    given(
        "streams",
        "20,000 messages a second from 10 and from 10,000 remote domains, each on a stream of its own, TLS on both sides",
        "message --direction in --inside-tls --rate 20000 --connect-timeout 180s --warm-up 2s --duration 6s",
        STREAMS,
    ),
    given(
        "streams-haproxy",
        "the same with 10 and 9,000 remote domains through HAProxy",
        "message --direction in --inside-tls --rate 20000 --connect-timeout 180s --warm-up 2s --duration 6s",
        STREAMS_HAPROXY,
    ),
    given(
        "streams-quiet",
        "20,000 messages a second, nearly all from ten remote domains, beside them none and 9,990 others, TLS on both sides",
        "message --direction in --inside-tls --zipf 3 --rate 20000 --connect-timeout 180s --warm-up 2s --duration 6s",
        STREAMS,
    ),
    given(
        "streams-out",
        "20,000 messages a second to 10 and to 9,000 remote domains, TLS on both sides",
        "message --inside-tls --rate 20000 --connect-timeout 180s --warm-up 2s --duration 6s",
        STREAMS_OUT,
    ),
    given(
        "shards",
        "20,000 messages a second, to and from 50 remote domains, one shard and two on the same cores, TLS on both sides",
        "message -d 50 --direction both --inside-tls --rate 20000 --warm-up 1s --duration 6s",
        SHARDS,
    ),
    given(
        "shards-saturated",
        "messages, one at a time on each of 100 streams to and from 50 remote domains, one shard and two, TLS on both sides",
        "message -d 50 --direction both --inside-tls --window 1 --warm-up 1s --duration 4s",
        SHARDS,
    ),
    given(
        "handshakes",
        "streams from remote domains opened, authenticated by certificate and closed",
        "connect -d 100 --warm-up 1s --duration 5s",
        CERTIFIED,
    ),
    given(
        "handshakes-dialback",
        "streams from remote domains opened, authenticated by dialback (xmpp-proxy leaves that to the server inside) and closed",
        "connect -d 100 --dialback --warm-up 1s --duration 5s",
        DIALBACK,
    ),
    given(
        "idle",
        "idle streams from 1,000 remote domains, authenticated by certificate",
        "idle -d 1000 --warm-up 1s --duration 2s",
        CERTIFIED,
    ),
    given(
        "idle-dialback",
        "idle streams from 1,000 remote domains, authenticated by dialback (xmpp-proxy leaves that to the server inside)",
        "idle -d 1000 --dialback --warm-up 1s --duration 2s",
        DIALBACK,
    ),
    given(
        "hostile",
        "3,900 presences a second between 49 remote domains and one inside, while another attacks at full speed",
        "hostile --rate 5000 --warm-up 1s --duration 6s",
        ATTACKED,
    ),
];

/// All comparisons, in order.
pub fn suite() -> &'static [Case] {
    SUITE
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_told_apart_and_make_directories() {
        let is_plain = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        let mut names = HashSet::new();
        for case in SUITE {
            assert!(is_plain(case.name) && names.insert(case.name), "{}", case.name);
            let mut contenders = HashSet::new();
            for contender in case.contenders {
                assert!(is_plain(contender.name) && contenders.insert(contender.name), "{}: {contender}", case.name);
            }
        }
    }

    #[test]
    fn rate_follows_from_an_earlier_case() {
        for (index, case) in SUITE.iter().enumerate() {
            if let Rate::HalfOf { case: earlier, .. } = case.rate {
                assert!(SUITE[..index].iter().any(|case| case.name == earlier), "{}", case.name);
            }
        }
    }
}
