//! Every bound of the core in one place, with what happens when it is reached.

use core::time::Duration;

/// Deepest element of a stanza; deeper is `policy-violation`.
pub const STANZA_DEPTH: u16 = 128;
/// Attributes of one element, namespace declarations included; more is `policy-violation`.
pub const ELEMENT_ATTRIBUTES: u16 = 64;
/// Bytes of one stanza from `<` to `>`; more is `policy-violation`.
pub const STANZA_BYTES: u32 = 262_144;
/// Elements of one stanza; more is `policy-violation`.
pub const STANZA_ELEMENTS: u32 = 10_000;
/// Bytes of a stream header or of one stream-level element, and before authentication of any element.
pub const PREAUTH_BYTES: u32 = 8_192;
/// Elements of one stream-level element before authentication.
pub const PREAUTH_ELEMENTS: u32 = 32;
/// Bytes that a stream header's prefixes and language may add to each of its stanzas, which do not repeat them; a header
/// with more is `policy-violation`.
pub const SPLICE_BYTES: usize = 1_024;
/// Bytes of a name (QName) in a tag; more is `policy-violation`.
pub const NAME_BYTES: usize = 1_024;
/// Bytes of a JID's part. RFC 7622 §3.1.
pub const JID_PART_BYTES: usize = 1_023;
/// Domain pairs that one stream may prove; further dialback requests get `resource-constraint`.
pub const PAIRS_PER_STREAM: usize = 1_024;
/// Bytes of a dialback key or of the stream id in a dialback element; longer is `bad-format`.
pub const DIALBACK_VALUE_BYTES: usize = 1_024;
/// Failed SASL attempts of one stream; the last one is answered, and then `policy-violation`. RFC 6120 §6.4.5.
pub const SASL_FAILURES: u8 = 5;
/// Requests for features that were never offered (compression, acknowledgements) that one stream gets an answer to;
/// more is `policy-violation`.
pub const REFUSALS_PER_STREAM: u8 = 16;
/// Dialback verifications that one stream may have open; more get `resource-constraint`.
pub const VERIFICATIONS_PER_STREAM: usize = 64;
/// Verification requests that are open on one stream of ours to an authoritative server; more wait for answers to the others, no longer than
/// [`DIALBACK`] after they were asked for.
pub const VERIFICATION_REQUESTS_PER_STREAM: usize = 64;
/// Dialback verifications that a shard may have open; more get `resource-constraint`.
pub const VERIFICATIONS_PER_SHARD: usize = 4_096;
/// And with that many open, public streams get it already: the rest is for backends, whatever strangers ask.
pub const INBOUND_VERIFICATIONS_PER_SHARD: usize = VERIFICATIONS_PER_SHARD / 4 * 3;
/// Dialback verifications that a shard may have open for the streams of one remote address, closed ones included; more
/// get `resource-constraint`.
pub const VERIFICATIONS_PER_ADDRESS: usize = VERIFICATIONS_PER_SHARD / 16;
/// Those of one remote address that one link may have open or waiting; more get `resource-constraint`. They are all for one pair, which
/// an honest server claims on a few streams at most, and forged ones do not fill the link's stream before it.
pub const VERIFICATIONS_PER_LINK_AND_ADDRESS: usize = VERIFICATION_REQUESTS_PER_STREAM / 4;
/// Stanzas that wait for one domain pair's stream; more are bounced with `resource-constraint`.
pub const WAITING_STANZAS_PER_PAIR: usize = 4_096;
/// Bytes that wait for one domain pair's stream; more are bounced with `resource-constraint`.
pub const WAITING_BYTES_PER_PAIR: usize = 4 << 20;
/// Bytes that wait on one shard for streams in the making.
pub const WAITING_BYTES_PER_SHARD: usize = 256 << 20;
/// Memory that a shard keeps of remote domains' large stanzas whose end has not come, in bytes; beyond it, of the address
/// that holds the most, the stream whose stanza has been large for longest gets `resource-constraint`.
pub const UNFINISHED_BYTES_PER_SHARD: usize = 256 << 20;
/// Memory of an unfinished stanza above which it is large. What is below is not counted: so much is left of ordinary
/// stanzas, which the end of a read cuts. At most [`CONNECTIONS_PER_SHARD`] times this: 820 MB.
pub const UNFINISHED_SMALL_BYTES: usize = 16 << 10;
/// Bytes in a connection's outbox above which the streams that feed it are not read. Each of them notices when it adds to
/// it, and adds no second stanza unless it is taken in uncut.
pub const OUTBOX_HIGH_BYTES: usize = 256 << 10;
/// Bytes in a connection's outbox above which stanzas that have no stream to pause (errors of our own, stanzas from
/// other shards) are bounced with `resource-constraint`.
pub const OUTBOX_HARD_BYTES: usize = 8 << 20;
/// Bytes in a connection's outbox above which those of streams are bounced, too. A remote domain would need 250 streams,
/// each with all but the last byte of a largest stanza, to have others' stanzas bounce; of ordinary ones 100,000.
pub const OUTBOX_MOST_BYTES: usize = 64 << 20;
/// Domain pairs that a shard remembers. Beyond it the least recently used idle pairs make room, and dialback requests for
/// new ones get `resource-constraint`.
pub const PAIRS_PER_SHARD: usize = 100_000;
/// Shortest time between two looks for idle pairs in a full table.
pub const PAIRS_SWEEP: Duration = Duration::from_secs(1);
/// Connections of one shard; further ones are closed at accept. Inbound ones are at seven eighths of it: the rest is for
/// backends and for what is dialled.
pub const CONNECTIONS_PER_SHARD: usize = 50_000;
/// Unauthenticated inbound connections of one address and shard; further ones are closed at accept.
pub const UNAUTHENTICATED_PER_ADDRESS: usize = 256;

/// SRV records used of one answer.
pub const SRV_RECORDS: usize = 32;
/// Addresses used of one target.
pub const ADDRESSES_PER_TARGET: usize = 8;
/// Connection attempts for one stream.
pub const ATTEMPTS_PER_STREAM: usize = 24;
/// Head start of one connection attempt before the next begins. RFC 8305 §5.
pub const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// How long IPv4 addresses wait for the answer about IPv6 addresses. RFC 8305 §3.
pub const RESOLUTION_DELAY: Duration = Duration::from_millis(50);
/// How long the addresses of one SRV target are awaited alone; then the next target is looked up too.
pub const TARGET_LOOKUP: Duration = Duration::from_secs(1);
/// One TCP connection attempt.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// From accept or connect to the end of negotiation; not extended by single bytes.
pub const NEGOTIATION: Duration = Duration::from_secs(60);
/// From a dialback request to its answer.
pub const DIALBACK: Duration = Duration::from_secs(30);
/// From our `</stream:stream>` to the peer's.
pub const CLOSING: Duration = Duration::from_secs(5);
/// Without a byte from the peer and without a stanza to it, an authenticated stream is closed.
pub const IDLE: Duration = Duration::from_secs(3_600);
/// A live connection is looked at this often at the least, so that the timer of one that is gone does not outlive it long.
pub const LOOK_AGAIN: Duration = Duration::from_secs(300);
/// A stream that only verified dialback keys is closed after this long without one.
pub const VERIFICATION_IDLE: Duration = Duration::from_secs(10);
/// How long a stanza may wait for a stream; then it is bounced with `remote-server-timeout`.
pub const WAITING: Duration = Duration::from_secs(60);
/// First pause after a failure to reach a remote domain; doubles per failure, with jitter.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(2);
/// Longest pause between attempts to reach a remote domain.
pub const BACKOFF_LAST: Duration = Duration::from_secs(300);
/// Longest pause between attempts to reach a backend.
pub const BACKEND_BACKOFF_LAST: Duration = Duration::from_secs(5);
/// A written stanza counts as in doubt when its stream breaks within this time (the TCP user time-out).
pub const IN_DOUBT: Duration = Duration::from_secs(30);

const _: () = assert!(OUTBOX_HIGH_BYTES < OUTBOX_HARD_BYTES && OUTBOX_HARD_BYTES < OUTBOX_MOST_BYTES);
const _: () = assert!(STANZA_BYTES as usize <= WAITING_BYTES_PER_PAIR);
const _: () = assert!(PREAUTH_BYTES < STANZA_BYTES);
const _: () = assert!(4 * STANZA_BYTES as usize <= UNFINISHED_BYTES_PER_SHARD);
const _: () = assert!(VERIFICATIONS_PER_STREAM <= VERIFICATIONS_PER_ADDRESS);
const _: () = assert!(STANZA_BYTES >= 10_000); // RFC 6120 §13.12
