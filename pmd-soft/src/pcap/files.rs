//! Opening the files of a port so that a mistake costs no file.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use pmd_core::Error;

use super::{Reader, Writer};

/// A file of a port: whose it is and where.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub device: String,
    pub key: &'static str,
    pub path: PathBuf,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: '{}' ({})", self.device, self.path.display(), self.key)
    }
}

impl Place {
    fn problem(&self, doing: &str, advice: &str, source: io::Error) -> Error {
        let (device, key, path) = (&self.device, self.key, self.path.display());
        Error::io(format!("{device}: cannot {doing} '{path}' ({key}): {advice}"), source)
    }

    fn cannot_read(&self, source: io::Error) -> Error {
        let advice = match source.kind() {
            ErrorKind::NotFound => "give the path of a capture file that exists",
            ErrorKind::PermissionDenied => "give this user the right to read it",
            ErrorKind::IsADirectory => "that is a folder, name a file in it",
            _ => "give a capture file",
        };
        self.problem("read", advice, source)
    }

    fn cannot_write(&self, source: io::Error) -> Error {
        let advice = match source.kind() {
            ErrorKind::NotFound => "make its folder first",
            ErrorKind::PermissionDenied => "give this user the right to write there",
            ErrorKind::IsADirectory => "that is a folder, name a file in it",
            ErrorKind::ReadOnlyFilesystem => "choose a place that can be written",
            _ => "choose another place",
        };
        self.problem("write", advice, source)
    }

    /// Opens the file and reads its header.
    pub fn reader(&self) -> Result<Reader<File>, Error> {
        let meta = std::fs::metadata(&self.path).map_err(|source| self.cannot_read(source))?;
        if meta.is_dir() {
            return Err(self.cannot_read(ErrorKind::IsADirectory.into()));
        }
        if !meta.is_file() {
            // Opening or reading it might wait for somebody for ever.
            return Err(self.cannot_read(io::Error::other("not a regular file")));
        }
        let file = File::open(&self.path).map_err(|source| self.cannot_read(source))?;
        Reader::new(file).map_err(|error| Error::io(self.to_string(), io::Error::other(error)))
    }

    /// Opens or makes the file and leaves what is in it.
    fn open(&self) -> Result<File, Error> {
        if std::fs::metadata(&self.path).is_ok_and(|meta| meta.file_type().is_fifo()) {
            self.check_pipe()?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        options.open(&self.path).map_err(|source| self.cannot_write(source))
    }

    /// Refuses a pipe that nobody reads: opening it would wait for a reader.
    fn check_pipe(&self) -> Result<(), Error> {
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(libc::O_NONBLOCK);
        let advice = "start the program that reads this pipe first";
        let opened = options.open(&self.path);
        opened.map(drop).map_err(|source| self.problem("write", advice, source))
    }

    /// Whether `other` leads to this file, or would if it were made.
    pub fn is_same_file(&self, other: &Path) -> bool {
        match (identity(&self.path), identity(other)) {
            (Some(one), Some(two)) => one == two,
            (None, None) => future(&self.path).is_some_and(|path| future(other) == Some(path)),
            _ => false,
        }
    }

    /// Opens or makes the file and empties it, whatever is to be written.
    pub fn emptied(&self) -> Result<File, Error> {
        let file = self.open()?;
        // Pipes and devices have no length.
        let emptied = file.metadata().and_then(|meta| match meta.is_file() {
            true => file.set_len(0),
            false => Ok(()),
        });
        emptied.map_err(|source| self.cannot_write(source))?;
        Ok(file)
    }

    /// Opens or makes the file and empties it, for a capture.
    pub fn writer(&self) -> Result<Writer, Error> {
        Writer::new(self.open()?).map_err(|source| self.cannot_write(source))
    }
}

/// What tells one file from another, whatever its names.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let meta = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some((meta.dev(), meta.ino()))
}

/// Where a file will be that is not there yet.
fn future(path: &Path) -> Option<PathBuf> {
    let name = path.file_name().filter(|_| !path.exists())?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    Some(folder.unwrap_or(Path::new(".")).canonicalize().ok()?.join(name))
}

/// Opens all files to be written. Nothing is emptied unless all of them can be opened, none is read by this port and none is
/// named twice; what was made for nothing is removed again.
pub(super) fn writers(outputs: &[Place], inputs: &[Place]) -> Result<Vec<Writer>, Error> {
    let mut made = Made(Vec::new());
    let mut seen: Vec<_> = inputs.iter().filter_map(|place| identity(&place.path)).collect();
    let mut files = Vec::new();
    for place in outputs {
        let existed = place.path.exists();
        files.push(place.open()?);
        if !existed {
            made.0.push(place.path.clone());
        }
        if let Some(id) = identity(&place.path) {
            if seen.contains(&id) {
                return Err(Error::BadDevArgs(format!(
                    "{place} is named twice and would be overwritten: give each queue a file of its own"
                )));
            }
            seen.push(id);
        }
    }
    let writers = outputs
        .iter()
        .zip(files)
        .map(|(place, file)| Writer::new(file).map_err(|source| place.cannot_write(source)))
        .collect::<Result<_, _>>()?;
    made.0.clear();
    Ok(writers)
}

/// Files that are removed unless all goes well.
struct Made(Vec<PathBuf>);

impl Drop for Made {
    fn drop(&mut self) {
        for path in &self.0 {
            // Whoever removed it in the meantime did what is wanted.
            let _ = std::fs::remove_file(path);
        }
    }
}
