//! The machine's log, beside standard error.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// Where the machine's log listens.
pub(super) const SOCKET: &str = "/dev/log";

/// A connection to the machine's log.
#[derive(Debug)]
pub(super) struct Syslog {
    socket: UnixDatagram,
    facility: u8,
    program: String,
}

impl Syslog {
    /// Reaches the log that listens at `path`, for messages of a facility (RFC 5424, table 1).
    pub fn connect(path: &Path, facility: u8) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        // A log that does not keep up loses lines rather than hold us up.
        socket.set_nonblocking(true)?;
        let program = std::env::args_os().next().unwrap_or_default();
        let name = Path::new(&program).file_name().unwrap_or_default();
        Ok(Self { socket, facility, program: name.to_string_lossy().into_owned() })
    }

    /// Sends one line with a level from 1 (emergency) to 8 (debug).
    pub fn send(&self, level: u8, line: &str) {
        let priority = u32::from(self.facility) * 8 + u32::from(level.clamp(1, 8) - 1);
        let text = format!("<{priority}>{}[{}]: {line}", self.program, std::process::id());
        let _ = self.socket.send(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_arrives_with_priority_and_process() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let log = UnixDatagram::bind(&path).unwrap();
        Syslog::connect(&path, 3).unwrap().send(4, "EAL: too little");
        let mut buffer = [0; 256];
        let len = log.recv(&mut buffer).unwrap();
        let text = std::str::from_utf8(&buffer[..len]).unwrap();
        assert!(text.starts_with("<27>"), "{text}");
        assert!(text.ends_with(&format!("[{}]: EAL: too little", std::process::id())), "{text}");
        assert!(Syslog::connect(&dir.path().join("none"), 3).is_err());
    }
}
