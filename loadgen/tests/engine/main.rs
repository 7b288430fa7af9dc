//! The engine plays whole runs, most of them without a system: what it sends has to arrive, and what a bad system does to it has
//! to be seen.

mod direct;
mod faults;
mod plans;
mod saboteur;
