//! The files of a run: a private directory that goes with it.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, bail};

/// Directories of this process so far.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A directory that only this user can read, removed when dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    keep: bool,
    folders: AtomicU32,
}

impl Scratch {
    /// Makes one in the system's place for temporary files; with `keep` it stays.
    ///
    /// # Errors
    /// That place cannot be written to.
    pub fn new(keep: bool) -> anyhow::Result<Self> {
        let place = std::env::temp_dir();
        loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = place.join(format!("loadgen-{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { path, keep, folders: AtomicU32::new(0) }),
                // Left behind by a process of the same number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| format!("a directory in {}", place.display())),
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A new directory in it for the files of one system, which may be started more than once.
    ///
    /// # Errors
    /// It cannot be written to.
    pub fn folder(&self, name: &str) -> anyhow::Result<Folder> {
        let number = self.folders.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(format!("{number}-{name}"));
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        Ok(Folder(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep {
            // What is left in the directory for temporary files is the system's to remove.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// A directory in a [`Scratch`], or one that stays.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A new directory that stays and that only this user can read; an empty one becomes that.
    ///
    /// # Errors
    /// It holds something, or cannot be made.
    pub fn lasting(path: &Path) -> anyhow::Result<Self> {
        let path = std::path::absolute(path)?;
        let make = || {
            fs::create_dir_all(&path)?;
            fs::set_permissions(&path, Permissions::from_mode(0o700))?;
            Ok::<_, io::Error>(fs::read_dir(&path)?.next().is_none())
        };
        match make() {
            Ok(true) => Ok(Self(path)),
            Ok(false) => bail!("{} holds something else; name an empty or a new directory", path.display()),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file that only this user can read, with the directories above it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.0.join(name);
        let write = || {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
            file.write_all(text.as_bytes())
        };
        write().with_context(|| path.display().to_string())?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scratch_is_private_and_goes_when_dropped() {
        let scratch = Scratch::new(false).expect("a directory");
        let mode = fs::metadata(scratch.path()).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let file = scratch.folder("a").and_then(|folder| folder.write("b/c", "text")).expect("a file");
        assert_eq!(fs::read_to_string(&file).expect("its text"), "text");
        drop(scratch);
        assert!(!file.exists());
    }

    #[test]
    fn kept_scratch_stays() {
        let scratch = Scratch::new(true).expect("a directory");
        let path = scratch.path().to_owned();
        drop(scratch);
        assert!(path.is_dir());
        fs::remove_dir(path).expect("empty");
    }

    #[test]
    fn system_started_twice_gets_two_folders() {
        let scratch = Scratch::new(false).expect("a directory");
        let folders = [scratch.folder("a").expect("one"), scratch.folder("a").expect("another")];
        assert_ne!(folders[0].path(), folders[1].path());
    }
}
