//! Writing capture files, whole records at a time.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use pmd_core::Mbuf;

use super::format::{RECORD_BYTES_MAX, RECORD_HEADER_BYTES, RecordHeader, file_header};

/// Bytes that are gathered before they are written: at least one of the longest records.
const BUFFER_BYTES: usize = 2 * (RECORD_HEADER_BYTES + RECORD_BYTES_MAX as usize);

/// Writes frames to a capture file: little-endian, nanoseconds, Ethernet, as DPDK's port does.
///
/// Frames are gathered in memory and written by [`Writer::flush`], so between two flushes the file holds whole records. When a write
/// fails (a full disk), the file is cut back to its last whole record.
pub struct Writer {
    file: File,
    /// The file up to here holds whole records.
    good_bytes: u64,
    gathered: Vec<u8>,
    /// Frames that were gathered, and their bytes.
    frames: u64,
    frame_bytes: u64,
}

impl Writer {
    /// Empties `file` and writes the header.
    ///
    /// # Errors
    ///
    /// What the system answers.
    pub fn new(mut file: File) -> io::Result<Self> {
        // Pipes and devices have no length.
        if file.metadata()?.is_file() {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
        }
        let header = file_header();
        file.write_all(&header)?;
        let gathered = Vec::with_capacity(BUFFER_BYTES);
        Ok(Self { file, good_bytes: header.len() as u64, gathered, frames: 0, frame_bytes: 0 })
    }

    /// Adds a frame with the time that it is now. Frames of more than 262,144 bytes are cut, and say so.
    ///
    /// # Errors
    ///
    /// As [`Writer::flush`], which is called first when the memory is full. The frame itself was added.
    pub fn push(&mut self, mbuf: &Mbuf) -> Result<(), Lost> {
        let captured = mbuf.len().min(RECORD_BYTES_MAX);
        let whole = RECORD_HEADER_BYTES + captured as usize;
        let full = self.gathered.capacity() - self.gathered.len() < whole;
        let flushed = if full { self.flush() } else { Ok(()) };
        let header = RecordHeader { timestamp_ns: now_ns(), captured, original: mbuf.len() };
        self.gathered.extend_from_slice(&header.to_bytes());
        let mut left = captured as usize;
        for segment in mbuf.segments() {
            let bytes = segment.bytes();
            let bytes = bytes.get(..left).unwrap_or(bytes);
            self.gathered.extend_from_slice(bytes);
            left -= bytes.len();
        }
        self.frames += 1;
        self.frame_bytes += u64::from(mbuf.len());
        flushed
    }

    /// Writes what was gathered.
    ///
    /// # Errors
    ///
    /// [`Lost`] with the number of frames that did not get into the file, which then ends with the last whole record.
    pub fn flush(&mut self) -> Result<(), Lost> {
        let frames = std::mem::take(&mut self.frames);
        let frame_bytes = std::mem::take(&mut self.frame_bytes);
        let written = self.file.write_all(&self.gathered);
        let bytes = self.gathered.len() as u64;
        self.gathered.clear();
        match written {
            Ok(()) => {
                self.good_bytes += bytes;
                Ok(())
            }
            Err(source) => {
                self.cut_back();
                Err(Lost { frames, bytes: frame_bytes, source })
            }
        }
    }

    #[cold]
    fn cut_back(&mut self) {
        // A file that cannot be cut is no regular file: whoever reads the pipe has the part of a record.
        let _ = self.file.set_len(self.good_bytes);
        let _ = self.file.seek(SeekFrom::Start(self.good_bytes));
    }
}

/// Frames that could not be written.
#[derive(Debug)]
pub struct Lost {
    /// How many.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What the system answered.
    pub source: io::Error,
}

/// Nanoseconds since 1970.
fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
