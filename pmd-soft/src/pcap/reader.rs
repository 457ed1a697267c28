//! Reading capture files of any length through one buffer.

use std::io::{self, Read, Seek, SeekFrom};

use super::PcapError;
use super::format::{FILE_HEADER_BYTES, Format, RECORD_BYTES_MAX, RECORD_HEADER_BYTES};

/// Bytes of the buffer: the longest record fits from any place in the front half.
const BUFFER_BYTES: usize = 2 * (RECORD_HEADER_BYTES + RECORD_BYTES_MAX as usize);

/// One captured frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Time of capture, in nanoseconds since 1970.
    pub timestamp_ns: u64,
    /// Bytes that the frame had on the wire; more than there are here when the capture cut it.
    pub original_bytes: u32,
    /// The bytes that were captured.
    pub data: &'a [u8],
}

/// Reads the records of a capture file, one at a time and without allocating.
///
/// Both byte orders, microseconds and nanoseconds; Ethernet only. Nothing that a file holds makes it panic.
///
/// ```
/// use pmd_soft::pcap::Reader;
///
/// let header = [0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
/// let record = [1, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, b'h', b'i'];
/// let file = [&header[..], &record].concat();
/// let mut reader = Reader::new(file.as_slice())?;
/// let first = reader.peek()?.ok_or("no record")?;
/// assert_eq!((first.data, first.timestamp_ns), (&b"hi"[..], 1_000_005_000));
/// reader.advance();
/// assert_eq!(reader.peek()?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Reader<R> {
    input: R,
    format: Format,
    buffer: Box<[u8]>,
    /// What was read and not consumed yet.
    begin: usize,
    end: usize,
    /// Place of `begin` in the file.
    offset: u64,
    records: u64,
    /// Bytes of the record that was looked at.
    peeked: usize,
}

impl<R: Read> Reader<R> {
    /// Reads the header of the file.
    ///
    /// # Errors
    ///
    /// [`PcapError`] when it is no capture file of Ethernet frames.
    pub fn new(mut input: R) -> Result<Self, PcapError> {
        let mut header = [0; FILE_HEADER_BYTES];
        let mut have = 0;
        while have < header.len() {
            match read(&mut input, &mut header[have..]) {
                Ok(0) => break,
                Ok(more) => have += more,
                Err(source) => return Err(PcapError::Io { offset: have as u64, source }),
            }
        }
        // A short file of another kind is named for what it is.
        let magic = [header[0], header[1], header[2], header[3]];
        if have >= magic.len() && have < header.len() {
            Format::parse(&header)
                .err()
                .filter(|error| matches!(error, PcapError::NotPcap { .. }))
                .map_or(Ok(()), Err)?;
        }
        if have < header.len() {
            return Err(PcapError::NoHeader { have });
        }
        Ok(Self {
            input,
            format: Format::parse(&header)?,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            begin: 0,
            end: 0,
            offset: FILE_HEADER_BYTES as u64,
            records: 0,
            peeked: 0,
        })
    }

    /// The next record, or `None` behind the last one. Goes on giving the same until [`Reader::advance`].
    ///
    /// # Errors
    ///
    /// [`PcapError`] naming the byte where the file ends early or is damaged. Nothing can be read behind it.
    #[inline]
    pub fn peek(&mut self) -> Result<Option<Record<'_>>, PcapError> {
        let have = self.fill(RECORD_HEADER_BYTES)?;
        if have == 0 {
            return Ok(None);
        }
        let Some(header) = self.waiting().first_chunk() else { return Err(self.truncated()) };
        let header = self.format.record(header);
        if header.captured > RECORD_BYTES_MAX {
            let (offset, records) = (self.offset, self.records);
            return Err(PcapError::RecordTooLong { offset, bytes: header.captured, records });
        }
        let whole = RECORD_HEADER_BYTES + header.captured as usize;
        if self.fill(whole)? < whole {
            return Err(self.truncated());
        }
        self.peeked = whole;
        let data = self.waiting().get(RECORD_HEADER_BYTES..whole).unwrap_or_default();
        let (timestamp_ns, original_bytes) = (header.timestamp_ns, header.original);
        Ok(Some(Record { timestamp_ns, original_bytes, data }))
    }

    /// Goes behind the record that [`Reader::peek`] gave.
    #[inline]
    pub fn advance(&mut self) {
        let whole = std::mem::take(&mut self.peeked);
        if whole > 0 {
            self.begin += whole;
            self.offset += whole as u64;
            self.records += 1;
        }
    }

    /// Records that were read since the file's beginning.
    pub fn records(&self) -> u64 {
        self.records
    }

    fn waiting(&self) -> &[u8] {
        self.buffer.get(self.begin..self.end).unwrap_or_default()
    }

    fn truncated(&self) -> PcapError {
        PcapError::Truncated { offset: self.offset, records: self.records }
    }

    /// Reads until `need` bytes wait, and returns how many do: fewer only at the end of the file.
    #[inline]
    fn fill(&mut self, need: usize) -> Result<usize, PcapError> {
        match self.end - self.begin {
            have if have >= need => Ok(have),
            _ => self.refill(need),
        }
    }

    #[cold]
    fn refill(&mut self, need: usize) -> Result<usize, PcapError> {
        if self.buffer.len() - self.begin < need {
            self.buffer.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.end - self.begin);
        }
        while self.end - self.begin < need {
            let offset = self.offset + (self.end - self.begin) as u64;
            let more = read(&mut self.input, &mut self.buffer[self.end..])
                .map_err(|source| PcapError::Io { offset, source })?;
            if more == 0 {
                break;
            }
            self.end += more;
        }
        Ok(self.end - self.begin)
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Goes back to the first record.
    ///
    /// # Errors
    ///
    /// [`PcapError::Io`] when the input cannot go back: a pipe.
    pub fn rewind(&mut self) -> Result<(), PcapError> {
        let start = FILE_HEADER_BYTES as u64;
        self.input
            .seek(SeekFrom::Start(start))
            .map_err(|source| PcapError::Io { offset: self.offset, source })?;
        (self.begin, self.end, self.peeked) = (0, 0, 0);
        (self.offset, self.records) = (start, 0);
        Ok(())
    }
}

/// One read that is not interrupted.
fn read(input: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // No reader may claim more than it was given room for.
            result => return result.map(|count| count.min(into.len())),
        }
    }
}
