//! Certificates and keys from PEM, with messages an operator can act on.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::InconsistentKeys;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use thiserror::Error;

use super::PEM_BYTES;

/// A certificate with its chain, and its private key.
#[derive(Clone, Debug)]
pub struct CertifiedKeyFiles {
    /// The certificate first, then its intermediates; also the key when `key` is `None`.
    pub certificate: Pem,
    /// The private key, when it is elsewhere.
    pub key: Option<Pem>,
}

/// PEM text.
#[derive(Clone)]
pub enum Pem {
    /// In a file.
    File(PathBuf),
    /// In memory.
    Memory(Vec<u8>),
}

impl CertifiedKeyFiles {
    /// Key and chain in one file.
    pub fn one(path: impl Into<PathBuf>) -> Self {
        Self { certificate: Pem::File(path.into()), key: None }
    }

    /// Chain and key in two files.
    pub fn two(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { certificate: Pem::File(certificate.into()), key: Some(Pem::File(key.into())) }
    }

    /// Key and chain in memory, in one text.
    pub fn memory(pem: impl Into<Vec<u8>>) -> Self {
        Self { certificate: Pem::Memory(pem.into()), key: None }
    }
}

/// A file (or what stands for it), what is wrong with it, and what to do about it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{file}: {problem}; {remedy}")]
pub struct StoreError {
    /// Which file.
    pub file: String,
    /// What is wrong.
    pub problem: String,
    /// What helps.
    pub remedy: String,
}

impl StoreError {
    pub(super) fn new(file: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { file: file.into(), problem: problem.into(), remedy: remedy.into() }
    }
}

impl Pem {
    /// For messages: never the text itself.
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Memory(_) => "PEM text in memory".to_owned(),
        }
    }

    fn read(&self) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::Memory(text) => Ok(text.clone()),
            Self::File(path) => read_file(path),
        }
    }

    /// Whether others than the owner and the group may read the file.
    fn is_world_readable(&self) -> bool {
        match self {
            Self::Memory(_) => false,
            Self::File(path) => path.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o004 != 0),
        }
    }
}

impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

/// A key that signs for its certificate, what it was read from, and what an operator should know about it.
pub(super) struct Loaded {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) file: String,
    pub(super) warnings: Vec<String>,
}

/// Reads a certificate and its key, and makes sure that they belong together.
pub(super) fn load(files: &CertifiedKeyFiles, provider: &CryptoProvider) -> Result<Loaded, StoreError> {
    let file = files.certificate.name();
    let chain = certificates(&files.certificate)?;
    let key_source = files.key.as_ref().unwrap_or(&files.certificate);
    let key = private_key(key_source)?;
    let key = provider.key_provider.load_private_key(key).map_err(|error| {
        StoreError::new(
            key_source.name(),
            format!("holds a private key that cannot be used ({error})"),
            "use ECDSA P-256/P-384, Ed25519 or RSA of 2048 bits and more",
        )
    })?;
    let certified = CertifiedKey::new(chain, key);
    check_match(&certified, &file, key_source)?;
    let mut warnings = Vec::new();
    if key_source.is_world_readable() {
        let name = key_source.name();
        warnings.push(format!("{name}: everyone on this host can read the private key; chmod o-r {name}"));
    }
    Ok(Loaded { key: Arc::new(certified), file, warnings })
}

fn check_match(certified: &CertifiedKey, file: &str, key_source: &Pem) -> Result<(), StoreError> {
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => Err(StoreError::new(
            file,
            format!("its first certificate does not belong to the private key in {}", key_source.name()),
            "put the server's own certificate first, and the key it was issued for beside it",
        )),
        Err(error) => {
            Err(StoreError::new(file, format!("its first certificate cannot be read ({error})"), "have it issued anew"))
        }
    }
}

/// All certificates of a PEM text, in order; at least one.
pub(super) fn certificates(source: &Pem) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let text = source.read()?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| broken(source, &error))?;
    if found.is_empty() {
        return Err(StoreError::new(
            source.name(),
            "contains no certificate",
            "it must have a section BEGIN CERTIFICATE (PEM, not DER or PKCS #12)",
        ));
    }
    Ok(found)
}

fn private_key(source: &Pem) -> Result<PrivateKeyDer<'static>, StoreError> {
    let text = source.read()?;
    let encrypted = [&b"BEGIN ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"]
        .iter()
        .any(|mark| text.windows(mark.len()).any(|window| window == *mark));
    if encrypted {
        let remedy = "write it without a passphrase: openssl pkey -in OLD -out NEW; chmod 640 NEW";
        return Err(StoreError::new(source.name(), "its private key is encrypted", remedy));
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => StoreError::new(
            source.name(),
            "contains no private key",
            "add the key's PEM section to it, or name the key's file beside the certificate's",
        ),
        error => broken(source, &error),
    })
}

fn broken(source: &Pem, error: &rustls::pki_types::pem::Error) -> StoreError {
    StoreError::new(source.name(), format!("is not proper PEM ({error})"), "copy it anew, whole and as text")
}

fn read_file(path: &Path) -> Result<Vec<u8>, StoreError> {
    let name = path.display().to_string();
    let explain = |error: std::io::Error| {
        let (problem, remedy) = match error.kind() {
            ErrorKind::NotFound => ("does not exist".to_owned(), "create it or correct the path".to_owned()),
            ErrorKind::PermissionDenied => (
                "may not be read by this user".to_owned(),
                format!(
                    "let ringgate's group read it: chgrp ringgate {name} && chmod 640 {name} (and chmod g+x its folders)"
                ),
            ),
            _ => (format!("cannot be read ({error})"), "name a readable PEM file".to_owned()),
        };
        StoreError::new(name.clone(), problem, remedy)
    };
    let file = File::open(path).map_err(explain)?;
    let mut text = Vec::new();
    file.take(PEM_BYTES + 1).read_to_end(&mut text).map_err(explain)?;
    if text.len() as u64 > PEM_BYTES {
        return Err(StoreError::new(name, format!("is over {PEM_BYTES} bytes"), "name a PEM file with certificates"));
    }
    Ok(text)
}
