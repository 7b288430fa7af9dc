//! Tells the program from which revision of its source it was built, and links it so that it can run ringgate's shards.

use std::process::Command;

fn main() {
    // Everything that a build of ringgate and loadgen is made of.
    for path in ["../src", "src", "../Cargo.lock", "build.rs"] {
        println!("cargo::rerun-if-changed={path}");
    }
    if let Some(head) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={head}");
    }
    println!("cargo::rustc-env=LOADGEN_REVISION={}", revision().unwrap_or_default());
    // See ringgate's build script.
    println!("cargo::rustc-link-arg={}", std::env::var("DEP_RINGGATE_LINK_ARG").expect("ringgate is a dependency"));
}

/// In parentheses; `None` outside a repository.
fn revision() -> Option<String> {
    let revision = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--untracked-files=no", "--", "../src", ".", "../Cargo.lock"])?;
    let changed = if changes.is_empty() { "" } else { ", changed" };
    Some(format!(" ({revision}{changed})"))
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
