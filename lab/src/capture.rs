//! Capture files (pcap): what stands for a traffic generator beside a `net_pcap` port.

use std::path::Path;

use crate::Result;

/// Microseconds, host order, version 2.4, no zone, no accuracy, whole frames, Ethernet.
const HEADER: [u32; 6] = [0xa1b2_c3d4, 4 << 16 | 2, 0, 0, 65535, 1];
/// Bytes before the first record.
const HEADER_BYTES: usize = 24;
/// Bytes before the frame of a record.
const RECORD_BYTES: usize = 16;

/// Writes a file with these frames.
///
/// # Errors
///
/// When it cannot be written, or a frame is too long.
pub fn write(path: &Path, frames: &[Vec<u8>]) -> Result<()> {
    let mut bytes: Vec<u8> = HEADER.iter().flat_map(|word| word.to_ne_bytes()).collect();
    for (second, frame) in (0u32..).zip(frames) {
        let length = u32::try_from(frame.len())?;
        for word in [second, 0, length, length] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(frame);
    }
    Ok(std::fs::write(path, bytes)?)
}

/// The frames of a file that was written on this machine.
///
/// # Errors
///
/// When it cannot be read, or is not whole.
pub fn read(path: &Path) -> Result<Vec<Vec<u8>>> {
    let bytes = std::fs::read(path)?;
    let mut rest = bytes.get(HEADER_BYTES..).ok_or("a capture file without a header")?;
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let length = rest.get(8..12).ok_or("a capture file that ends in a record")?;
        let length = u32::from_ne_bytes(length.try_into()?) as usize;
        let end = RECORD_BYTES + length;
        frames.push(rest.get(RECORD_BYTES..end).ok_or("a frame that is cut")?.to_vec());
        rest = &rest[end..];
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.pcap");
        let frames = vec![vec![1; 60], Vec::new(), vec![2; 1518]];
        write(&path, &frames).unwrap();
        assert_eq!(read(&path).unwrap(), frames);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.pop();
        std::fs::write(&path, bytes).unwrap();
        assert!(read(&path).is_err());
    }
}
