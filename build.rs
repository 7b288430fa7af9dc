//! Link arguments that lead two functions of glommio's liburing to `src/ring/parking.rs`.
//!
//! They hold for the binaries, tests and benches of this package only: cargo gives no package's link arguments to those
//! that depend on it. A package whose programs run shards hands them on in a build script of its own, to which this
//! one's metadata comes by `links = "ringgate"`:
//!
//! ```text
//! fn main() {
//!     println!("cargo::rustc-link-arg={}", std::env::var("DEP_RINGGATE_LINK_ARG").expect("ringgate is a dependency"));
//! }
//! ```
//!
//! Without them everything links as well, but shards refuse to start (`ring::parking::Unserved`).

/// The functions, as the linker's one argument.
const LINK_ARG: &str = "-Wl,--wrap=io_uring_queue_init_params,--wrap=io_uring_wait_cqes";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg={LINK_ARG}");
    println!("cargo::metadata=LINK_ARG={LINK_ARG}");
}
