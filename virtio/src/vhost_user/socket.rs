//! Whole messages over a Unix stream socket.
//!
//! [`MessageReader`] collects one message at a time and never blocks: the header first, by `recvmsg`, so that the
//! descriptors beside it are owned from the instant they arrive; then exactly as many bytes as the header says. A
//! peer that sends half a message holds nobody up. [`send`] writes one message, [`recv_deadline`] waits for one.

#![allow(
    unsafe_code,
    reason = "control messages of recvmsg are parsed in place; nix loses the descriptors of a truncated one"
)]

use std::io::IoSlice;
use std::mem::{MaybeUninit, take};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, recv, sendmsg};

use super::{FDS_MAX, HEADER_BYTES, Header, HeaderFlags, PAYLOAD_BYTES_MAX, Request, WireError};

/// How long [`send`] waits for room in the socket.
pub const SEND_WAIT: Duration = Duration::from_secs(1);

/// A whole message.
#[derive(Debug)]
pub struct Incoming {
    /// The header; its flags were checked.
    pub header: Header,
    /// The request, or its number if it is unknown.
    pub request: Result<Request, u32>,
    /// Exactly `header.size` bytes, at most [`PAYLOAD_BYTES_MAX`].
    pub payload: Vec<u8>,
    /// The descriptors that came with it, at most [`FDS_MAX`]. Dropping the message closes them.
    pub fds: Vec<OwnedFd>,
}

/// Collects one message at a time from a socket.
///
/// After an error the connection is of no use: the reader has closed what descriptors it held, and the position in
/// the byte stream is lost.
#[derive(Debug, Default)]
pub struct MessageReader {
    header: [u8; HEADER_BYTES],
    header_filled: usize,
    payload: Vec<u8>,
    payload_filled: usize,
    fds: Vec<OwnedFd>,
    started_at: Option<Instant>,
    progress_at: Option<Instant>,
}

impl MessageReader {
    /// A reader at the start of a message.
    pub fn new() -> Self {
        Self::default()
    }

    /// When the first byte of the message in progress came; `None` between messages.
    pub fn started_at(&self) -> Option<Instant> {
        self.started_at
    }

    /// When the latest byte of the message in progress came; `None` between messages.
    pub fn progress_at(&self) -> Option<Instant> {
        self.progress_at
    }

    /// Reads what is there, without blocking. `Ok(None)` means that more bytes are needed and none are there yet.
    ///
    /// # Errors
    ///
    /// Any [`WireError`] but `TimedOut`; descriptors received so far are closed then.
    pub fn read(&mut self, socket: BorrowedFd<'_>) -> Result<Option<Incoming>, WireError> {
        let result = self.advance(socket);
        if result.is_err() {
            *self = Self::default();
        }
        result
    }

    fn advance(&mut self, socket: BorrowedFd<'_>) -> Result<Option<Incoming>, WireError> {
        while self.header_filled < HEADER_BYTES {
            let Some(bytes) = self.read_header(socket)? else { return Ok(None) };
            self.header_filled += bytes;
            self.note_progress();
            if self.header_filled == HEADER_BYTES {
                self.begin_payload()?;
            }
        }
        while self.payload_filled < self.payload.len() {
            let Some(bytes) = self.read_payload(socket)? else { return Ok(None) };
            self.payload_filled += bytes;
            self.note_progress();
        }
        Ok(Some(self.finish()))
    }

    fn note_progress(&mut self) {
        let now = Instant::now();
        self.progress_at = Some(now);
        self.started_at.get_or_insert(now);
    }

    /// Checks the header and makes room for the body. The size is bounded before anything is allocated.
    fn begin_payload(&mut self) -> Result<(), WireError> {
        let header = Header::from_bytes(&self.header);
        header.flags()?;
        if header.size > PAYLOAD_BYTES_MAX {
            return Err(WireError::TooLong { size_bytes: header.size });
        }
        self.payload = vec![0; header.size as usize];
        Ok(())
    }

    fn read_header(&mut self, socket: BorrowedFd<'_>) -> Result<Option<usize>, WireError> {
        let to = self.header.get_mut(self.header_filled..).unwrap_or_default();
        transferred(recv_with_fds(socket, to, &mut self.fds))
    }

    fn read_payload(&mut self, socket: BorrowedFd<'_>) -> Result<Option<usize>, WireError> {
        let to = self.payload.get_mut(self.payload_filled..).unwrap_or_default();
        // Descriptors beside body bytes are not asked for, so the kernel closes them.
        transferred(recv(socket.as_raw_fd(), to, MsgFlags::MSG_DONTWAIT).map_err(WireError::from))
    }

    fn finish(&mut self) -> Incoming {
        let done = take(self);
        let header = Header::from_bytes(&done.header);
        Incoming {
            header,
            request: Request::try_from(header.request),
            payload: done.payload,
            fds: done.fds,
        }
    }
}

/// Sorts a transfer: bytes, nothing there yet, end of stream.
fn transferred(result: Result<usize, WireError>) -> Result<Option<usize>, WireError> {
    match result {
        Ok(0) => Err(WireError::Closed),
        Ok(bytes) => Ok(Some(bytes)),
        Err(WireError::Io(error)) if would_block(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether to try again later (an interrupted call counts: the caller's loop comes back).
fn would_block(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted)
}

/// Room for the control message of exactly [`FDS_MAX`] descriptors; the kernel closes those that do not fit.
#[repr(C)]
union ControlBuffer {
    bytes: [u8; CONTROL_BYTES],
    align: libc::cmsghdr,
}

// SAFETY: CMSG_SPACE only computes a length.
const CONTROL_BYTES: usize =
    unsafe { libc::CMSG_SPACE((FDS_MAX * size_of::<RawFd>()) as u32) } as usize;

/// One `recvmsg` without blocking; descriptors are appended to `fds`, owned and close-on-exec.
fn recv_with_fds(
    socket: BorrowedFd<'_>,
    to: &mut [u8],
    fds: &mut Vec<OwnedFd>,
) -> Result<usize, WireError> {
    let mut control = ControlBuffer { bytes: [0; CONTROL_BYTES] };
    let mut part = libc::iovec { iov_base: to.as_mut_ptr().cast(), iov_len: to.len() };
    // SAFETY: msghdr is a plain C struct for which all-zero bytes are valid.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = CONTROL_BYTES as _;
    // SAFETY: `message` names one buffer, `to`, and one control buffer with their true lengths; both outlive the call.
    let result = unsafe {
        libc::recvmsg(
            socket.as_raw_fd(),
            &raw mut message,
            libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC,
        )
    };
    let bytes = Errno::result(result)? as usize;
    collect_fds(&message, fds);
    if message.msg_flags & libc::MSG_CTRUNC != 0 || fds.len() > FDS_MAX {
        return Err(WireError::TooManyFds);
    }
    Ok(bytes)
}

/// Takes every descriptor out of the control messages that `recvmsg` has just filled in.
fn collect_fds(message: &libc::msghdr, fds: &mut Vec<OwnedFd>) {
    // SAFETY: `message` describes the control buffer as the kernel left it.
    let mut at = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !at.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR return null or a header that lies whole inside the buffer.
        let header = unsafe { at.read_unaligned() };
        if header.cmsg_level == libc::SOL_SOCKET && header.cmsg_type == libc::SCM_RIGHTS {
            // SAFETY: CMSG_LEN only computes a length.
            let overhead = unsafe { libc::CMSG_LEN(0) } as usize;
            let count = (header.cmsg_len as usize).saturating_sub(overhead) / size_of::<RawFd>();
            // SAFETY: CMSG_DATA points behind the header, at the `count` descriptors that its length announces.
            let data = unsafe { libc::CMSG_DATA(at) }.cast::<RawFd>();
            collect_rights(data, count, fds);
        }
        // SAFETY: `at` is a header inside the buffer that `message` describes.
        at = unsafe { libc::CMSG_NXTHDR(message, at) };
    }
}

/// Owns `count` descriptors that lie at `data`, inside the control buffer.
fn collect_rights(data: *const RawFd, count: usize, fds: &mut Vec<OwnedFd>) {
    for index in 0..count {
        let place = data.wrapping_add(index);
        // SAFETY: index < count, and the kernel wrote `count` descriptors there; they need not be aligned.
        let raw = unsafe { place.read_unaligned() };
        // SAFETY: the kernel has just made this descriptor for us; nobody else knows it.
        fds.push(unsafe { OwnedFd::from_raw_fd(raw) });
    }
}

/// Sends one message, waiting up to [`SEND_WAIT`] for room.
///
/// `request` is a raw number so that an unknown one can be answered.
///
/// # Errors
///
/// [`WireError::Closed`] if the peer is gone, [`WireError::TimedOut`] if it does not read, [`WireError::TooLong`] or
/// [`WireError::TooManyFds`] if the message breaks the limits, [`WireError::Io`] otherwise. After an error the
/// connection is of no use, as part of the message may have left.
pub fn send(
    socket: BorrowedFd<'_>,
    request: u32,
    flags: HeaderFlags,
    payload: &[u8],
    fds: &[BorrowedFd<'_>],
) -> Result<(), WireError> {
    send_within(socket, request, flags, payload, fds, SEND_WAIT)
}

/// As [`send`], waiting up to `wait` for room; with zero it never waits.
///
/// # Errors
///
/// As [`send`].
pub fn send_within(
    socket: BorrowedFd<'_>,
    request: u32,
    flags: HeaderFlags,
    payload: &[u8],
    fds: &[BorrowedFd<'_>],
    wait: Duration,
) -> Result<(), WireError> {
    if payload.len() > PAYLOAD_BYTES_MAX as usize {
        return Err(WireError::TooLong {
            size_bytes: u32::try_from(payload.len()).unwrap_or(u32::MAX),
        });
    }
    if fds.len() > FDS_MAX {
        return Err(WireError::TooManyFds);
    }
    let header = Header { request, flags: flags.bits(), size: payload.len() as u32 };
    let mut message = Vec::with_capacity(HEADER_BYTES + payload.len());
    message.extend_from_slice(&header.to_bytes());
    message.extend_from_slice(payload);
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    send_all(socket, &message, &raw, Instant::now() + wait)
}

/// Writes all of `message`; the descriptors go with its first byte.
fn send_all(
    socket: BorrowedFd<'_>,
    message: &[u8],
    fds: &[RawFd],
    deadline: Instant,
) -> Result<(), WireError> {
    let mut rest = message;
    let mut fds = fds;
    while !rest.is_empty() {
        let rights = [ControlMessage::ScmRights(fds)];
        let control = if fds.is_empty() { &[][..] } else { &rights[..] };
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        match sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(rest)], control, flags, None) {
            Ok(sent) => {
                rest = rest.get(sent..).unwrap_or_default();
                fds = &[];
            }
            Err(Errno::EAGAIN) => wait_for(socket, PollFlags::POLLOUT, deadline)?,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Waits for a whole message until `deadline`. What was read of an unfinished one stays in `reader`.
///
/// # Errors
///
/// [`WireError::TimedOut`] when the deadline passes, else as [`MessageReader::read`].
pub fn recv_deadline(
    socket: BorrowedFd<'_>,
    reader: &mut MessageReader,
    deadline: Instant,
) -> Result<Incoming, WireError> {
    loop {
        if let Some(message) = reader.read(socket)? {
            return Ok(message);
        }
        wait_for(socket, PollFlags::POLLIN, deadline)?;
    }
}

/// Polls for `events` until the deadline; a hang-up counts as an event, the next call will report it.
fn wait_for(socket: BorrowedFd<'_>, events: PollFlags, deadline: Instant) -> Result<(), WireError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(WireError::TimedOut);
    }
    // Rounded up, so that the last fraction of a millisecond does not spin.
    let millis = i32::try_from(left.as_millis()).unwrap_or(i32::MAX - 1) + 1;
    let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(socket, events)], timeout) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
