//! The messages between a primary and its secondaries.

#![allow(unsafe_code, reason = "takes ownership of descriptors that the kernel hands over")]

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, UnixAddr, recvmsg, sendmsg};

const HELLO: u64 = u64::from_le_bytes(*b"pmdhello");
const WELCOME: u64 = u64::from_le_bytes(*b"pmdwelco");
const BYE: u64 = u64::from_le_bytes(*b"pmdbye\0\0");

/// Longest message in words.
const WORDS: usize = 10;

/// A message with the descriptors that came along.
pub(super) struct Received {
    words: Vec<u64>,
    pub fds: Vec<OwnedFd>,
}

/// What a secondary asks with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Hello {
    pub layout: u64,
    pub build: u64,
}

/// What a primary answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Welcome {
    /// 0 for yes.
    pub refusal: u64,
    pub owner: u64,
    pub private_len: u64,
    pub data_len: u64,
    pub private_page: u64,
    pub data_page: u64,
    pub layout: u64,
    pub build: u64,
}

/// [`Welcome::refusal`]: another layout or build.
pub(super) const OTHER_BUILD: u64 = 1;
/// [`Welcome::refusal`]: all slots are taken.
pub(super) const TABLE_FULL: u64 = 2;
/// [`Welcome::refusal`]: the primary cannot watch the process.
pub(super) const NOT_WATCHED: u64 = 3;
/// [`Welcome::refusal`]: the primary has no memory to share.
pub(super) const NO_MEMORY: u64 = 4;

impl Hello {
    pub fn words(self) -> [u64; 3] {
        [HELLO, self.layout, self.build]
    }
}

impl Welcome {
    pub fn words(self) -> [u64; 9] {
        [
            WELCOME,
            self.refusal,
            self.owner,
            self.private_len,
            self.data_len,
            self.private_page,
            self.data_page,
            self.layout,
            self.build,
        ]
    }
}

/// Says that a secondary leaves in order.
pub(super) fn bye() -> [u64; 1] {
    [BYE]
}

impl Received {
    pub fn hello(&self) -> Option<Hello> {
        match *self.words.as_slice() {
            [HELLO, layout, build] => Some(Hello { layout, build }),
            _ => None,
        }
    }

    pub fn welcome(&self) -> Option<Welcome> {
        match *self.words.as_slice() {
            [
                WELCOME,
                refusal,
                owner,
                private_len,
                data_len,
                private_page,
                data_page,
                layout,
                build,
            ] => Some(Welcome {
                refusal,
                owner,
                private_len,
                data_len,
                private_page,
                data_page,
                layout,
                build,
            }),
            _ => None,
        }
    }

    pub fn is_bye(&self) -> bool {
        self.words == [BYE]
    }

    /// Whether the other side has closed the connection.
    pub fn is_end(&self) -> bool {
        self.words.is_empty()
    }
}

/// Sends a message with descriptors; an error when it does not fit into the socket whole.
pub(super) fn send(stream: &UnixStream, words: &[u64], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
    let parts = [IoSlice::new(&bytes)];
    let sent =
        sendmsg::<UnixAddr>(stream.as_raw_fd(), &parts, control, MsgFlags::MSG_NOSIGNAL, None)?;
    if sent == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Receives a message. Bytes that are no whole words, and words beyond the longest message, are an error.
pub(super) fn receive(stream: &UnixStream) -> io::Result<Received> {
    let mut bytes = [0; WORDS * 8];
    let mut space = nix::cmsg_space!([RawFd; 4]);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<UnixAddr>(stream.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    let (len, cut) = (message.bytes, message.flags.contains(MsgFlags::MSG_CTRUNC));
    let mut fds = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = control {
            // SAFETY: the kernel has just made these descriptors for this process, and they are taken
            // out of the message once.
            fds.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    if len % 8 != 0 || len == bytes.len() || cut {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let (words, _) = bytes[..len].as_chunks::<8>();
    Ok(Received { words: words.iter().map(|word| u64::from_le_bytes(*word)).collect(), fds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    #[test]
    fn messages_arrive_as_they_were_sent() {
        let (one, two) = UnixStream::pair().unwrap();
        let hello = Hello { layout: 3, build: u64::MAX };
        send(&one, &hello.words(), &[]).unwrap();
        assert_eq!(receive(&two).unwrap().hello(), Some(hello));
        let welcome = Welcome { owner: 0x101, data_len: 1 << 36, ..Welcome::default() };
        let (mut reader, writer) = io::pipe().unwrap();
        send(&one, &welcome.words(), &[writer.as_fd()]).unwrap();
        drop(writer);
        let received = receive(&two).unwrap();
        assert_eq!((received.welcome(), received.hello()), (Some(welcome), None));
        let [fd] = <[OwnedFd; 1]>::try_from(received.fds).unwrap();
        io::PipeWriter::from(fd).write_all(b"through").unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
    }

    #[test]
    fn the_end_and_nonsense_are_told_apart() {
        let (mut one, two) = UnixStream::pair().unwrap();
        one.write_all(b"odd").unwrap();
        assert!(receive(&two).is_err());
        one.write_all(&[0; 400]).unwrap();
        assert!(receive(&two).is_err());
        let (one, two) = UnixStream::pair().unwrap();
        send(&one, &bye(), &[]).unwrap();
        drop(one);
        assert!(receive(&two).unwrap().is_bye());
        assert!(receive(&two).unwrap().is_end());
    }
}
