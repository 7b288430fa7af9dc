//! Peers that say anything in any order: what holds whatever they do.

use ringgate_proto::stream::{PeerCertificate, Side, StreamEvent, Terms, Untrusted};

use crate::peer::*;

/// What a peer may say at any moment.
const WORDS: [&str; 27] = [
    STARTTLS,
    STARTTLS_REQUIRED,
    PROCEED,
    TLS_FAILURE,
    SUCCESS,
    END,
    " \n",
    "<stream:features/>",
    "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
    "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>\
     </stream:features>",
    "<stream:features><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'/>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>ZWxzZS5leGFtcGxl</auth>",
    "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>=</response>",
    "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>",
    "<message from='a@remote.example' to='b@local.example'/>",
    "<db:result from='remote.example' to='local.example'>key</db:result>",
    "<db:verify from='remote.example' to='local.example' id='x' type='valid'/>",
    "<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
    "<compress xmlns='http://jabber.org/protocol/compress'/>",
    "<enable xmlns='urn:xmpp:sm:3'/>",
    "<bidi xmlns='urn:xmpp:bidi'/>",
    "<x xmlns='urn:x'/>",
    "<broken>",
];

const HEADERS: [&str; 6] = [
    "from='remote.example' to='local.example' id='a' version='1.0'",
    "from='else.example' to='local.example' id='b' version='1.0'",
    "from='remote.example' to='other.example' version='1.0'",
    "from='remote.example' to='local.example' id='c'",
    "id='d' version='1.0'",
    "from='remote.example' to='local.example' id='e' version='0.9'",
];

/// xorshift64*: enough to choose words by.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}

fn certificates() -> [PeerCertificate; 3] {
    [certificate(&[REMOTE]), certificate(&["else.example"]), untrusted(Untrusted::SelfSigned)]
}

const TERMS: [Terms; 5] = [DEFAULT, OPTIONAL, EXTERNAL_ONLY, DIALBACK_ONLY, CLEAR];

/// What well-behaved peers say: the first to us, the second when we call.
const SCRIPTS: [[usize; 6]; 2] = [[27, 0, 27, 11, 27, 18], [27, 8, 2, 27, 9, 4]];

fn word(n: usize) -> String {
    WORDS.get(n).map_or_else(|| header(HEADERS[n - WORDS.len()]), |&word| word.to_owned())
}

/// Plays one peer that strays from its script, and checks all that it heard; returns how many pairs it proved.
fn play<M: Machine>(
    dice: &mut Dice,
    script: usize,
    peer: &mut Peer<M>,
    mut encrypted: Option<PeerCertificate>,
) -> usize {
    let terms = peer.house.terms;
    let (mut ended, mut proven, mut said) = (0, 0, Vec::new());
    let skipped = if encrypted.is_some() { [2, 3][script] } else { 0 };
    let mut script = SCRIPTS[script].into_iter().skip(skipped).chain([27, 8]);
    for _ in 0..dice.below(14) {
        let scripted = script.next().filter(|_| dice.below(8) != 0);
        let word = word(scripted.unwrap_or_else(|| dice.below(WORDS.len() + HEADERS.len())));
        said.push(word.clone());
        let taken = peer.taken.len();
        peer.says(&word);
        let heard = peer.hears();
        assert!(ended == 0 || heard.is_empty(), "{said:?}: {heard} after the end tag");
        ended += heard.matches(END).count();
        assert!(ended <= 1, "{said:?}: {heard}");
        let in_clear = encrypted.is_none() && terms.tls == ringgate_proto::stream::TlsTerms::Required;
        assert!(!in_clear || peer.taken.len() == taken, "{said:?}: content in clear");
        let mut wants_tls = false;
        while let Some(event) = peer.next_event() {
            wants_tls |= matches!(event, StreamEvent::StartTls);
            assert!(!in_clear || !matches!(event, StreamEvent::Negotiated), "{said:?}: negotiated in clear");
            if let StreamEvent::Proven(accepted) = event {
                let shown = encrypted.as_ref().expect("EXTERNAL takes TLS");
                let pair = accepted.pair();
                let theirs = if pair.from.as_str() == LOCAL { &pair.to } else { &pair.from };
                proven += 1;
                assert!(terms.external && shown.proves(theirs).is_ok(), "{said:?}: {pair:?}");
            }
        }
        if wants_tls {
            let shown = dice.of(&certificates());
            encrypted = Some(shown.clone());
            peer.completes_tls(shown);
        }
    }
    proven
}

/// A failure prints what the peer said; the seed is the number of the walk.
#[test]
fn no_order_of_words_proves_an_unproven_peer_or_opens_a_clear_stream() {
    let (mut proven_to_us, mut proven_by_us) = (0, 0);
    for seed in 1..=6_000_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let terms = dice.of(&TERMS);
        let tls = if dice.below(3) == 0 { Some(dice.of(&certificates())) } else { None };
        let machine = ringgate_proto::stream::Receiving::new(Side::Federation, tls.clone());
        proven_to_us += play(&mut dice, 0, &mut Peer::new(terms, machine), tls.clone());
        proven_by_us += play(&mut dice, 1, &mut is_called(intent(terms), tls.clone()), tls);
    }
    assert!(proven_to_us > 100 && proven_by_us > 100, "the walks must reach the end: {proven_to_us} {proven_by_us}");
}
