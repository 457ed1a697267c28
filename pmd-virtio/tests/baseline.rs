//! Descriptors and threads after ports have come and gone. Alone in its file: it counts those of the whole process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it did not expect"
)]

mod common;

use std::time::Duration;

use common::{Backend, Lab, Script, open_fds, within};

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
fn nothing_is_left_of_ports_in_either_role() {
    let lab = Lab::new();
    let baseline = (open_fds(), threads());
    for round in 0..20 {
        let server = round % 2 == 1;
        let mut port = lab.ready(&format!(",queues=2,server={}", u8::from(server)), 2);
        let backend = match server {
            false => Backend::listen(&lab.path(), Script::default()),
            true => Backend::connect(&lab.path(), Script::default()),
        };
        port.start().unwrap();
        within(Duration::from_secs(10), "link up", || port.link().up);
        if round % 4 < 2 {
            backend.hang_up();
            within(Duration::from_secs(10), "link down", || !port.link().up);
        }
        port.close().unwrap();
        drop((port, backend));
        assert_eq!((open_fds(), threads()), baseline, "round {round}");
        assert!(!lab.path().exists());
        assert_eq!(lab.in_use(), 0);
    }
    assert!(lab.port(",server=1,bogus=1").is_err());
    assert!(lab.port(",server=1,queues=0").is_err());
    assert!(!lab.path().exists(), "a port that was refused leaves nothing");
    assert_eq!((open_fds(), threads()), baseline);
}
