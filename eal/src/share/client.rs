//! A secondary's side.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::config::EalConfig;
use crate::error::Error;
use crate::mem::header::{LAYOUT_VERSION, build_id};
use crate::mem::{Invitation, Memory};
use crate::process::{MAX_PROCESSES, OwnerId};
use crate::runtime::{MemberMark, check_dirs, directory, socket_path};

use super::wire::{self, Hello, Welcome};

/// How long the primary may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// What makes this process a member; dropping it says goodbye.
struct Membership {
    stream: UnixStream,
    _mark: MemberMark,
}

impl Drop for Membership {
    fn drop(&mut self) {
        let _ = wire::send(&self.stream, &wire::bye(), &[]);
    }
}

/// Joins the primary of a file prefix and maps its memory.
pub(crate) fn join(config: &EalConfig, prefix: &str) -> Result<Memory, Error> {
    let dir = directory(config, prefix);
    check_dirs(config, &dir)?;
    let no_primary = |source| Error::NoPrimary { dir: dir.clone(), source };
    let stream = connect(&dir).map_err(no_primary)?;
    let membership = Membership { stream, _mark: MemberMark::leave_in(&dir)? };
    let (welcome, fds) = ask(&membership.stream).map_err(no_primary)?;
    check(&welcome)?;
    let invitation = invitation(&welcome, fds).ok_or_else(|| {
        no_primary(io::Error::new(io::ErrorKind::InvalidData, "the answer makes no sense"))
    })?;
    Memory::join(invitation, Box::new(membership))
}

fn connect(dir: &Path) -> io::Result<UnixStream> {
    let (_keep, path) = socket_path(dir)?;
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.set_write_timeout(Some(ANSWER_LIMIT))?;
    Ok(stream)
}

fn ask(stream: &UnixStream) -> io::Result<(Welcome, Vec<OwnedFd>)> {
    let hello = Hello { layout: LAYOUT_VERSION, build: build_id() };
    wire::send(stream, &hello.words(), &[])?;
    let received = wire::receive(stream)?;
    let unclear = || io::Error::new(io::ErrorKind::InvalidData, "the answer makes no sense");
    let welcome = received.welcome().ok_or_else(unclear)?;
    Ok((welcome, received.fds))
}

fn check(welcome: &Welcome) -> Result<(), Error> {
    let ours = format!("layout {LAYOUT_VERSION} of build {:#x}", build_id());
    let primary = format!("layout {} of build {:#x}", welcome.layout, welcome.build);
    match welcome.refusal {
        0 => Ok(()),
        wire::OTHER_BUILD => Err(Error::Mismatch { what: "the program", primary, ours }),
        wire::TABLE_FULL => Err(Error::TableFull { table: "processes", limit: MAX_PROCESSES }),
        wire::NOT_WATCHED => Err(Error::Configuration(
            "the primary cannot watch this process (no pidfd): run both in one pid namespace"
                .into(),
        )),
        wire::NO_MEMORY => {
            Err(Error::Configuration("the primary has no memory to share; its log says why".into()))
        }
        other => Err(Error::Configuration(format!("the primary refuses, reason {other}"))),
    }
}

fn invitation(welcome: &Welcome, fds: Vec<OwnedFd>) -> Option<Invitation> {
    let [private, data] = <[OwnedFd; 2]>::try_from(fds).ok()?;
    let pages = [welcome.private_page, welcome.data_page];
    let sane = pages.iter().all(|page| page.is_power_of_two());
    let owner = OwnerId::from_raw(u32::try_from(welcome.owner).ok()?)?;
    let files = [(private, welcome.private_page), (data, welcome.data_page)];
    let (private_len, data_len) = (welcome.private_len, welcome.data_len);
    sane.then_some(Invitation { owner, private_len, data_len, files })
}
