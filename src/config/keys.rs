//! Every key that a configuration may have: the table it is in, its shape with its bounds, its default.
//!
//! A default is the TOML text that is read when the key is absent, so what stands here is what happens.
//! `ringgate.toml` explains the same keys in place; `tests/tidy` holds the two together.

use std::time::Duration;

use ringgate_proto::limits;

/// A key of the configuration file.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its table; empty at the top level.
    pub table: &'static str,
    /// Its name in the table.
    pub name: &'static str,
    /// What may stand there.
    pub shape: Shape,
    /// What holds when it is absent.
    pub absent: Absent,
}

/// What may stand at a key.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A string; the text says what kind.
    Text(&'static str),
    /// A list of strings; the text says what kind.
    List(&'static str),
    /// A whole number within bounds, both included; the unit in the text.
    Number(i64, i64, &'static str),
    /// A time such as `"500ms"`, `"30s"`, `"5m"`, `"1h"`, within bounds, both included.
    Time(Duration, Duration),
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of these words, each at most once, in the order of preference.
    Words(&'static [&'static str]),
}

/// What holds when a key is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// The table makes no sense without the key.
    Required,
    /// This value, as TOML.
    Default(&'static str),
    /// Something that depends on the machine or on other keys, in words.
    Derived(&'static str),
}

/// A table of the configuration file.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Whether it may stand several times (`[[name]]`).
    pub repeats: bool,
}

/// Every table.
pub const TABLES: &[Table] = &[
    Table { name: "domain", repeats: true },
    Table { name: "internal", repeats: false },
    Table { name: "public", repeats: false },
    Table { name: "tls", repeats: false },
    Table { name: "dns", repeats: false },
    Table { name: "policy", repeats: false },
    Table { name: "partner", repeats: true },
    Table { name: "egress", repeats: false },
    Table { name: "limits", repeats: false },
    Table { name: "dialback", repeats: false },
    Table { name: "metrics", repeats: false },
    Table { name: "log", repeats: false },
    Table { name: "shutdown", repeats: false },
];

const TLS_WORDS: &[&str] = &["required", "optional", "none"];
const AUTH_WORDS: &[&str] = &["external", "dialback"];
const ACCESS_WORDS: &[&str] = &["allow", "deny"];

/// Every key: defines one constant per key, and the list of all of them.
macro_rules! keys {
    ($($(#[$doc:meta])* $constant:ident: $table:literal, $name:literal, $shape:expr, $absent:expr;)*) => {
        $($(#[$doc])* pub const $constant: Key =
            Key { table: $table, name: $name, shape: $shape, absent: $absent };)*
        /// Every key, in the order of `ringgate.toml`.
        pub const KEYS: &[Key] = &[$($constant),*];
    };
}

use Absent::{Default, Derived, Required};
use Shape::{Flag, List, Number, Text, Time, Word, Words};

keys! {
    /// How many shards run.
    SHARDS: "", "shards", Number(1, 1_024, "shards"), Derived("one per core that this process may use");

    /// A local domain.
    DOMAIN_NAME: "domain", "name", Text("a domain name"), Required;
    /// Names below it that are served too.
    DOMAIN_SUBDOMAINS: "domain", "subdomains", List("names relative to the domain"), Default("[]");
    /// The certificate shown to remote servers.
    DOMAIN_CERTIFICATE: "domain", "certificate", Text("a PEM file"), Required;
    /// Its private key.
    DOMAIN_KEY: "domain", "key", Text("a PEM file"), Derived("the key in the file of `certificate`");
    /// The certificate presented where we connect.
    DOMAIN_CLIENT_CERTIFICATE: "domain", "client_certificate", Text("a PEM file"), Derived("that of `certificate`");
    /// Its private key.
    DOMAIN_CLIENT_KEY: "domain", "client_key", Text("a PEM file"),
        Derived("the key in the file of `client_certificate`");
    /// The s2s port of the server behind us.
    DOMAIN_BACKEND: "domain", "backend", Text("an address with a port"), Required;
    /// Encryption towards it.
    DOMAIN_BACKEND_TLS: "domain", "backend_tls", Word(&["none", "starttls"]), Default("\"none\"");

    /// Where backends connect.
    INTERNAL_LISTEN: "internal", "listen", Text("an address with a port"), Required;
    /// Where backends resolve.
    INTERNAL_DNS: "internal", "dns", Text("an address with a port"), Derived("no DNS answerer");
    /// The certificate shown to backends.
    INTERNAL_CERTIFICATE: "internal", "certificate", Text("a PEM file"), Derived("no TLS on the internal listener");
    /// Its private key.
    INTERNAL_KEY: "internal", "key", Text("a PEM file"), Derived("the key in the file of `certificate`");

    /// Where remote servers connect.
    PUBLIC_LISTEN: "public", "listen", List("addresses with ports"), Default("[\"[::]:5269\"]");
    /// Where remote servers connect with TLS from the first byte.
    PUBLIC_LISTEN_DIRECT_TLS: "public", "listen_direct_tls", List("addresses with ports"),
        Default("[\"[::]:5270\"]");

    /// Whom we trust to vouch for remote domains.
    TLS_ROOTS: "tls", "roots", Text("\"system\" or a PEM file"), Default("\"system\"");
    /// Ask for `_xmpps-server` too.
    TLS_DIRECT: "tls", "direct", Flag, Default("true");

    /// Recursive resolvers.
    DNS_SERVERS: "dns", "servers", List("addresses, with or without a port"),
        Derived("the name servers of /etc/resolv.conf");
    /// Patience with one resolver.
    DNS_TIMEOUT: "dns", "timeout", Time(Duration::from_millis(100), Duration::from_secs(30)), Default("\"2s\"");
    /// Rounds over all resolvers.
    DNS_ATTEMPTS: "dns", "attempts", Number(1, 10, "rounds"), Default("2");

    /// Who may federate when no partner entry says.
    POLICY_DEFAULT: "policy", "default", Word(ACCESS_WORDS), Default("\"allow\"");
    /// Encryption when no partner entry says.
    POLICY_TLS: "policy", "tls", Word(TLS_WORDS), Default("\"required\"");
    /// Proofs when no partner entry says.
    POLICY_AUTH: "policy", "auth", Words(AUTH_WORDS), Default("[\"external\", \"dialback\"]");

    /// Whom an entry is about.
    PARTNER_DOMAIN: "partner", "domain", Text("a domain name, or *. and one"), Required;
    /// Stanzas from it.
    PARTNER_INBOUND: "partner", "inbound", Word(ACCESS_WORDS), Default("\"allow\"");
    /// Stanzas to it.
    PARTNER_OUTBOUND: "partner", "outbound", Word(ACCESS_WORDS), Default("\"allow\"");
    /// Encryption with it.
    PARTNER_TLS: "partner", "tls", Word(TLS_WORDS), Derived("policy.tls");
    /// Proofs that it may give.
    PARTNER_AUTH: "partner", "auth", Words(AUTH_WORDS), Derived("policy.auth");

    /// Networks that a stranger's DNS may send us to.
    EGRESS_ALLOW: "egress", "allow", List("networks as in 10.0.0.0/8"), Default("[]");

    /// Largest stanza.
    LIMITS_STANZA_BYTES: "limits", "stanza_bytes", Number(10_000, limits::WAITING_BYTES_PER_PAIR as i64, "bytes"),
        Default("262144");
    /// Connections of one shard.
    LIMITS_CONNECTIONS: "limits", "connections_per_shard",
        Number(16, limits::CONNECTIONS_PER_SHARD as i64, "connections"), Default("50000");

    /// What dialback keys are made from.
    DIALBACK_SECRET_FILE: "dialback", "secret_file", Text("a file of at least 16 bytes"),
        Derived("a secret drawn at random at every start");

    /// Where OpenMetrics text is served.
    METRICS_LISTEN: "metrics", "listen", Text("an address with a port"), Derived("no listener");
    /// Where the interval log of transit times goes.
    METRICS_HLOG: "metrics", "hlog", Text("a file"), Derived("no interval log");
    /// How often it gets a line per direction.
    METRICS_HLOG_INTERVAL: "metrics", "hlog_interval", Time(Duration::from_secs(1), Duration::from_secs(3_600)),
        Default("\"10s\"");

    /// How much is logged.
    LOG_LEVEL: "log", "level", Word(&["error", "warn", "info", "debug", "trace"]), Default("\"info\"");
    /// How a line looks.
    LOG_FORMAT: "log", "format", Word(&["text", "json"]), Default("\"text\"");

    /// How long a drain may take.
    SHUTDOWN_DEADLINE: "shutdown", "deadline", Time(Duration::from_secs(1), Duration::from_secs(600)),
        Default("\"15s\"");
}

impl Key {
    /// Whether it names a file of PEM text.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.shape, Text(kind) if kind.ends_with("a PEM file"))
    }

    /// What may stand at the key, for messages: `a number of bytes from 10000 to 4194304`.
    pub fn expectation(&self) -> String {
        match self.shape {
            Text(kind) => format!("a string: {kind}"),
            List(kind) => format!("a list of strings: {kind}"),
            Number(min, max, unit) => format!("a number of {unit} from {min} to {max}"),
            Time(min, max) => format!("a time from {} to {}, such as \"30s\"", spell_time(min), spell_time(max)),
            Flag => "true or false".to_owned(),
            Word(words) => format!("one of {}", quote_words(words)),
            Words(words) => format!("a list of {}, preferred first", quote_words(words)),
        }
    }
}

fn quote_words(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

/// A time as a configuration spells it: `500ms`, `30s`, `5m`, `1h`.
pub fn spell_time(time: Duration) -> String {
    let millis = time.as_millis();
    match millis {
        _ if !millis.is_multiple_of(1_000) => format!("{millis}ms"),
        _ if !millis.is_multiple_of(60_000) => format!("{}s", millis / 1_000),
        _ if !millis.is_multiple_of(3_600_000) => format!("{}m", millis / 60_000),
        _ => format!("{}h", millis / 3_600_000),
    }
}

/// The time that `text` spells, or `None` for another text and for one that overflows.
pub fn parse_time(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let count: u64 = text[..digits].parse().ok()?;
    let millis = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    count.checked_mul(millis).map(Duration::from_millis)
}
