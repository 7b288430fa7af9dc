//! Programs that systems under test need, where they are found, and how they get there.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context, bail};

/// A program from elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// Its file name.
    pub program: &'static str,
    /// Who offers it.
    pub source: Source,
}

/// Who offers a program.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// Debian's packages; the first is the one whose version is the program's.
    Debian(&'static [&'static str]),
    /// A crate of crates.io in one version.
    Cargo {
        /// Its name.
        name: &'static str,
        /// Its version.
        version: &'static str,
    },
}

/// A program that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its file.
    pub path: PathBuf,
    /// Of the package.
    pub version: String,
}

/// The line that tells what to type.
#[derive(Debug, thiserror::Error)]
#[error("{program} is not installed: {remedy}, or let loadgen do so with --install")]
pub struct Missing {
    program: &'static str,
    remedy: String,
}

impl Need {
    /// Looks for it: in `PATH`, and a crate first where [`Self::install`] puts it.
    ///
    /// # Errors
    /// [`Missing`].
    pub fn find(&self) -> Result<Found, Missing> {
        let found = match self.source {
            Source::Debian(packages) => find_debian(self.program, packages),
            Source::Cargo { name, version } => find_crate(self.program, name, version),
        };
        found.ok_or_else(|| Missing { program: self.program, remedy: self.source.to_string() })
    }

    /// Installs it if it is missing: Debian's packages as root and without starting their services, a crate for this
    /// user.
    ///
    /// # Errors
    /// The installer's.
    pub fn install(&self) -> anyhow::Result<Found> {
        if let Ok(found) = self.find() {
            return Ok(found);
        }
        match self.source {
            Source::Debian(packages) => install_packages(packages)?,
            Source::Cargo { name, version } => install_crate(name, version)?,
        }
        Ok(self.find()?)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Debian(packages) => write!(f, "apt-get install {}", packages.join(" ")),
            Self::Cargo { name, version } => write!(f, "cargo install --locked {name}@{version}"),
        }
    }
}

fn find_debian(program: &str, packages: &[&str]) -> Option<Found> {
    let versions: Option<Vec<String>> = packages.iter().map(|package| package_version(package)).collect();
    let version = versions?.into_iter().next()?;
    Some(Found { path: in_path(program)?, version })
}

/// Version of an installed package.
fn package_version(package: &str) -> Option<String> {
    let query = Command::new("dpkg-query").args(["-W", "-f=${db:Status-Status} ${Version}", package]).output().ok()?;
    let status = String::from_utf8(query.stdout).ok()?;
    status.strip_prefix("installed ").map(str::to_owned)
}

fn find_crate(program: &str, name: &str, version: &str) -> Option<Found> {
    let ours = crate_root(name, version).map(|root| root.join("bin").join(program));
    let path = ours.filter(|path| is_program(path)).or_else(|| in_path(program))?;
    Some(Found { version: crate_version(&path, name).unwrap_or_else(|| "of unknown version".into()), path })
}

/// What cargo noted beside the folder that it installed a program into.
fn crate_version(path: &Path, name: &str) -> Option<String> {
    let notes = fs::read_to_string(path.parent()?.parent()?.join(".crates.toml")).ok()?;
    let mut versions = notes.lines().filter_map(|line| line.strip_prefix(&format!("\"{name} ")));
    Some(versions.next()?.split_whitespace().next()?.to_owned())
}

/// Where [`Need::install`] puts a crate: the user's cache.
fn crate_root(name: &str, version: &str) -> Option<PathBuf> {
    let cache = match env::var_os("XDG_CACHE_HOME").filter(|cache| !cache.is_empty()) {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(env::var_os("HOME")?).join(".cache"),
    };
    Some(cache.join("ringgate-loadgen").join(format!("{name}-{version}")))
}

fn install_crate(name: &str, version: &str) -> anyhow::Result<()> {
    let root = crate_root(name, version).context("neither XDG_CACHE_HOME nor HOME says where to install")?;
    let mut cargo = Command::new("cargo");
    cargo.args(["install", "--locked", "--root"]).arg(&root).arg(format!("{name}@{version}"));
    succeed(&mut cargo)
}

/// Debian's file that says whether a service may be started.
const POLICY: &str = "/usr/sbin/policy-rc.d";

fn install_packages(packages: &[&str]) -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("only root can install {}", packages.join(", "));
    }
    let _quiet = NoServices::begin()?;
    succeed(Command::new("apt-get").args(["update", "-q"]))?;
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "-q", "-y", "--no-install-recommends"]);
    succeed(apt.args(packages))
}

/// While it lives, packages start nothing when they are installed.
struct NoServices {
    /// What the file said before.
    before: Option<Vec<u8>>,
}

impl NoServices {
    fn begin() -> anyhow::Result<Self> {
        use std::os::unix::fs::PermissionsExt;

        let before = fs::read(POLICY).ok();
        fs::write(POLICY, "#!/bin/sh\nexit 101\n")
            .and_then(|()| fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755)))
            .with_context(|| format!("writing {POLICY}"))?;
        Ok(Self { before })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        let restored = match &self.before {
            Some(before) => fs::write(POLICY, before),
            None => fs::remove_file(POLICY),
        };
        if let Err(error) = restored {
            eprintln!("{POLICY} still forbids to start services: {error}");
        }
    }
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("starting {program}"))?;
    if !status.success() {
        bail!("{program} failed ({status})");
    }
    Ok(())
}

/// A program of the search path; also of Debian's folder for root's programs, which others do not have in theirs.
fn in_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| is_program(file))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_says_what_to_type() {
        let need = Need { program: "no-such-server", source: Source::Debian(&["no-such-server", "its-library"]) };
        let line = need.find().unwrap_err().to_string();
        assert_eq!(
            line,
            "no-such-server is not installed: apt-get install no-such-server its-library, or let loadgen do so with --install"
        );
        let source = Source::Cargo { name: "no-such-proxy", version: "1.2.3" };
        let line = Need { program: "no-such-proxy", source }.find().unwrap_err().to_string();
        assert!(line.contains("cargo install --locked no-such-proxy@1.2.3,"), "{line}");
    }

    #[test]
    fn a_program_of_the_search_path_is_found_and_a_folder_is_none() {
        assert!(is_program(&in_path("taskset").unwrap()));
        assert!(!is_program(Path::new("/usr/bin")));
        assert_eq!(in_path("no-such-program-anywhere"), None);
    }
}
