//! What became of every stanza, as its sender's and its receiver's servers saw it; and the rules that must hold.

use std::collections::BTreeMap;

use super::xml;

pub type Pair = (String, String);

pub fn reversed(pair: &Pair) -> Pair {
    (pair.1.clone(), pair.0.clone())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Message,
    Presence,
    Get,
    Result,
    Error,
    /// Of a stranger who has not proven its `from`: must arrive nowhere.
    Forged,
}

#[derive(Clone, Debug)]
pub struct Record {
    pub pair: Pair,
    pub kind: Kind,
    /// On which stream of which server it went out.
    pub stream: Option<(usize, usize)>,
    pub delivered: u32,
    pub bounced: Option<String>,
    /// Its server could not send it and told the user itself.
    pub kept: bool,
    /// Its server's stream broke after it was written.
    pub at_risk: bool,
}

impl Record {
    pub fn is_resolved(&self) -> bool {
        self.delivered > 0 || self.bounced.is_some() || self.kept || self.kind == Kind::Forged
    }
}

#[derive(Debug, Default)]
pub struct Ledger {
    pub records: Vec<Record>,
    pub violations: Vec<String>,
    /// The last stanza delivered of each stream and pair.
    last: BTreeMap<(usize, usize, Pair), usize>,
}

impl Ledger {
    /// A new stanza between users of the pair's domains, as XML.
    pub fn issue(&mut self, pair: &Pair, kind: Kind, padding: usize) -> (usize, String) {
        let number = self.records.len();
        let record =
            Record { pair: pair.clone(), kind, stream: None, delivered: 0, bounced: None, kept: false, at_risk: false };
        self.records.push(record);
        let address = format!("from='romeo@{}/orchard' to='juliet@{}' id='s{number}'", pair.0, pair.1);
        let pad = "x".repeat(padding);
        let xml = match kind {
            Kind::Message | Kind::Forged => format!("<message {address}><body>{pad}</body></message>"),
            Kind::Presence => format!("<presence {address}><status>{pad}</status></presence>"),
            Kind::Get => format!("<iq {address} type='get'><ping xmlns='urn:xmpp:ping'/></iq>"),
            Kind::Result => format!("<iq {address} type='result'/>"),
            Kind::Error => format!("<message {address} type='error'><body>{pad}</body></message>"),
        };
        (number, xml)
    }

    /// A stanza reached the server of its `to`.
    pub fn received(&mut self, at: &[String], stanza: &str) {
        let (Some(from), Some(to)) = (xml::attr(stanza, "from"), xml::attr(stanza, "to")) else {
            return self.violations.push(format!("a stanza without addresses was forwarded: {stanza}"));
        };
        let pair = (xml::domain(from).to_lowercase(), xml::domain(to).to_lowercase());
        if !at.contains(&pair.1) {
            self.violations.push(format!("a stanza reached a server that does not serve {}: {stanza}", pair.1));
        }
        let number = xml::attr(stanza, "id").and_then(|id| id.strip_prefix('s')).and_then(|id| id.parse().ok());
        let Some(number) = number.filter(|number: &usize| *number < self.records.len()) else { return };
        if pair == self.records[number].pair {
            self.delivered(number);
        } else if pair == reversed(&self.records[number].pair) && xml::attr(stanza, "type") == Some("error") {
            self.bounced(number, stanza);
        } else {
            self.violations.push(format!("a stanza came with other addresses than it was sent with: {stanza}"));
        }
    }

    fn delivered(&mut self, number: usize) {
        let record = &mut self.records[number];
        record.delivered += 1;
        if record.kind == Kind::Forged {
            self.violations.push(format!("I5: forged stanza s{number} {:?} was delivered", record.pair));
        }
        if record.delivered > 1 {
            self.violations.push(format!("stanza s{number} was delivered {} times", record.delivered));
        }
        if let Some(error) = &record.bounced {
            self.violations.push(format!("I3: stanza s{number} was delivered and bounced ({error})"));
        }
        let Some((server, stream)) = record.stream else { return };
        let last = self.last.entry((server, stream, record.pair.clone())).or_default();
        if *last > number {
            self.violations.push(format!("I2: stanza s{number} of {:?} came after s{last}", record.pair));
        }
        *last = number;
    }

    fn bounced(&mut self, number: usize, stanza: &str) {
        let record = &mut self.records[number];
        let condition = condition(stanza).to_owned();
        if matches!(record.kind, Kind::Result | Kind::Error) {
            self.violations.push(format!("I4: {:?} s{number} was bounced: {stanza}", record.kind));
        }
        if let Some(before) = &record.bounced {
            self.violations.push(format!("stanza s{number} was bounced twice: {before}, {condition}"));
        }
        if record.delivered > 0 {
            self.violations.push(format!("I3: stanza s{number} was delivered and bounced ({condition})"));
        }
        record.bounced = Some(condition);
    }
}

/// The condition of a stanza error.
pub fn condition(stanza: &str) -> &str {
    let Some(at) = stanza.find("<error") else { return "" };
    let inner = &stanza[at + 1..];
    let Some(at) = inner.find('<') else { return "" };
    xml::name(&inner[at..])
}
