//! Capture files: what any of the four kinds holds is read, whatever the pieces in which it comes; no bytes make it panic.

use std::io::{self, Cursor, Read};

use pmd_soft::pcap::{PcapError, Reader};
use proptest::prelude::*;

/// A kind of capture file.
#[derive(Clone, Copy, Debug)]
struct Kind {
    big_endian: bool,
    nanos: bool,
}

impl Kind {
    fn word(self, value: u32) -> [u8; 4] {
        if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn half(self, value: u16) -> [u8; 2] {
        if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn header(self) -> Vec<u8> {
        let magic = if self.nanos { 0xA1B2_3C4D } else { 0xA1B2_C3D4 };
        let mut bytes = self.word(magic).to_vec();
        bytes.extend(self.half(2));
        bytes.extend(self.half(4));
        for value in [0, 0, 65_535, 1] {
            bytes.extend(self.word(value));
        }
        bytes
    }

    fn record(self, seconds: u32, fraction: u32, original: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for value in [seconds, fraction, data.len() as u32, original] {
            bytes.extend(self.word(value));
        }
        bytes.extend(data);
        bytes
    }

    fn file(self, frames: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = self.header();
        for (n, frame) in (0..).zip(frames) {
            bytes.extend(self.record(n, n + 1, frame.len() as u32 + n, frame));
        }
        bytes
    }
}

/// Gives its bytes in pieces of the lengths given, and is interrupted in between.
struct Pieces<'a> {
    bytes: &'a [u8],
    lengths: Vec<usize>,
    at: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.at += 1;
        let length = self.lengths[self.at % self.lengths.len()];
        if length == 0 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = length.min(into.len());
        self.bytes.read(&mut into[..length])
    }
}

fn all(mut reader: Reader<impl Read>) -> Result<Vec<(u64, u32, Vec<u8>)>, PcapError> {
    let mut records = Vec::new();
    while let Some(record) = reader.peek()? {
        records.push((record.timestamp_ns, record.original_bytes, record.data.to_vec()));
        reader.advance();
    }
    assert_eq!(reader.records(), records.len() as u64);
    Ok(records)
}

fn kinds() -> impl Strategy<Value = Kind> {
    (any::<bool>(), any::<bool>()).prop_map(|(big_endian, nanos)| Kind { big_endian, nanos })
}

fn frames() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)
}

proptest! {
    #[test]
    fn any_kind_in_any_pieces(kind in kinds(), frames in frames(), mut lengths in prop::collection::vec(0usize..100, 1..8)) {
        lengths.push(1);
        let bytes = kind.file(&frames);
        let reader = Reader::new(Pieces { bytes: &bytes, lengths, at: 0 }).unwrap();
        let unit = if kind.nanos { 1 } else { 1000 };
        let expected: Vec<_> = (0u32..)
            .zip(frames)
            .map(|(n, frame)| {
                let time = u64::from(n) * 1_000_000_000 + u64::from(n + 1) * unit;
                (time, frame.len() as u32 + n, frame)
            })
            .collect();
        prop_assert_eq!(all(reader).unwrap(), expected);
    }

    #[test]
    fn a_cut_file_gives_what_is_whole_and_names_the_place(kind in kinds(), frames in frames(), cut in any::<prop::sample::Index>()) {
        let bytes = kind.file(&frames);
        let cut = cut.index(bytes.len());
        let (mut whole, mut place) = (0, 24);
        while whole < frames.len() && place + 16 + frames[whole].len() <= cut {
            place += 16 + frames[whole].len();
            whole += 1;
        }
        match Reader::new(&bytes[..cut]) {
            Err(PcapError::NoHeader { have }) => prop_assert_eq!(have, cut),
            Err(other) => prop_assert!(false, "{}", other),
            Ok(reader) => match all(reader) {
                Ok(records) => {
                    prop_assert_eq!(cut, place);
                    prop_assert_eq!(records.len(), whole);
                }
                Err(PcapError::Truncated { offset, records }) => {
                    prop_assert_eq!((offset, records), (place as u64, whole as u64));
                }
                Err(other) => prop_assert!(false, "{}", other),
            },
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Reader::new(bytes.as_slice()).map(all);
    }

    #[test]
    fn no_damage_panics(kind in kinds(), frames in frames(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..30)) {
        let mut bytes = kind.file(&frames);
        for (place, value) in damage {
            let at = place.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(mut reader) = Reader::new(Cursor::new(&bytes)) {
            let mut records = 0;
            while let Ok(Some(record)) = reader.peek() {
                assert!(record.data.len() <= bytes.len());
                reader.advance();
                records += 1;
            }
            assert!(records <= bytes.len() / 16);
            reader.rewind().unwrap();
            assert_eq!(reader.records(), 0);
        }
    }
}

#[test]
fn records_up_to_the_longest_are_believed() {
    let kind = Kind { big_endian: false, nanos: false };
    let frames: Vec<Vec<u8>> = (0..5).map(|n| vec![n; 262_144]).collect();
    let bytes = kind.file(&frames);
    let read = all(Reader::new(bytes.as_slice()).unwrap()).unwrap();
    assert!(read.iter().map(|(_, _, data)| data).eq(&frames));
    let mut long = kind.file(&[vec![1; 10]]);
    long.extend(kind.record(0, 0, 0, &vec![0; 262_145]));
    let error = all(Reader::new(long.as_slice()).unwrap()).unwrap_err();
    assert!(matches!(error, PcapError::RecordTooLong { offset: 50, bytes: 262_145, records: 1 }));
    assert!(error.to_string().contains("damaged at byte 50"), "{error}");
}

#[test]
fn other_files_are_named_for_what_they_are() {
    for (bytes, part) in [
        (&[][..], "0 bytes"),
        (b"GET", "3 bytes"),
        (b"#!/bin/sh\necho", "begins with 23 21 2f 62"),
        (&[0x0A, 0x0D, 0x0D, 0x0A, 1, 1, 1, 1], "pcapng"),
        (&[0x1F, 0x8B, 8, 0, 0, 0], "gunzip"),
        (&[0x28, 0xB5, 0x2F, 0xFD, 0], "unzstd"),
        (&[0xD4, 0xC3, 0xB2, 0xA1, 2, 0], "6 bytes"),
    ] {
        let error = Reader::new(bytes).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(part), "{bytes:?}: {error}");
    }
}
