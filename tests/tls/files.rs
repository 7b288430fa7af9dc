//! What an operator reads when a file is not as it should be.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{KeyPair, date_time_ymd};
use ringgate::tls::{CertifiedKeyFiles, Roots, Store, StoreError};

use crate::authority::{Authority, identity, params, self_signed};

/// A directory that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: &str, mode: u32) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn load(authority: &Authority, files: CertifiedKeyFiles) -> Result<Store, StoreError> {
    Store::load(vec![identity(&["example.org", "conference.example.org"], files)], authority.roots(), None)
}

#[test]
fn key_and_chain_may_be_in_one_file_or_in_two() {
    let folder = Folder::new("one-or-two");
    let authority = Authority::new("root");
    let issued = authority.issue(&["example.org", "conference.example.org"]);
    let both = folder.write("both.pem", &issued.pem(), 0o600);
    let chain = folder.write("chain.pem", &issued.chain, 0o644);
    let key = folder.write("key.pem", &issued.key, 0o640);
    let roots = folder.write("roots.pem", &authority.pem, 0o644);
    assert_eq!(load(&authority, CertifiedKeyFiles::one(both.clone())).unwrap().warnings(), [""; 0]);
    assert_eq!(load(&authority, CertifiedKeyFiles::two(chain, key)).unwrap().warnings(), [""; 0]);
    let identities = vec![identity(&["example.org"], CertifiedKeyFiles::one(both))];
    assert!(Store::load(identities, Roots::File(roots), None).is_ok());
}

#[test]
fn each_broken_file_is_named_with_problem_and_remedy() {
    let folder = Folder::new("broken");
    let authority = Authority::new("root");
    let issued = authority.issue(&["example.org"]);
    let other = KeyPair::generate().unwrap().serialize_pem();
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let cases = [
        ("only-chain.pem", issued.chain.clone(), "contains no private key", "add the key's PEM section"),
        ("only-key.pem", issued.key.clone(), "contains no certificate", "BEGIN CERTIFICATE"),
        ("empty.pem", String::new(), "contains no certificate", "PEM"),
        (
            "other-key.pem",
            format!("{}{other}", issued.chain),
            "does not belong to the private key",
            "own certificate first",
        ),
        ("encrypted.pem", format!("{}{encrypted}", issued.chain), "is encrypted", "openssl pkey"),
        ("cut.pem", issued.chain[..issued.chain.len() - 30].to_owned(), "is not proper PEM", "copy it anew"),
        (
            "root-first.pem",
            format!("{}{}", authority.pem, issued.pem()),
            "does not belong to the private key",
            "own certificate first",
        ),
    ];
    for (name, content, problem, remedy) in cases {
        let path = folder.write(name, &content, 0o600);
        let error = load(&authority, CertifiedKeyFiles::one(path.clone())).unwrap_err();
        assert_eq!(error.file, path.display().to_string());
        assert!(error.problem.contains(problem), "{name}: {error}");
        assert!(error.remedy.contains(remedy), "{name}: {error}");
    }
    let missing = load(&authority, CertifiedKeyFiles::one(folder.0.join("missing.pem"))).unwrap_err();
    assert_eq!(
        (missing.problem.as_str(), missing.remedy.as_str()),
        ("does not exist", "create it or correct the path")
    );
    let directory = load(&authority, CertifiedKeyFiles::one(folder.0.clone())).unwrap_err();
    assert!(directory.problem.contains("cannot be read"), "{directory}");
}

#[test]
fn a_key_is_never_part_of_a_message() {
    let authority = Authority::new("root");
    let issued = authority.issue(&["example.org"]);
    let files = CertifiedKeyFiles::memory(issued.key.clone());
    let shown = format!("{files:?} {}", load(&authority, files.clone()).unwrap_err());
    let secret = issued.key.lines().nth(1).unwrap();
    assert!(!shown.contains(secret) && shown.contains("PEM text in memory"), "{shown}");
}

#[test]
fn roots_must_exist_and_hold_a_certificate() {
    let authority = Authority::new("root");
    let issued = authority.issue(&["example.org"]);
    let load = |roots| Store::load(vec![identity(&["example.org"], issued.files())], roots, None);
    let error = load(Roots::Pem(issued.key.clone().into_bytes())).unwrap_err();
    assert!(error.problem.contains("contains no certificate"), "{error}");
    let error = load(Roots::File("/nonexistent/roots.pem".into())).unwrap_err();
    assert_eq!(error.file, "/nonexistent/roots.pem");
    let error = Store::load(vec![], authority.roots(), None).unwrap_err();
    assert!(error.problem.contains("names no certificate"), "{error}");
}

#[test]
fn warnings_say_what_peers_will_hold_against_us() {
    let folder = Folder::new("warnings");
    let authority = Authority::new("root");
    let mut expired = params(&["example.org", "*.example.org"]);
    expired.not_after = date_time_ymd(2020, 1, 1);
    let cases = [
        ("world.pem", authority.issue(&["example.org", "*.example.org"]), 0o644, vec!["chmod o-r"]),
        ("expired.pem", authority.issue_with(expired), 0o600, vec!["has expired"]),
        ("narrow.pem", authority.issue(&["example.org"]), 0o600, vec!["does not cover conference.example.org"]),
        (
            "self.pem",
            self_signed(&params(&["*.example.org"])),
            0o600,
            vec!["is self-signed", "does not cover example.org"],
        ),
        (
            "unknown.pem",
            Authority::new("other").issue(&["example.org", "conference.example.org"]),
            0o600,
            vec!["does not end in a trusted root"],
        ),
    ];
    for (name, issued, mode, expected) in cases {
        let path = folder.write(name, &issued.pem(), mode);
        let warnings = load(&authority, CertifiedKeyFiles::one(path.clone())).unwrap().warnings();
        assert_eq!(warnings.len(), expected.len(), "{name}: {warnings:?}");
        for (warning, part) in warnings.iter().zip(expected) {
            assert!(warning.contains(part) && warning.starts_with(&path.display().to_string()), "{warning}");
        }
    }
}
