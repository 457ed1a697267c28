use super::*;
use proptest::prelude::*;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// A descriptor to send, and a way to see when the last copy of it is closed.
struct Tracked {
    sent: Option<OwnedFd>,
    watch: UnixStream,
}

impl Tracked {
    fn new() -> Self {
        let (sent, watch) = UnixStream::pair().unwrap();
        watch.set_nonblocking(true).unwrap();
        Self { sent: Some(sent.into()), watch }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.sent.as_ref().unwrap().as_fd()
    }

    fn drop_own(&mut self) {
        self.sent = None;
    }

    fn is_closed_everywhere(&mut self) -> bool {
        matches!(self.watch.read(&mut [0]), Ok(0))
    }
}

fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().unwrap()
}

/// Sends raw bytes with descriptors, with no check at all.
fn send_raw(socket: &UnixStream, bytes: &[u8], fds: &[RawFd]) {
    let rights = [ControlMessage::ScmRights(fds)];
    let control = if fds.is_empty() { &[][..] } else { &rights[..] };
    let sent =
        sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(bytes)], control, MsgFlags::empty(), None)
            .unwrap();
    assert_eq!(sent, bytes.len());
}

fn header(request: u32, flags: u32, size: u32) -> [u8; HEADER_BYTES] {
    Header { request, flags, size }.to_bytes()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

#[test]
fn a_message_with_descriptors_arrives_whole() {
    let (front, back) = pair();
    let mut tracked = [Tracked::new(), Tracked::new()];
    let fds: Vec<_> = tracked.iter().map(Tracked::fd).collect();
    send(front.as_fd(), 5, HeaderFlags::REQUEST_NEED_REPLY, &[7; 72], &fds).unwrap();
    tracked.iter_mut().for_each(Tracked::drop_own);

    let message = recv_deadline(back.as_fd(), &mut MessageReader::new(), soon()).unwrap();
    assert_eq!(message.request, Ok(Request::SetMemTable));
    assert!(message.header.needs_reply());
    assert_eq!(message.payload, [7; 72]);
    assert_eq!(message.fds.len(), 2);
    for fd in &message.fds {
        let flags = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFD).unwrap();
        assert_ne!(flags & libc::FD_CLOEXEC, 0, "received descriptors must not leak into children");
    }
    assert!(!tracked[0].is_closed_everywhere());
    drop(message);
    assert!(tracked.iter_mut().all(Tracked::is_closed_everywhere));
}

#[test]
fn byte_by_byte_is_the_same_message() {
    let (mut front, back) = pair();
    let mut reader = MessageReader::new();
    let mut bytes = header(8, 1, 8).to_vec();
    bytes.extend_from_slice(&[1, 0, 0, 0, 0, 1, 0, 0]);
    let (last, before) = bytes.split_last().unwrap();
    assert!(reader.started_at().is_none());
    for byte in before {
        front.write_all(&[*byte]).unwrap();
        assert!(reader.read(back.as_fd()).unwrap().is_none());
        assert!(reader.started_at().is_some());
    }
    assert!(reader.progress_at() >= reader.started_at());
    front.write_all(&[*last]).unwrap();
    let message = reader.read(back.as_fd()).unwrap().unwrap();
    assert_eq!(message.payload, [1, 0, 0, 0, 0, 1, 0, 0]);
    assert!(reader.started_at().is_none(), "the next message has not begun");
}

#[test]
fn two_messages_in_one_write_are_two_messages() {
    let (mut front, back) = pair();
    let mut reader = MessageReader::new();
    let bytes = [header(1, 1, 0), header(3, 9, 0)].concat();
    front.write_all(&bytes).unwrap();
    assert_eq!(reader.read(back.as_fd()).unwrap().unwrap().request, Ok(Request::GetFeatures));
    assert_eq!(reader.read(back.as_fd()).unwrap().unwrap().request, Ok(Request::SetOwner));
    assert!(reader.read(back.as_fd()).unwrap().is_none());
}

#[test]
fn unknown_requests_keep_their_number() {
    let (mut front, back) = pair();
    front.write_all(&header(200, 9, 0)).unwrap();
    assert_eq!(MessageReader::new().read(back.as_fd()).unwrap().unwrap().request, Err(200));
}

/// Sends bytes with `fds` tracked descriptors and expects an error that leaves none of them open.
fn refused(bytes: &[u8], fds: usize, hang_up: bool) -> WireError {
    let (front, back) = pair();
    let mut tracked: Vec<_> = (0..fds).map(|_| Tracked::new()).collect();
    let raw: Vec<_> = tracked.iter().map(|one| one.fd().as_raw_fd()).collect();
    send_raw(&front, bytes, &raw);
    tracked.iter_mut().for_each(Tracked::drop_own);
    if hang_up {
        drop(front);
    }
    let mut reader = MessageReader::new();
    let error = reader.read(back.as_fd()).unwrap_err();
    assert!(
        tracked.iter_mut().all(Tracked::is_closed_everywhere),
        "{error}: a descriptor stayed open"
    );
    error
}

#[test]
fn every_error_closes_every_descriptor() {
    assert!(matches!(
        refused(&header(5, 1, PAYLOAD_BYTES_MAX + 1), 8, false),
        WireError::TooLong { size_bytes: 4097 }
    ));
    assert!(matches!(refused(&header(5, 1, u32::MAX), 3, false), WireError::TooLong { .. }));
    for flags in [0, 2, 3, 0x11, 0x8000_0001] {
        assert!(matches!(refused(&header(5, flags, 8), 3, false), WireError::BadFlags { .. }));
    }
    for fds in [9, 32, 253] {
        assert!(
            matches!(refused(&header(5, 1, 8), fds, false), WireError::TooManyFds),
            "{fds} descriptors"
        );
    }
    assert!(matches!(refused(&header(5, 1, 8), 8, true), WireError::Closed));
    assert!(matches!(refused(&header(5, 1, 8)[..3], 8, true), WireError::Closed));
}

#[test]
fn descriptors_beside_later_header_bytes_count_too() {
    let (front, back) = pair();
    let mut tracked: Vec<_> = (0..9).map(|_| Tracked::new()).collect();
    let raw: Vec<_> = tracked.iter().map(|one| one.fd().as_raw_fd()).collect();
    let bytes = header(5, 1, 8);
    send_raw(&front, &bytes[..4], &raw[..5]);
    send_raw(&front, &bytes[4..], &raw[5..]);
    tracked.iter_mut().for_each(Tracked::drop_own);
    let mut reader = MessageReader::new();
    assert!(matches!(reader.read(back.as_fd()), Err(WireError::TooManyFds)));
    assert!(tracked.iter_mut().all(Tracked::is_closed_everywhere));
}

#[test]
fn descriptors_beside_the_body_are_closed() {
    let (front, back) = pair();
    let mut tracked = Tracked::new();
    send_raw(&front, &header(2, 1, 8), &[]);
    send_raw(&front, &[0; 8], &[tracked.fd().as_raw_fd()]);
    tracked.drop_own();
    let message = MessageReader::new().read(back.as_fd()).unwrap().unwrap();
    assert!(message.fds.is_empty());
    assert!(tracked.is_closed_everywhere());
}

#[test]
fn a_silent_peer_times_out_and_what_it_sent_is_kept() {
    let (mut front, back) = pair();
    let mut reader = MessageReader::new();
    front.write_all(&header(1, 1, 0)[..5]).unwrap();
    let deadline = Instant::now() + Duration::from_millis(20);
    assert!(matches!(recv_deadline(back.as_fd(), &mut reader, deadline), Err(WireError::TimedOut)));
    front.write_all(&header(1, 1, 0)[5..]).unwrap();
    assert!(recv_deadline(back.as_fd(), &mut reader, soon()).is_ok());
}

#[test]
fn a_peer_that_does_not_read_does_not_hold_the_sender() {
    let (front, _back) = pair();
    let full = (0..100_000).find_map(|_| {
        send_within(front.as_fd(), 1, HeaderFlags::ANSWER, &[0; 4096], &[], Duration::ZERO).err()
    });
    assert!(matches!(full, Some(WireError::TimedOut)));
}

#[test]
fn a_peer_that_reads_slowly_gets_everything() {
    let (front, back) = pair();
    let reading = std::thread::spawn(move || {
        let mut reader = MessageReader::new();
        (0..500)
            .all(|_| recv_deadline(back.as_fd(), &mut reader, soon()).unwrap().payload == [3; 4096])
    });
    for _ in 0..500 {
        send_within(
            front.as_fd(),
            1,
            HeaderFlags::REQUEST,
            &[3; 4096],
            &[],
            Duration::from_secs(5),
        )
        .unwrap();
    }
    assert!(reading.join().unwrap());
}

#[test]
fn sending_to_a_closed_socket_is_closed_not_a_signal() {
    let (front, back) = pair();
    drop(back);
    assert!(matches!(
        send(front.as_fd(), 1, HeaderFlags::REQUEST, &[], &[]),
        Err(WireError::Closed)
    ));
}

#[test]
fn limits_hold_for_sending() {
    let (front, _back) = pair();
    assert!(matches!(
        send(front.as_fd(), 1, HeaderFlags::REQUEST, &[0; 4097], &[]),
        Err(WireError::TooLong { .. })
    ));
    let fds = [front.as_fd(); 9];
    assert!(matches!(
        send(front.as_fd(), 1, HeaderFlags::REQUEST, &[], &fds),
        Err(WireError::TooManyFds)
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 1..600),
        // Half of the cases begin with a plausible header, or nearly all would end at the flags.
        plausible in any::<bool>(),
        request in 0..50_u32,
        size in 0..64_u32,
        fds in 0..10_usize,
    ) {
        let (front, back) = pair();
        let mut tracked: Vec<_> = (0..fds).map(|_| Tracked::new()).collect();
        let raw: Vec<_> = tracked.iter().map(|one| one.fd().as_raw_fd()).collect();
        let bytes = if plausible { [&header(request, 1, size)[..], &bytes].concat() } else { bytes };
        send_raw(&front, &bytes, &raw);
        tracked.iter_mut().for_each(Tracked::drop_own);
        drop(front);
        let mut reader = MessageReader::new();
        let mut messages = 0;
        while let Ok(Some(message)) = reader.read(back.as_fd()) {
            prop_assert_eq!(message.payload.len(), message.header.size as usize);
            prop_assert!(message.fds.len() <= FDS_MAX);
            messages += 1;
        }
        prop_assert!(messages <= bytes.len() / HEADER_BYTES);
        prop_assert!(tracked.iter_mut().all(Tracked::is_closed_everywhere));
    }
}
