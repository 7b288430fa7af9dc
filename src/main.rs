//! ringgate: an XMPP federation proxy.

fn main() {}
