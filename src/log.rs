//! Events of the core as log lines: the only place that turns the one into the other.
//!
//! One line per stream opened, per pair proven (how), per stream closed (why), per refused peer (why). The fields stand
//! in one order: shard, stream, face, local, remote, address, then what is particular to the event. Domains are named;
//! localparts, resources and bodies are not in events at all. Whatever came from outside goes through [`one_line`].
//! Lines of refusals, of which a peer decides how many there are, have a [`Budget`]; nobody who logs waits for the sink
//! ([`lines_dropped`]).
//!
//! | level | what |
//! |---|---|
//! | `error` | our own failures |
//! | `warn` | peers that break rules, or that are refused |
//! | `info` | streams opened, proven, closed; domains that cannot be reached |
//! | `debug` | accounts of forgotten pairs |
//! | `trace` | every rule applied to a stanza (these are counted, see `metrics`) |

mod budget;
mod queue;

use ringgate_proto::address::{Domain, DomainPair};
use ringgate_proto::event::{CloseCause, Event, Face};
use ringgate_proto::stream::{Condition, SaslFailure};
use ringgate_proto::time::Timestamp;
use tracing::{Dispatch, Level, debug, error, info, trace, warn};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{self, LogFormat};
pub(crate) use budget::Budget;
pub use queue::{Log, lines_dropped};

/// Characters of a text from outside that a line shows.
const TEXT_CHARS: usize = 256;

/// Sets up the log of this process, on standard error; a thread of its own writes there until what this returns is dropped.
///
/// # Errors
/// When the process has a log already.
pub fn init(log: config::Log) -> anyhow::Result<Log> {
    let (queue, guard) = queue::open(std::io::stderr(), voice(log, std::io::stderr));
    voice(log, queue).try_init().map_err(|error| anyhow::anyhow!("log: {error}"))?;
    guard.is_the_process_log();
    Ok(guard)
}

/// Lines in the configured format, to `writer`.
fn voice<W>(log: config::Log, writer: W) -> Dispatch
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // The level is ours: what libraries say below a warning is for their developers.
    let ours = Targets::new().with_default(Level::WARN.min(log.level)).with_target("ringgate", log.level);
    let builder = tracing_subscriber::fmt().with_max_level(log.level).with_target(false).with_writer(writer);
    match log.format {
        LogFormat::Text => builder.with_ansi(false).finish().with(ours).into(),
        LogFormat::Json => builder.json().flatten_event(true).finish().with(ours).into(),
    }
}

/// One shard's voice.
#[derive(Debug)]
pub struct Logger {
    shard: u16,
    /// For connections refused at accept.
    connections: Budget,
    /// For refused pairs, by face: a flood on one side hides nothing on the other.
    pairs: [Budget; 4],
    /// For SASL failures, by face.
    externals: [Budget; 4],
}

/// What every line about a stream begins with.
struct Stream<'a> {
    shard: u16,
    stream: u64,
    face: &'static str,
    local: Option<&'a str>,
    remote: Option<&'a str>,
}

/// Logs at a level that is known only at run time: `tracing` wants a constant for each call site.
macro_rules! at_level {
    ($level:expr, $($rest:tt)*) => {
        match $level {
            Level::ERROR => error!($($rest)*),
            Level::WARN => warn!($($rest)*),
            Level::INFO => info!($($rest)*),
            Level::DEBUG => debug!($($rest)*),
            Level::TRACE => trace!($($rest)*),
        }
    };
}

/// A line about a stream: the fixed fields in their order, then those of the event.
macro_rules! stream_line {
    ($level:expr, $stream:expr, { $($field:ident = $value:expr),* $(,)? }, $message:literal) => {
        at_level!(
            $level,
            shard = $stream.shard,
            stream = $stream.stream,
            face = $stream.face,
            local = $stream.local,
            remote = $stream.remote,
            $($field = $value,)*
            $message
        )
    };
}

impl Logger {
    /// For the shard with this number.
    pub fn new(shard: u16) -> Self {
        Self { shard, connections: Budget::default(), pairs: Default::default(), externals: Default::default() }
    }

    /// Writes the line of `event`, if it has one at the configured level.
    pub fn event(&mut self, event: &Event, now: Timestamp) {
        match event {
            Event::StreamOpened { .. } | Event::PairProven { .. } | Event::StreamClosed { .. } => {
                self.stream_event(event);
            }
            Event::PairRefused { .. } | Event::SaslFailed { .. } => self.refusal(event, now),
            Event::Unreachable { pair, reason } => {
                let (from, to) = (pair.from.as_str(), pair.to.as_str());
                info!(shard = self.shard, from, to, reason, "domain not reached");
            }
            Event::ConnectionRefused { address, reason } => {
                if let Some(suppressed) = self.connections.take(now) {
                    warn!(shard = self.shard, %address, reason, suppressed, "connection refused");
                }
            }
            Event::PairClosed { pair, account } => {
                let (from, to) = (pair.from.as_str(), pair.to.as_str());
                debug!(
                    shard = self.shard,
                    from,
                    to,
                    accepted = account.accepted,
                    delivered = account.delivered,
                    handed_over = account.handed_over,
                    bounced = account.bounced,
                    dropped = account.dropped,
                    in_doubt = account.in_doubt,
                    queued = account.queued,
                    "pair forgotten"
                );
            }
            Event::Refused { reason } => trace!(shard = self.shard, reason, "refused"),
        }
    }

    fn stream_event(&self, event: &Event) {
        match event {
            Event::StreamOpened { stream, face, address, local, remote, encrypted } => {
                let head = self.head(*stream, *face, local.as_ref(), remote.as_ref());
                stream_line!(Level::INFO, head, { address = display(address), encrypted = *encrypted }, "stream opened");
            }
            Event::PairProven { stream, face, pair, method } => {
                let head = self.head_of_pair(*stream, *face, pair);
                stream_line!(Level::INFO, head, { method = method.as_str() }, "authenticated");
            }
            Event::StreamClosed { stream, face, remote, cause } => {
                let head = self.head(*stream, *face, None, remote.as_ref());
                let (cause_word, detail) = describe(cause);
                let detail = detail.as_deref().map(one_line);
                stream_line!(level_of(cause), head, { cause = cause_word, detail = detail.as_deref() }, "stream closed");
            }
            _ => {}
        }
    }

    /// A peer can bring these about as often as it likes, on one stream.
    fn refusal(&mut self, event: &Event, now: Timestamp) {
        match event {
            Event::PairRefused { stream, face, pair, reason } => {
                let Some(suppressed) = self.pairs[*face as usize].take(now) else { return };
                let head = self.head_of_pair(*stream, *face, pair);
                stream_line!(Level::WARN, head, { reason = *reason, suppressed = suppressed }, "peer refused");
            }
            Event::SaslFailed { stream, face, remote, failure, certificate } => {
                let Some(suppressed) = self.externals[*face as usize].take(now) else { return };
                let head = self.head(*stream, *face, None, remote.as_ref());
                let certificate = certificate.map(|why| kebab(&format!("{why:?}")));
                let failure = sasl_word(*failure);
                stream_line!(
                    Level::INFO,
                    head,
                    { failure = failure.as_str(), certificate = certificate.as_deref(), suppressed = suppressed },
                    "external failed"
                );
            }
            _ => {}
        }
    }

    fn head<'a>(&self, stream: u64, face: Face, local: Option<&'a Domain>, remote: Option<&'a Domain>) -> Stream<'a> {
        let (local, remote) = (local.map(Domain::as_str), remote.map(Domain::as_str));
        Stream { shard: self.shard, stream, face: face.as_str(), local, remote }
    }

    /// A pair is in the direction of its stanzas; which of the two is ours follows from the face.
    fn head_of_pair<'a>(&self, stream: u64, face: Face, pair: &'a DomainPair) -> Stream<'a> {
        let (local, remote) = match face {
            Face::Inbound | Face::ToBackend => (&pair.to, &pair.from),
            Face::Outbound | Face::FromBackend => (&pair.from, &pair.to),
        };
        self.head(stream, face, Some(local), Some(remote))
    }
}

fn level_of(cause: &CloseCause) -> Level {
    match cause {
        CloseCause::SentError(Condition::InternalServerError, _) => Level::ERROR,
        CloseCause::SentError(Condition::ConnectionTimeout | Condition::SystemShutdown | Condition::Reset, _) => {
            Level::INFO
        }
        CloseCause::SentError(..) => Level::WARN,
        CloseCause::PeerError(_)
        | CloseCause::Clean
        | CloseCause::Broken(_)
        | CloseCause::Tls(_)
        | CloseCause::Idle
        | CloseCause::Shutdown
        | CloseCause::ClosingTimeout => Level::INFO,
    }
}

/// The word of the counter, and what else there is to say.
fn describe(cause: &CloseCause) -> (&'static str, Option<String>) {
    let detail = match cause {
        CloseCause::SentError(condition, text) => Some(format!("{}: {text}", condition_word(*condition))),
        CloseCause::PeerError(condition) => Some(condition_word(*condition)),
        CloseCause::Broken(detail) | CloseCause::Tls(detail) => Some(detail.clone()),
        CloseCause::Clean | CloseCause::Idle | CloseCause::Shutdown | CloseCause::ClosingTimeout => None,
    };
    (cause_word(cause), detail)
}

/// The word for a cause, in log and counters.
pub fn cause_word(cause: &CloseCause) -> &'static str {
    match cause {
        CloseCause::Clean => "clean",
        CloseCause::SentError(..) => "sent-error",
        CloseCause::PeerError(_) => "peer-error",
        CloseCause::Broken(_) => "broken",
        CloseCause::Tls(_) => "tls",
        CloseCause::Idle => "idle",
        CloseCause::Shutdown => "shutdown",
        CloseCause::ClosingTimeout => "closing-timeout",
    }
}

/// A stream error condition as it is spelt on the wire.
pub fn condition_word(condition: Condition) -> String {
    kebab(&format!("{condition:?}"))
}

/// A SASL failure condition as it is spelt on the wire.
pub fn sasl_word(failure: SaslFailure) -> String {
    kebab(&format!("{failure:?}"))
}

/// `NotAuthorized` → `not-authorized`: every enum of the core is named after its word on the wire.
fn kebab(camel: &str) -> String {
    let mut word = String::with_capacity(camel.len() + 4);
    for (index, c) in camel.char_indices() {
        if c.is_ascii_uppercase() && index > 0 {
            word.push('-');
        }
        word.push(c.to_ascii_lowercase());
    }
    word
}

/// A text from outside that stays on one line and changes nothing about the terminal it is shown on.
///
/// Control characters, line and paragraph separators and directional overrides become U+FFFD (escapes of our own would be
/// escaped again by the format); what is longer than [`TEXT_CHARS`] is cut. Both formats quote strings, so that no text
/// can pretend to be a field.
pub fn one_line(text: &str) -> String {
    let is_directional = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_separator = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let mut rest = text.chars();
    let mut line: String = rest
        .by_ref()
        .take(TEXT_CHARS)
        .map(|c| if is_separator(c) || is_directional(c) { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if rest.next().is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests;
