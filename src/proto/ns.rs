//! Namespace names, each with the section that defines it.

/// The stream element itself. RFC 6120 §4.8.1.
pub const STREAMS: &str = "http://etherx.jabber.org/streams";
/// Content of server-to-server streams. RFC 6120 §4.8.3.
pub const SERVER: &str = "jabber:server";
/// Content of the stream of an external component. XEP-0114 §3.
pub const COMPONENT: &str = "jabber:component:accept";
/// Server dialback. XEP-0220 §2.3.
pub const DIALBACK: &str = "jabber:server:dialback";
/// The dialback stream feature. XEP-0220 §2.3.
pub const DIALBACK_FEATURE: &str = "urn:xmpp:features:dialback";
/// STARTTLS. RFC 6120 §5.2.
pub const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
/// SASL. RFC 6120 §6.2.
pub const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
/// Conditions of stream errors. RFC 6120 §4.9.2.
pub const STREAM_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
/// Conditions of stanza errors. RFC 6120 §8.3.2.
pub const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
/// Stream compression requests, always refused. XEP-0138 §3.
pub const COMPRESS: &str = "http://jabber.org/protocol/compress";
/// Bidirectional streams. XEP-0288 §2.2.
pub const BIDI: &str = "urn:xmpp:bidi";
/// Bidirectional streams as a feature. XEP-0288 §2.1.
pub const BIDI_FEATURE: &str = "urn:xmpp:features:bidi";
/// Stream limits. XEP-0478 §3.
pub const STREAM_LIMITS: &str = "urn:xmpp:stream-limits:0";
/// Stream management, version 3. XEP-0198 §12.
pub const SM3: &str = "urn:xmpp:sm:3";
/// Stream management, version 2. XEP-0198 §12.
pub const SM2: &str = "urn:xmpp:sm:2";
/// The `xml` prefix. Namespaces in XML 1.0 §3.
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// The `xmlns` prefix. Namespaces in XML 1.0 §3.
pub const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
