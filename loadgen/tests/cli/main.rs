//! loadgen from the outside: what it says, what it leaves, and how it ends.

mod attach;
mod interrupt;
mod mistakes;
mod program;
mod repeat;
mod soak;
