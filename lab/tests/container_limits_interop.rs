//! What DPDK's users are told that virtio-user cannot do in a container, done: memory in huge pages whose files lost their names
//! (`--huge-unlink`), more pages than the eight regions of the protocol, files of any name. Each passes packets
//! through a vhost port in another process, ours and DPDK's. (Without root and huge pages: `container_interop`.)

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use eal::{EalConfig, HugePolicy, HugeUnlink};
use lab::Result;
use lab::dpdk::{self, Testpmd};
use lab::dts::mounts;
use lab::echo::Echo;
use lab::endpoint::{Endpoint, Settings, vhost_args, virtio_args};
use lab::process::{PATIENCE, Process};

const QUEUES: u16 = 2;
/// Packets on each queue: the rings are gone round many times.
const PACKETS: u64 = 20_000;

/// A virtio-user port over files in `huge`. The 2,048 buffers that it posts alone fill 16 pages of 2 MiB.
fn settings(folder: &Path, prefix: &str, huge_unlink: HugeUnlink) -> Settings {
    let device = virtio_args(&folder.join("vhost-net"), QUEUES, false, true);
    let mut settings = Settings::new(format!("{device},queue_size=1024"), QUEUES);
    (settings.mbufs, settings.mbuf_bytes) = (4096, 16_384);
    settings.eal = EalConfig {
        huge: HugePolicy::Dir(folder.join("huge")),
        huge_unlink,
        file_prefix: Some(prefix.into()),
        runtime_dir: Some(folder.join("run")),
        ..EalConfig::default()
    };
    settings
}

fn names(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder.join("huge")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Sends packets to the port behind the socket and finds each again; `look` is called while they are on their way.
fn pass(settings: &Settings, look: impl Fn()) -> Result<()> {
    let mut endpoint = Endpoint::start(settings)?;
    endpoint.wait_link(true, PATIENCE)?;
    let mut echo = Echo::new(endpoint.queues(), 1518);
    echo.run(endpoint.lanes(), PACKETS)?;
    look();
    for queue in 0..endpoint.queues() {
        assert_eq!((echo.checker(queue).seen(), echo.checker(queue).missing()), (PACKETS, 0));
    }
    endpoint.finish()?;
    Ok(())
}

/// Passes packets through our vhost port, then through DPDK's where there is one.
fn through_both(folder: &Path, settings: &Settings, look: impl Fn()) -> Result<()> {
    let vhost = vhost_args(&folder.join("vhost-net"), QUEUES, false);
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab-peer"));
    let mut ours =
        Process::start("lab-peer", command.args(["forward", &vhost, &QUEUES.to_string()]))?;
    ours.wait_for("ready")?;
    pass(settings, &look)?;
    ours.finish(PATIENCE)?;
    if let Some(reason) = dpdk::missing() {
        println!("SKIP {vhost} of DPDK: {reason}");
        return Ok(());
    }
    let mut theirs = Testpmd::start(&vhost, QUEUES)?;
    theirs.forward()?;
    pass(settings, &look)?;
    theirs.quit()
}

/// A folder with a mount of huge pages and a place for the socket, or a `SKIP` line.
fn place(test: &str) -> Option<(mounts::Own, tempfile::TempDir)> {
    let own = mounts::or_skip(test)?;
    let folder = tempfile::tempdir().unwrap();
    mounts::mount(&folder.path().join("huge"), None).unwrap();
    std::fs::create_dir(folder.path().join("run")).unwrap();
    Some((own, folder))
}

#[test]
fn many_pages_of_files_without_names() {
    let Some((_own, folder)) = place("many_pages_of_files_without_names") else { return };
    let folder = folder.path();
    let settings = settings(folder, "limits-unlinked", HugeUnlink::Always);
    let look = || assert!(names(folder).is_empty(), "while packets pass: {:?}", names(folder));
    through_both(folder, &settings, look).unwrap();
}

#[test]
fn many_pages_of_files_with_odd_names() {
    let Some((_own, folder)) = place("many_pages_of_files_with_odd_names") else { return };
    let folder = folder.path();
    // Names by which programs that find memory by its name would take these for it.
    let other = folder.join("huge/rtemap_0");
    std::fs::write(&other, "").unwrap();
    let settings = settings(folder, "odd map_0 .", HugeUnlink::Existing);
    let look = || assert!(names(folder).len() > 1, "{:?}", names(folder));
    through_both(folder, &settings, look).unwrap();
    assert_eq!(names(folder), [other], "what is not ours stays, what is ours goes");
}
