//! Several processes on one memory: joining, leaving, dying.
//!
//! A test that needs another process starts its own executable again with a role in the environment; the
//! same test function then plays that role.

#![allow(unsafe_code, reason = "looks at shared memory")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, helpers included"
)]

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use eal::mempool::{Mempool, PoolConfig};
use eal::{Eal, EalConfig, Error, Extent, FenceMode, FileKind, HugePolicy, OwnerId, ProcessType};

const ROLE: &str = "PMD_TEST_ROLE";
const DIR: &str = "PMD_TEST_DIR";
const LONG: Duration = Duration::from_secs(20);

fn config(dir: &Path) -> EalConfig {
    EalConfig {
        file_prefix: Some("test".into()),
        runtime_dir: Some(dir.into()),
        huge: HugePolicy::Never,
        ..EalConfig::default()
    }
}

/// Another process that plays `role` in the test `test`, and what it says.
struct Other {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Other {
    fn start(test: &str, role: &str, dir: &Path) -> Self {
        Self::start_with(&[], test, role, dir)
    }

    /// The same, started by the words before it.
    fn start_with(by: &[&str], test: &str, role: &str, dir: &Path) -> Self {
        let exe = std::env::current_exe().unwrap();
        let mut command = match by {
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(&exe);
                command
            }
            [] => Command::new(&exe),
        };
        command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
        command.env(ROLE, role).env(DIR, dir).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The rest of the next line that starts with `word`.
    fn expect(&mut self, word: &str) -> String {
        let tag = format!("@{word} ");
        let mut seen = Vec::new();
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            // The test harness may have written the start of the line.
            match line.split_once(&tag) {
                Some((_, rest)) => return rest.to_string(),
                None => seen.push(line),
            }
        }
        panic!("the other process ended before '{word}'; it said {seen:#?}")
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Closes its input, at which it ends by itself.
    fn finish(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

/// In a started process: the directory and the role.
fn role() -> Option<(std::path::PathBuf, String)> {
    Some((std::env::var_os(DIR)?.into(), std::env::var(ROLE).ok()?))
}

fn say(word: &str, text: impl std::fmt::Display) {
    println!("@{word} {text}");
}

/// Waits until the starter closes our input.
fn until_told() {
    let _ = std::io::stdin().lines().count();
}

fn read(eal: &Eal, extent: &Extent) -> u64 {
    // SAFETY: the extent is mapped and aligned to 64 bytes.
    unsafe { eal.memory().pointer(extent).cast::<u64>().read_volatile() }
}

fn write(eal: &Eal, extent: &Extent, value: u64) {
    // SAFETY: the extent is mapped and aligned to 64 bytes.
    unsafe { eal.memory().pointer(extent).cast::<u64>().write_volatile(value) };
}

fn zone(eal: &Eal, name: &str) -> Extent {
    eal.memory().zone_lookup(name).unwrap()
}

#[test]
fn a_secondary_sees_the_same_zones_at_another_address() {
    const NAME: &str = "a_secondary_sees_the_same_zones_at_another_address";
    if let Some((dir, _)) = role() {
        let eal = Eal::attach(config(&dir)).unwrap();
        let memory = eal.memory();
        say("owner", memory.owner().raw());
        say("base", memory.private_base().as_ptr().addr());
        let (private, data) = (zone(&eal, "private"), zone(&eal, "data"));
        say("read", format!("{} {}", read(&eal, &private), read(&eal, &data)));
        write(&eal, &data, 1234);
        assert!(matches!(memory.alloc(FileKind::Data, 64, 64), Err(Error::PrimaryOnly)));
        say("wrote", "");
        return until_told();
    }
    let dir = tempfile::tempdir().unwrap();
    let eal = Eal::new(config(dir.path())).unwrap();
    let private = eal.memory().zone_create("private", FileKind::Private, 64, 64).unwrap();
    let data = eal.memory().zone_create("data", FileKind::Data, 64, 64).unwrap();
    write(&eal, &private, 77);
    write(&eal, &data, 78);
    let mut other = Other::start(NAME, "secondary", dir.path());
    let owner: u32 = other.expect("owner").parse().unwrap();
    assert_ne!(other.expect("base"), eal.memory().private_base().as_ptr().addr().to_string());
    assert_eq!(other.expect("read"), "77 78");
    other.expect("wrote");
    assert_eq!(read(&eal, &data), 1234);
    assert_ne!(owner, eal.memory().owner().raw());
    assert!(eal.members().contains(&OwnerId::from_raw(owner).unwrap()));
    other.finish();
}

#[test]
fn memory_that_grows_later_is_seen_by_those_who_joined_before() {
    const NAME: &str = "memory_that_grows_later_is_seen_by_those_who_joined_before";
    if let Some((dir, _)) = role() {
        let eal = Eal::attach(config(&dir)).unwrap();
        say("joined", eal.memory().data_committed());
        until_told();
        let late = zone(&eal, "late");
        assert_eq!(read(&eal, &late), 99);
        assert_eq!(read(&eal, &zone(&eal, "late private")), 98);
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let eal = Eal::new(config(dir.path())).unwrap();
    let mut other = Other::start(NAME, "secondary", dir.path());
    let committed: u64 = other.expect("joined").parse().unwrap();
    eal.memory().zone_create("filler", FileKind::Data, committed + (64 << 20), 64).unwrap();
    let late = eal.memory().zone_create("late", FileKind::Data, 64, 64).unwrap();
    assert!(late.offset > committed);
    write(&eal, &late, 99);
    eal.memory().zone_create("private filler", FileKind::Private, 64 << 20, 64).unwrap();
    let late = eal.memory().zone_create("late private", FileKind::Private, 64, 64).unwrap();
    write(&eal, &late, 98);
    other.finish();
}

#[test]
fn a_killed_secondary_is_reaped_and_its_slot_gets_a_new_generation() {
    const NAME: &str = "a_killed_secondary_is_reaped_and_its_slot_gets_a_new_generation";
    if let Some((dir, _)) = role() {
        let eal = Eal::attach(config(&dir)).unwrap();
        say("owner", eal.memory().owner().raw());
        return until_told();
    }
    let dir = tempfile::tempdir().unwrap();
    let eal = Eal::new(config(dir.path())).unwrap();
    let (send, receive) = channel();
    eal.on_process_death(Box::new(move |owner| send.send((owner, Instant::now())).unwrap()));
    let mut last = None;
    for _ in 0..3 {
        let mut other = Other::start(NAME, "secondary", dir.path());
        let owner = OwnerId::from_raw(other.expect("owner").parse().unwrap()).unwrap();
        assert_eq!(eal.pid_of(owner), Some(other.child.id()));
        assert!(!eal.reap(owner), "it lives");
        let killed = Instant::now();
        other.kill();
        let (dead, when) = receive.recv_timeout(LONG).unwrap();
        assert_eq!(dead, owner);
        assert!(when - killed < Duration::from_millis(500), "{:?}", when - killed);
        if let Some(last) = last.replace(owner) {
            assert_eq!((owner.slot(), owner.generation()), (last.slot(), last.generation() + 1));
        }
    }
    wait_for(|| eal.members() == [eal.memory().owner()]);
}

#[test]
fn processes_killed_at_any_instant_of_joining_leave_nothing() {
    const NAME: &str = "processes_killed_at_any_instant_of_joining_leave_nothing";
    if let Some((dir, _)) = role() {
        say("up", "");
        loop {
            drop(Eal::attach(config(&dir)).unwrap());
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let eal = Eal::new(config(dir.path())).unwrap();
    let mut seed = u64::from(std::process::id());
    println!("seed {seed}");
    for _ in 0..40 {
        let mut other = Other::start(NAME, "joiner", dir.path());
        other.expect("up");
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_micros((seed >> 33) % 3000));
        other.kill();
    }
    wait_for(|| eal.members() == [eal.memory().owner()]);
    let second = Eal::attach(config(dir.path())).unwrap();
    assert_eq!(eal.members().len(), 2);
    drop(second);
    drop(eal);
    Eal::new(config(dir.path())).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn leaving_in_order_frees_the_slot_too() {
    let dir = tempfile::tempdir().unwrap();
    let eal = Eal::new(config(dir.path())).unwrap();
    let (send, receive) = channel();
    eal.on_process_death(Box::new(move |owner| send.send(owner).unwrap()));
    let data = eal.memory().zone_create("data", FileKind::Data, 64, 64).unwrap();
    let second = Eal::new(EalConfig { process: ProcessType::Auto, ..config(dir.path()) }).unwrap();
    assert!(!second.memory().is_primary());
    write(&second, &zone(&second, "data"), 5);
    assert_eq!(read(&eal, &data), 5);
    let owner = second.memory().owner();
    drop(second);
    assert_eq!(receive.recv_timeout(LONG), Ok(owner));
    wait_for(|| eal.members().len() == 1);
}

#[test]
fn a_process_that_leaves_a_pool_and_joins_again_starts_with_nothing_of_its_own() {
    const NAME: &str =
        "a_process_that_leaves_a_pool_and_joins_again_starts_with_nothing_of_its_own";
    if let Some((dir, _)) = role() {
        let mut last = None;
        let mut repeated = 0;
        for _ in 0..20 {
            let eal = Eal::attach(config(&dir)).unwrap();
            let pool = Mempool::attach(eal.memory(), "packets").unwrap();
            pool.take_each(3, |record| {
                // SAFETY: the record was taken just now.
                let stamp = unsafe { &(*record.as_ptr()).head.owner }.load(Ordering::Relaxed);
                assert_eq!(stamp, eal.memory().owner().raw());
                // SAFETY: the record was taken just now and is not used any more.
                unsafe { pool.give_bulk(&[record]) };
            });
            let base = eal.memory().private_base();
            repeated += u32::from(last.replace(base) == Some(base));
        }
        say("repeated", repeated);
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let eal = Eal::new(config(dir.path())).unwrap();
    let pool_config = PoolConfig { size: 256, buf_len: 256, cache: 64 };
    let pool = Mempool::create(eal.memory(), "packets", &pool_config).unwrap();
    let swept = pool.clone();
    eal.on_process_death(Box::new(move |owner| _ = swept.sweep(owner, &|_| false)));
    let mut other = Other::start(NAME, "secondary", dir.path());
    let repeated: u32 = other.expect("repeated").parse().unwrap();
    assert!(repeated > 0, "every mapping was at another address, so nothing was tried");
    other.finish();
    wait_for(|| eal.members().len() == 1);
    let audit = pool.audit();
    assert!(audit.is_exact() && audit.in_use == 0, "{audit}");
}

#[test]
fn a_second_primary_is_refused_and_a_dead_one_replaced() {
    const NAME: &str = "a_second_primary_is_refused_and_a_dead_one_replaced";
    if let Some((dir, _)) = role() {
        let _eal = Eal::new(config(&dir)).unwrap();
        say("up", "");
        return until_told();
    }
    let dir = tempfile::tempdir().unwrap();
    let mut other = Other::start(NAME, "primary", dir.path());
    other.expect("up");
    let error = Eal::new(config(dir.path())).unwrap_err();
    let lock = dir.path().join("test/config");
    let (lock, pid) = (lock.display(), other.child.id());
    let text = format!(
        "Cannot create lock on '{lock}'. Is another primary process running? \
         Process {pid} holds it; end it or choose another --file-prefix"
    );
    assert_eq!(error.to_string(), text);
    other.kill();
    let eal = Eal::new(config(dir.path())).unwrap();
    drop(eal);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn secondaries_outlive_their_primary_and_keep_the_next_one_out() {
    const NAME: &str = "secondaries_outlive_their_primary_and_keep_the_next_one_out";
    if let Some((dir, role)) = role() {
        let eal = match role.as_str() {
            "primary" => Eal::new(config(&dir)).unwrap(),
            _ => Eal::attach(config(&dir)).unwrap(),
        };
        if role == "primary" {
            let zone = eal.memory().zone_create("z", FileKind::Data, 64, 64).unwrap();
            write(&eal, &zone, 31);
        }
        say("up", "");
        until_told();
        assert_eq!(read(&eal, &zone(&eal, "z")), 31);
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut primary = Other::start(NAME, "primary", dir.path());
    primary.expect("up");
    let mut secondary = Other::start(NAME, "secondary", dir.path());
    secondary.expect("up");
    primary.kill();
    let error = Eal::new(config(dir.path())).unwrap_err();
    let pid = secondary.child.id();
    assert!(error.to_string().contains(&format!("[{pid}]")), "{error}");
    secondary.finish();
    Eal::new(config(dir.path())).unwrap();
}

#[test]
fn joining_nobody_is_an_error_that_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let error = Eal::attach(config(dir.path())).unwrap_err();
    assert!(matches!(error, Error::NoPrimary { .. }), "{error}");
    assert!(error.to_string().contains("start it first"), "{error}");
    let alone = EalConfig { file_prefix: None, ..config(dir.path()) };
    assert!(Eal::attach(alone).is_err());
}

#[test]
fn a_secondary_takes_over_the_fence_mode() {
    let dir = tempfile::tempdir().unwrap();
    let full = EalConfig { fences: Some(FenceMode::Full), ..config(dir.path()) };
    let _primary = Eal::new(full).unwrap();
    let second = Eal::attach(config(dir.path())).unwrap();
    assert_eq!(second.memory().fences(), FenceMode::Full);
}

/// What this process has registered for, as `membarrier(2)` says; `None` before Linux 6.3.
fn registered_barriers() -> Option<i64> {
    const GET_REGISTRATIONS: i32 = 1 << 9;
    // SAFETY: membarrier takes integers and touches no memory of the caller.
    let bits = unsafe { libc::syscall(libc::SYS_membarrier, GET_REGISTRATIONS, 0, 0) };
    (bits >= 0).then_some(bits)
}

/// Has the kernel refuse `membarrier` to this thread from now on.
fn refuse_membarrier() {
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let mut program = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_membarrier as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, refuse),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: 4, filter: program.as_mut_ptr() };
    // SAFETY: this option takes integers only.
    let bound = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: the kernel copies the four steps before the call returns.
    let set = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const filter) };
    assert_eq!((bound, set), (0, 0));
}

#[test]
fn asymmetric_fences_are_registered_when_asked_for_or_refused() {
    const NAME: &str = "asymmetric_fences_are_registered_when_asked_for_or_refused";
    const GLOBAL_EXPEDITED: i64 = 1 << 2;
    let asking = |fences| EalConfig { fences, huge: HugePolicy::Never, ..EalConfig::default() };
    if let Some((_, role)) = role() {
        if role == "refused" {
            refuse_membarrier();
            let error = Eal::new(asking(Some(FenceMode::Asymmetric))).unwrap_err();
            assert!(matches!(error, Error::NoBarrier), "{error}");
            say("fences", Eal::new(asking(None)).unwrap().memory().fences());
            return;
        }
        let before = registered_barriers();
        let eal = Eal::new(asking(Some(FenceMode::Asymmetric))).unwrap();
        assert_eq!(eal.memory().fences(), FenceMode::Asymmetric);
        match registered_barriers().zip(before) {
            Some((after, before)) => say("bits", after & !before),
            None => say("bits", "unknown"),
        }
        return;
    }
    let mut other = Other::start(NAME, "allowed", Path::new("/"));
    match other.expect("bits").parse::<i64>() {
        Ok(bits) => assert_ne!(bits & GLOBAL_EXPEDITED, 0, "registered by the Eal"),
        Err(_) => println!("SKIP {NAME}: a kernel that tells registrations (Linux 6.3)"),
    }
    other.finish();
    let mut other = Other::start(NAME, "refused", Path::new("/"));
    assert_eq!(other.expect("fences"), FenceMode::Full.to_string());
    other.finish();
}

#[test]
fn strangers_at_the_socket_harm_nobody() {
    use std::io::{Read, Write};
    let dir = tempfile::tempdir().unwrap();
    let eal = Eal::new(config(dir.path())).unwrap();
    let socket = eal.runtime_dir().unwrap().join("socket");
    let silent = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    for text in [&b"odd"[..], &[0xff; 24], &[0; 500]] {
        let mut stranger = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        stranger.set_read_timeout(Some(LONG)).unwrap();
        stranger.write_all(text).unwrap();
        assert!(matches!(stranger.read(&mut [0; 8]), Ok(0) | Err(_)), "hung up on");
    }
    let second = Eal::attach(config(dir.path())).unwrap();
    assert_eq!(eal.members().len(), 2);
    drop((second, silent));
}

#[test]
fn a_limited_address_space_gets_a_smaller_window() {
    const NAME: &str = "a_limited_address_space_gets_a_smaller_window";
    if role().is_some() {
        let eal = Eal::new(EalConfig { huge: HugePolicy::Never, ..EalConfig::default() }).unwrap();
        let extent = eal.memory().alloc(FileKind::Data, 200 << 20, 64).unwrap();
        write(&eal, &extent, 1);
        let error = eal.memory().alloc(FileKind::Data, 2 << 30, 64).unwrap_err();
        say("error", &error);
        return;
    }
    let limit = "ulimit -v 1500000; exec \"$0\" \"$@\"";
    let mut other = Other::start_with(&["sh", "-c", limit], NAME, "alone", Path::new("/"));
    let error = other.expect("error");
    assert!(error.contains("no room for 2147483648 bytes in the data file"), "{error}");
    other.finish();
}

#[test]
fn running_out_of_descriptors_at_any_point_is_an_error_that_leaves_nothing() {
    const NAME: &str = "running_out_of_descriptors_at_any_point_is_an_error_that_leaves_nothing";
    if let Some((dir, _)) = role() {
        let before = mapped_names();
        let eal = Eal::new(config(&dir));
        let second = Eal::attach(config(&dir));
        say("up", eal.is_ok() && second.is_ok());
        drop((second, eal));
        say("maps", mapped_names() == before);
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut outcomes = Vec::new();
    for limit in 4..24 {
        let shell = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
        let mut other = Other::start_with(&["sh", "-c", &shell], NAME, "alone", dir.path());
        outcomes.push(other.expect("up"));
        assert_eq!(other.expect("maps"), "true", "with {limit} descriptors");
        other.finish();
        assert!(!dir.path().join("test/socket").exists());
    }
    assert_eq!((outcomes[0].as_str(), outcomes[19].as_str()), ("false", "true"));
}

#[test]
fn everything_is_given_back() {
    const NAME: &str = "everything_is_given_back";
    if role().is_some() {
        let dir = tempfile::tempdir().unwrap();
        let round = || {
            let eal = Eal::new(config(dir.path())).unwrap();
            let second = Eal::attach(config(dir.path())).unwrap();
            let extent = eal.memory().alloc(FileKind::Data, 100 << 20, 64).unwrap();
            write(&eal, &extent, 1);
            eal.alarms().after(Duration::ZERO, || ()).unwrap();
            if let Some(&worker) = eal.lcores().iter().find(|&&id| id != eal.main_lcore()) {
                eal.launch(worker, || ()).unwrap();
                eal.wait(worker).unwrap();
            }
            drop(second);
            drop(eal);
        };
        round();
        let before = (count("/proc/self/fd"), mapped_names());
        for _ in 0..5 {
            round();
        }
        say("fds", format!("{} {}", before.0, count("/proc/self/fd")));
        say("maps", format!("{} {}", before.1, mapped_names()));
        return;
    }
    let mut other = Other::start(NAME, "alone", Path::new("/"));
    for word in ["fds", "maps"] {
        let text = other.expect(word);
        let (before, after) = text.split_once(' ').unwrap();
        assert_eq!(before, after, "{word}");
    }
    other.finish();
}

fn count(dir: &str) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

/// Mappings that are a window's: of our files, or a large reservation without access.
fn mapped_names() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let reserved = |line: &str| {
        let (range, rest) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let size = u64::from_str_radix(end, 16).unwrap() - u64::from_str_radix(start, 16).unwrap();
        rest.starts_with("---p") && size >= 256 << 20
    };
    maps.lines().filter(|line| line.contains("pmd-rs") || reserved(line)).count()
}

fn wait_for(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LONG, "it never came true");
        std::thread::sleep(Duration::from_millis(1));
    }
}
