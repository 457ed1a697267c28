//! The `Eal` value as its users see it.

use std::collections::BTreeSet;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::*;
use crate::config::HugePolicy;

const LONG: Duration = Duration::from_secs(20);

fn config(lcores: &str) -> EalConfig {
    EalConfig {
        lcores: LcoreMap::parse_map(lcores),
        huge: HugePolicy::Never,
        ..EalConfig::default()
    }
}

#[test]
fn by_default_every_cpu_of_the_process_is_an_lcore() {
    let eal = Eal::new(EalConfig::default()).unwrap();
    let cpus: BTreeSet<u32> = eal.lcores().iter().copied().collect();
    assert_eq!(cpus, lcore::affinity());
    assert_eq!(eal.main_lcore(), *cpus.first().unwrap());
    assert!(eal.runtime_dir().is_none());
    assert_eq!(eal.members(), [eal.memory().owner()]);
    assert!(eal.is_member(eal.memory().owner()));
}

#[test]
fn a_thread_is_one_lcore_in_each_eal() {
    let one = Eal::new(config("0@0,1@0")).unwrap();
    let two = Eal::new(EalConfig { main_lcore: Some(7), ..config("3@0,7@0") }).unwrap();
    assert_eq!((one.current_lcore(), two.current_lcore()), (Some(0), Some(7)));
    let inside = std::thread::scope(|scope| scope.spawn(|| one.current_lcore()).join().unwrap());
    assert_eq!(inside, None);
    drop(one);
    assert_eq!(two.current_lcore(), Some(7));
}

#[test]
fn jobs_run_on_workers_only_and_panics_come_back() {
    let eal = Eal::new(config("0@0,1@0")).unwrap();
    assert!(matches!(eal.launch(0, || ()), Err(Error::MainLcore { lcore: 0 })));
    assert!(matches!(eal.launch(9, || ()), Err(Error::NoLcore { lcore: 9 })));
    eal.launch(1, || panic!("over")).unwrap();
    assert!(matches!(eal.wait(1), Err(Error::LcorePanicked { lcore: 1, .. })));
    eal.launch(1, || ()).unwrap();
    eal.wait(1).unwrap();
}

#[test]
fn dropping_waits_for_jobs() {
    let eal = Eal::new(config("0@0,1@0")).unwrap();
    let (send, receive) = channel();
    let job = move || {
        std::thread::sleep(Duration::from_millis(20));
        send.send(()).unwrap();
    };
    eal.launch(1, job).unwrap();
    drop(eal);
    assert_eq!(receive.try_recv(), Ok(()), "the job had ended");
}

#[test]
fn the_last_handle_may_go_inside_a_job_or_an_alarm() {
    for alarm in [false, true] {
        let eal = Arc::new(Eal::new(config("0@0,1@0")).unwrap());
        let memory = eal.memory().downgrade();
        let (go, started) = channel::<()>();
        let (done, ended) = channel();
        let kept = Arc::clone(&eal);
        let job = move || {
            started.recv().unwrap();
            drop(kept);
            done.send(()).unwrap();
        };
        if alarm {
            eal.alarms().after(Duration::ZERO, job).unwrap();
        } else {
            eal.launch(1, job).unwrap();
        }
        drop(eal);
        go.send(()).unwrap();
        assert_eq!(ended.recv_timeout(LONG), Ok(()));
        assert!(memory.upgrade().is_none());
    }
}

#[test]
fn control_threads_stay_off_polling_cpus() {
    let available = lcore::affinity();
    let (Some(&polling), true) = (available.first(), available.len() > 1) else {
        println!("SKIP control_threads_stay_off_polling_cpus: a second CPU");
        return;
    };
    let eal = Eal::new(config(&format!("0@{polling}"))).unwrap();
    let (send, receive) = channel();
    let work = move || send.send(lcore::affinity()).unwrap();
    eal.spawn_control("test", work).unwrap().join().unwrap();
    let seen = receive.recv().unwrap();
    assert!(!seen.is_empty() && !seen.contains(&polling), "{seen:?}");
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let bad = EalConfig {
        file_prefix: Some("p".into()),
        runtime_dir: Some(dir.path().into()),
        ..config("0@1000")
    };
    assert!(matches!(Eal::new(bad), Err(Error::NoCpu { lcore: 0, cpu: 1000, .. })));
    assert!(Eal::new(EalConfig { main_lcore: Some(5), ..config("0@0") }).is_err());
    assert!(Eal::new(EalConfig { iova_base: 1, ..config("0@0") }).is_err());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn the_main_thread_is_pinned_when_asked() {
    let before = lcore::affinity();
    let eal = Eal::new(EalConfig { pin_main: true, ..config("0@0") }).unwrap();
    assert_eq!(lcore::affinity(), BTreeSet::from([0]));
    drop(eal);
    let before: Vec<u32> = before.into_iter().collect();
    lcore::pin(&before).unwrap();
}

#[test]
fn sockets_are_those_of_the_tree() {
    let tree = crate::topology::fake_tree(2);
    let sysfs = tree.path().to_path_buf();
    let eal = Eal::new(EalConfig { sysfs: sysfs.clone(), ..config("0@0,2@(0,2),3@3") }).unwrap();
    assert_eq!(eal.sockets(), [0, 1]);
    assert_eq!([0, 2, 3, 9].map(|lcore| eal.socket_of(lcore)), [0, 0, 1, 0]);
    let memory_bytes = 96 << 20;
    let shared = EalConfig { sysfs, memory_bytes, ..config("0@0,1@1,2@2") };
    let eal = Eal::new(shared).unwrap();
    assert_eq!(eal.memory().data_committed(), memory_bytes);
    let on_1 = eal.memory().alloc_on(Some(1), crate::FileKind::Data, 32 << 20, 64).unwrap();
    assert_eq!(on_1.extent().offset, 64 << 20, "two lcores are on node 0, one on node 1");
}

#[test]
fn the_register_width_is_there_for_data_paths() {
    let eal = Eal::new(EalConfig { max_simd_bits: 64, ..config("0@0") }).unwrap();
    assert_eq!(eal.max_simd_bits(), 64);
}
