//! A private place for the loop's socket.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::error::Error;

/// The longest path of a Unix socket in bytes (unix(7)).
const SOCKET_PATH_MAX_BYTES: usize = 107;

/// A folder that only this user can look into, gone when the value is.
pub struct Folder(PathBuf);

impl Folder {
    /// A new folder where temporary files go.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`].
    pub fn new() -> Result<Self, Error> {
        let nonce = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.subsec_nanos());
        let name = format!("testpmd-{}-{nonce:x}", std::process::id());
        let mut path = std::env::temp_dir().join(&name);
        if !is_fit(&path) {
            path = Path::new("/tmp").join(name);
        }
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(Self(path)),
            Err(error) => Err(Error::Folder(path, error)),
        }
    }
}

impl Folder {
    /// Where the socket is to be.
    pub fn socket(&self) -> PathBuf {
        self.0.join("vhost.sock")
    }
}

/// Whether a device string can name a socket below `folder`.
fn is_fit(folder: &Path) -> bool {
    let short = folder.as_os_str().len() + "/vhost.sock".len() <= SOCKET_PATH_MAX_BYTES;
    short && folder.to_str().is_some_and(|text| !text.contains([',', '[', ']']))
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_places_are_avoided() {
        assert!(is_fit(Path::new("/tmp/x")));
        assert!(!is_fit(Path::new("/tmp/a,b")));
        assert!(!is_fit(Path::new(&format!("/{}", "x".repeat(100)))));
    }

    #[test]
    fn the_folder_is_private_and_goes_away() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new().unwrap();
        let path = folder.0.clone();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        drop(folder);
        assert!(!path.exists());
    }
}
