//! What strangers try, at random. Everything they send as a stanza is booked as forged: it must arrive nowhere.

use super::ledger::Kind;
use super::rng::Rng;
use super::script::Step;
use super::talk::header;
use super::world::World;

const STARTTLS: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const EXTERNAL: &str = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>";

/// Things that break a stream, or ought to.
const DIRT: [&str; 8] = [
    "<message from='evil.example' to='a.example'><body>&undefined;</body></message>",
    "<!DOCTYPE x><message/>",
    "<message from='evil.example' to='a.example'><body></message>",
    "<!-- -->",
    "<message xmlns='jabber:client' from='evil.example' to='a.example'/>",
    "<stream:stream to='a.example'>",
    "\u{1}\u{2}",
    "</stream:stream><message from='external.example' to='a.example'/>",
];

impl World {
    fn forge(&mut self, from: &str, to: &str) -> Step {
        Step::Say(self.ledger.issue(&(from.into(), to.into()), Kind::Forged, 5).1)
    }

    /// One attack on a gate's public listener.
    pub fn attack(&mut self, rng: &mut Rng) {
        let gate = rng.pick(&self.processes).config.public;
        let local = if gate == self.processes[0].config.public { "a.example" } else { "b.example" };
        let say = |text: &str| Step::Say(text.into());
        let open = Step::Say(header("evil.example", local));
        let secure = |trusted| Step::Secure { names: vec!["evil.example".into()], trusted };
        let encrypted = |trusted| vec![open.clone(), say(STARTTLS), secure(trusted), open.clone()];
        let proven = || [encrypted(true), vec![say(EXTERNAL), open.clone()]].concat();
        let victim = *rng.pick(&["external.example", "dialback.example", "evil.example", local]);
        let steps = match rng.below(9) {
            0 => vec![open, self.forge(victim, local)],
            1 => {
                let Step::Say(forged) = self.forge(victim, local) else { return };
                [vec![open.clone(), Step::Say(format!("{STARTTLS}{forged}"))], encrypted(false)[2..].to_vec()].concat()
            }
            2 => [encrypted(false), vec![self.forge(victim, local)]].concat(),
            3 => {
                let key = format!("<db:result from='{victim}' to='{local}'>feed</db:result>");
                let forged = self.forge(victim, local);
                [encrypted(false), vec![Step::Say(key), Step::Wait(rng.below(2_000)), forged]].concat()
            }
            4 => {
                let answer = format!(
                    "<db:result from='{victim}' to='{local}' type='valid'/>\
                     <db:verify from='{victim}' to='{local}' id='x' type='valid'/>"
                );
                [encrypted(false), vec![Step::Say(answer), self.forge(victim, local)]].concat()
            }
            5 => [proven(), vec![self.forge("external.example", local)]].concat(),
            6 => [proven(), vec![self.forge("evil.example", "second.example")]].concat(),
            7 => [proven(), vec![say(rng.pick::<&str>(&DIRT)), self.forge("external.example", local)]].concat(),
            _ => vec![open, say(STARTTLS), say("\u{16}\u{3}\u{1}garbage"), secure(true), Step::Reset],
        };
        self.play(gate, steps);
    }
}
