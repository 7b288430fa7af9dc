//! What the compiler does not check: floors, bans, sizes, citations, and that the documents name only what exists.

mod bans;
mod citations;
mod documents;
mod faults;
mod floors;
mod sizes;
mod source;
