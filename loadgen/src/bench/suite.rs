//! The comparisons of a bench without a scenario: each is a command line that can be run by hand.

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::plan::Scenario;
use crate::systems::System;

/// How fast a comparison goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// As its command line says.
    Given,
    /// Half of what the slowest system carried in an earlier comparison.
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
    /// Who can do this.
    pub systems: &'static [System],
}

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    scenario: LineScenario,
}

#[derive(Subcommand)]
enum LineScenario {
    #[command(flatten)]
    Scenario(Scenario),
}

impl Case {
    /// The scenario, at this rate if the case leaves it open.
    ///
    /// # Errors
    /// As `clap` says.
    pub fn scenario(&self, rate: Option<f64>) -> anyhow::Result<Scenario> {
        let words = std::iter::once("loadgen").chain(self.line.split_whitespace());
        let LineScenario::Scenario(mut scenario) = Line::try_parse_from(words).context(self.line)?.scenario;
        if let Some(rate) = rate {
            scenario.set_rate(rate);
        }
        Ok(scenario)
    }
}

use System::{Direct, Ejabberd, Haproxy, Prosody, Ringgate, XmppProxy};

/// TLS on both sides: what HAProxy does at its best.
const TLS_TO_TLS: &[System] = &[Ringgate, Haproxy, Direct];
/// TLS outside, clear inside, stanzas from remote domains: what everyone can do.
const INBOUND: &[System] = &[Ringgate, Haproxy, XmppProxy, Prosody, Ejabberd, Direct];
/// Those that check a client's certificate.
const CERTIFIED: &[System] = &[Ringgate, Haproxy, Prosody, Ejabberd, Direct];
/// For the one that does not.
const DIALBACK: &[System] = &[Ringgate, XmppProxy];
/// Stanzas to remote domains.
const OUTBOUND: &[System] = &[Ringgate, Haproxy, Prosody, Ejabberd, Direct];

/// Carried by everyone, as fast as it goes: half of the slowest is the rate of the fan-out.
const FLOOD: &str = "flood";

const fn given(name: &'static str, title: &'static str, line: &'static str, systems: &'static [System]) -> Case {
    Case { name, title, line, rate: Rate::Given, systems }
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
        systems: OUTBOUND,
    },
    given(
        "fanout-tls-tls",
        "350 presence changes a second to 100 contacts in 50 remote domains, TLS on both sides",
        "fanout -k 100 -d 50 --inside-tls --rate 350 --warm-up 2s --duration 10s",
        TLS_TO_TLS,
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
];

/// All comparisons, in order.
pub fn suite() -> &'static [Case] {
    SUITE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_a_plan_and_refers_to_an_earlier_one() {
        for (index, case) in SUITE.iter().enumerate() {
            let rate = match case.rate {
                Rate::Given => None,
                Rate::HalfOf { case: earlier, .. } => {
                    assert!(SUITE[..index].iter().any(|case| case.name == earlier), "{}", case.name);
                    Some(120.0)
                }
            };
            let plan = case.scenario(rate).expect("a command line").plan();
            assert!(plan.is_ok(), "{}: {plan:?}", case.name);
            assert!(SUITE[..index].iter().all(|earlier| earlier.name != case.name), "{}", case.name);
        }
    }

    #[test]
    fn open_rate_is_set() {
        let case = SUITE.iter().find(|case| case.name == "fanout").expect("it is there");
        let Scenario::Fanout(options) = case.scenario(Some(123.0)).expect("a command line") else { panic!("{case:?}") };
        assert_eq!(options.rate, 123.0);
    }
}
