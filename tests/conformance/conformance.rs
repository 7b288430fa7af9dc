//! What peers see, filed by the section of the standard that rules it.
//!
//! Each test plays a peer ([`peer`]) against one stream machine through the real scanner. A doc comment such as
//! `HDR-02` names the row of the fault table that the test covers; A1.5 is class 5 of the attack table.

mod gate;
mod hostile;
mod house;
mod peer;
mod rfc6120;
mod rfc7622;
mod walk;
mod xep0138;
mod xep0178;
mod xep0198;
mod xep0220;
mod xep0288;
mod xep0478;
