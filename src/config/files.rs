//! Files that a configuration names: that they can be read, and are what they should be.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::document::read_bounded;
use super::problem::{Located, Problems};

/// A certificate chain, leaf first, and its private key, both PEM; one file may hold both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain.
    pub chain: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// Whom we trust to vouch for remote domains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The system's certificate authorities.
    System,
    /// Those in a PEM file, and no others.
    File(PathBuf),
}

const SHORTEST_SECRET_BYTES: usize = 16;

/// Complains unless `chain` has a certificate and `key` (or the same file) has a private key.
pub(super) fn check_certificate(chain: &Located<PathBuf>, key: Option<&Located<PathBuf>>, problems: &mut Problems) {
    let Some(pem) = read(chain, problems) else { return };
    if !matches!(CertificateDer::pem_slice_iter(&pem).next(), Some(Ok(_))) {
        let problem = format!("{} has no certificate", chain.value.display());
        problems.error(
            &chain.place,
            problem,
            "name a PEM file with the certificate first and its intermediates after it",
        );
    }
    let (key, remedy) = match key {
        Some(key) => (key, "name the PEM file of the private key"),
        None => (chain, "append the private key to the file, or name its file in a key of its own"),
    };
    let Some(pem) = read(key, problems) else { return };
    if PrivateKeyDer::from_pem_slice(&pem).is_err() {
        let problem = format!("{} has no private key that ringgate can read", key.value.display());
        problems.error(&key.place, problem, remedy);
    }
}

/// Complains unless the file has a certificate.
pub(super) fn check_roots(path: &Located<PathBuf>, problems: &mut Problems) {
    let Some(pem) = read(path, problems) else { return };
    if !matches!(CertificateDer::pem_slice_iter(&pem).next(), Some(Ok(_))) {
        let problem = format!("{} has no certificate", path.value.display());
        problems.error(&path.place, problem, "name a PEM file with the authorities' certificates, or \"system\"");
    }
}

/// The secret without white space around it.
pub(super) fn read_secret(path: &Located<PathBuf>, problems: &mut Problems) -> Option<Vec<u8>> {
    let secret = read(path, problems)?.trim_ascii().to_vec();
    if secret.len() < SHORTEST_SECRET_BYTES {
        let problem = format!("{} has {} bytes", path.value.display(), secret.len());
        let remedy = "make a new one: openssl rand -hex 32 > FILE; chmod 600 FILE";
        problems.error(&path.place, problem, remedy);
        return None;
    }
    warn_about_mode(path, problems);
    Some(secret)
}

/// Complains unless a file can be made at `path`.
pub(super) fn check_directory_of(path: &Located<PathBuf>, problems: &mut Problems) {
    let directory = path.value.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !directory.is_dir() {
        let problem = format!("{} is not a directory", directory.display());
        problems.error(&path.place, problem, "make the directory, or name another file");
    } else if path.value.is_dir() {
        let problem = format!("{} is a directory", path.value.display());
        problems.error(&path.place, problem, "name a file in it");
    }
}

fn read(path: &Located<PathBuf>, problems: &mut Problems) -> Option<Vec<u8>> {
    match read_bounded(&path.value) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            let problem = format!("{}: {error}", path.value.display());
            let remedy = "name a file that the user who runs ringgate may read; a relative path starts at the directory of the configuration";
            problems.error(&path.place, problem, remedy);
            None
        }
    }
}

fn warn_about_mode(path: &Located<PathBuf>, problems: &mut Problems) {
    let Ok(metadata) = std::fs::metadata(&path.value) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        let problem = format!("{} is a secret that everyone may read (mode {mode:o})", path.value.display());
        problems.warn(&path.place, problem, format!("chmod o-rwx {}", path.value.display()));
    }
}
