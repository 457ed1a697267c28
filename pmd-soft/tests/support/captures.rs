//! Capture files as tests make them and as another program reads them.
#![allow(clippy::panic, reason = "test support")]

use std::fs;
use std::path::{Path, PathBuf};

use pcap_parser::{
    LegacyPcapReader, PcapBlockOwned, PcapError as ParserError, traits::PcapReaderIterator,
};
use tempfile::TempDir;

/// A folder that goes away with its files.
pub struct Folder(pub TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A capture file with these frames.
    pub fn capture(&self, name: &str, frames: &[Vec<u8>]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, capture(frames)).unwrap();
        path
    }
}

/// The bytes of a capture file with these frames.
pub fn capture(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0];
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0]);
    for (n, frame) in (1u32..).zip(frames) {
        let len = frame.len() as u32;
        bytes.extend([n, 7, len, len].into_iter().flat_map(u32::to_le_bytes));
        bytes.extend(frame);
    }
    bytes
}

/// Frames and times of a file, as an independent program reads them.
pub fn parsed(path: &Path) -> Vec<(u64, Vec<u8>)> {
    let mut reader = LegacyPcapReader::new(1 << 20, fs::File::open(path).unwrap()).unwrap();
    let mut frames = Vec::new();
    let mut nanos = false;
    loop {
        match reader.next() {
            Ok((used, block)) => {
                match block {
                    PcapBlockOwned::LegacyHeader(header) => {
                        nanos = header.is_nanosecond_precision()
                    }
                    PcapBlockOwned::Legacy(block) => {
                        assert!(nanos && block.ts_usec < 1_000_000_000);
                        let time =
                            u64::from(block.ts_sec) * 1_000_000_000 + u64::from(block.ts_usec);
                        frames.push((time, block.data.to_vec()));
                    }
                    PcapBlockOwned::NG(_) => panic!("not written by us"),
                }
                reader.consume(used);
            }
            Err(ParserError::Eof) => return frames,
            Err(ParserError::Incomplete(_)) => reader.refill().unwrap(),
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Frames of a file.
pub fn frames_of(path: &Path) -> Vec<Vec<u8>> {
    parsed(path).into_iter().map(|(_, frame)| frame).collect()
}
