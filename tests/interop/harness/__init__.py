"""Interoperation tests of ringgate with real XMPP servers; started by `tests/interop/run`."""
