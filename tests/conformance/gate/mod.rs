//! What only a whole gate shows: several streams, the DNS, time and the account together.

mod town;

mod allocations;
mod receive;
mod rfc6120_s11;
mod rfc6120_s4;
mod rfc6120_s5;
mod rfc6120_s8;
mod rfc6120_s8_3;
mod rfc7622;
mod unfinished;
mod xep0205;
mod xep0220;
