//! A process without descriptors to spare. Alone in its file: the limit is that of the whole process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it did not expect"
)]
#![allow(unsafe_code, reason = "lowers the limit of open files")]

mod common;

use std::fs::File;
use std::time::Duration;

use common::{Backend, Lab, Script, within};

const SECOND: Duration = Duration::from_secs(1);

fn allow_open_files(most: u64) {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: the pointer leads to a limit that outlives the call.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    assert_eq!(result, 0);
}

#[test]
fn a_port_lives_through_a_lack_of_descriptors() {
    let lab = Lab::new();
    let mut port = lab.ready(",server=1", 1);
    allow_open_files(256);
    let mut held: Vec<File> = Vec::new();
    let refused = loop {
        match File::open("/dev/null") {
            Ok(file) => held.push(file),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.raw_os_error(), Some(libc::EMFILE));
    port.start().unwrap();
    held.pop();
    // The one descriptor that is free now is the peer's; the port has none to accept with.
    let backend = Backend::connect(&lab.path(), Script::default());
    within(SECOND, "connected", || backend.sessions() == 1);
    std::thread::sleep(SECOND / 2);
    assert!(!port.link().up);
    let other = lab.port(",queues=2");
    assert!(other.is_err(), "a second port needs descriptors");
    held.clear();
    within(3 * SECOND, "link up", || port.link().up);
    port.close().unwrap();
    assert_eq!(lab.in_use(), 0);
}
