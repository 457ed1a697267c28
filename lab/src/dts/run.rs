//! Goes through the steps of a case.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;
use crate::dpdk;
use crate::dts::command::Maker;
use crate::dts::plan::{Case, Expect, Plan, Step};
use crate::dts::report;
use crate::dts::testpmd::Testpmd;

/// How long what is expected may take to be seen.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a wrong count or state may stand still before it is taken for the last one.
const STUCK: Duration = Duration::from_secs(8);
/// Time without a word after which nothing more is expected to happen by itself.
const QUIET: Duration = Duration::from_millis(250);
/// Samples of which a throughput is the mean.
const SAMPLES: u32 = 10;
/// Time between two samples.
const SAMPLE_EVERY: Duration = Duration::from_millis(10);

/// Whose program has which role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// The one with vhost ports.
    pub vhost: Maker,
    /// Those with virtio-user ports.
    pub virtio: Maker,
}

impl Roles {
    /// Ours everywhere.
    pub const OURS: Self = Self { vhost: Maker::Ours, virtio: Maker::Ours };
    /// Our vhost port with DPDK's virtio-user ports.
    pub const OUR_VHOST: Self = Self { vhost: Maker::Ours, virtio: Maker::Dpdk };
    /// DPDK's vhost port with our virtio-user ports.
    pub const OUR_VIRTIO: Self = Self { vhost: Maker::Dpdk, virtio: Maker::Ours };
    /// DPDK's everywhere: shows that a plan can be followed at all.
    pub const DPDK: Self = Self { vhost: Maker::Dpdk, virtio: Maker::Dpdk };

    /// Whose program this command line runs.
    fn of(self, command: &str) -> Maker {
        if command.contains("_vhost") { self.vhost } else { self.virtio }
    }

    fn needs_dpdk(self) -> bool {
        self != Self::OURS
    }

    /// Why `case` cannot be run so.
    fn exception(self, case: &Case) -> Option<&str> {
        let vhost = (self.vhost == Maker::Dpdk).then(|| case.exception("dpdk-vhost")).flatten();
        let virtio = || (self.virtio == Maker::Dpdk).then(|| case.exception("dpdk-virtio"));
        vhost.or_else(|| virtio().flatten())
    }
}

/// Follows a case of a plan; a test's whole body. With `PMD_LAB_DPDK_ONLY` set, DPDK's programs take the place of ours.
///
/// # Panics
///
/// When something is not as the plan says, with what every program said.
pub fn follow(plan: &str, number: &str, roles: Roles, test: &str) {
    let _alone = alone();
    let roles = if std::env::var_os("PMD_LAB_DPDK_ONLY").is_some() { Roles::DPDK } else { roles };
    if let Some(reason) = dpdk::missing().filter(|_| roles.needs_dpdk()) {
        return println!("SKIP {test}: {reason}");
    }
    let plan = Plan::parse(plan).unwrap();
    let case = plan.case(number).unwrap();
    if let Some(reason) = roles.exception(case) {
        return println!("{test}: not a pairing of this case: {reason}");
    }
    let began = Instant::now();
    for attempt in 1.. {
        match once(case, roles) {
            Ok(()) => break,
            Err(error) if attempt < case.attempts => println!("attempt {attempt}: {error}"),
            Err(error) => panic!("case {number} ({}), {roles:?}, {error}", case.title),
        }
    }
    println!("case {number} ({}) with {roles:?}: {:?}", case.title, began.elapsed());
}

/// Follows a case; on failure also what every program said.
fn once(case: &Case, roles: Roles) -> Result<()> {
    let mut bench = Bench::new(roles)?;
    for (at, step) in case.steps.iter().enumerate() {
        let next = case.steps.get(at + 1);
        if let Err(error) = bench.give_time(step, next).and_then(|()| bench.take(step)) {
            let said = bench.transcript();
            return Err(format!("step {at} {step:?}: {error}\n{said}").into());
        }
    }
    bench.finish()
}

/// One case at a time: each keeps all CPUs busy.
fn alone() -> MutexGuard<'static, ()> {
    static BUSY: Mutex<()> = Mutex::new(());
    BUSY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The CPU for the lcores of a program. Whoever only receives has one to itself, or its ring would overflow while a sender runs in
/// its place: the vhost side and virtio-user0, which fills its ring before the vhost side begins, share the other.
fn cpus_of(name: &str) -> String {
    let cpus = dpdk::cpu_list();
    let (first, rest) = cpus.split_once(',').unwrap_or((&cpus, &cpus));
    let is_first = name.starts_with("vhost") || name == "virtio0";
    if is_first { first } else { rest.split(',').next().unwrap_or(first) }.to_owned()
}

/// The programs of a case, and the folder they run in.
struct Bench {
    roles: Roles,
    running: Vec<Testpmd>,
    folder: TempDir,
}

impl Bench {
    fn new(roles: Roles) -> Result<Self> {
        Ok(Self { roles, running: Vec::new(), folder: tempfile::tempdir()? })
    }

    fn take(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Launch(name, command) => self.launch(name, command),
            Step::Type(name, line) => {
                self.program(name)?.type_line(line)?;
                Ok(())
            }
            Step::Expect(name, expect) => check(self.program(name)?, expect),
            Step::Quit(name) => {
                self.remove(name)?.quit()?;
                self.settle()
            }
            Step::Kill(name) => {
                self.remove(name)?.kill()?;
                self.settle()
            }
            Step::Remove(begin) => self.remove_files(begin),
        }
    }

    /// Before a `stop` whose report is to show packets on several queues: lets every queue have its turn. The plans' ten samples of
    /// a second each do so; here many lcores share a CPU.
    fn give_time(&mut self, step: &Step, next: Option<&Step>) -> Result<()> {
        let (Step::Type(name, line), Some(Step::Expect(_, Expect::Queues(count)))) = (step, next)
        else {
            return Ok(());
        };
        if line == "stop" {
            let program = self.program(name)?;
            // Packets that never come are for the report to show.
            let _ = until(program, "show fwd stats all", |text| {
                queues(text, *count, |stream| stream.received > 0 && stream.sent > 0)
                    .map_err(|error| error.to_string())
            });
        }
        Ok(())
    }

    fn launch(&mut self, name: &str, command: &str) -> Result<()> {
        let maker = self.roles.of(command);
        let is_alone = self.running.is_empty();
        let cpus = cpus_of(name);
        let program = Testpmd::launch(name, command, (maker, &cpus), self.folder.path(), is_alone)?;
        for other in &mut self.running {
            other.come_up()?;
        }
        self.running.push(program);
        self.settle()
    }

    /// As a person would, waits until nothing more happens by itself.
    fn settle(&mut self) -> Result<()> {
        let begin = Instant::now();
        let (mut since, mut heard) = (begin, 0);
        while since.elapsed() < QUIET && begin.elapsed() < 8 * QUIET {
            let mut all = 0;
            for program in &mut self.running {
                all += program.hear()?;
            }
            if all != heard {
                (since, heard) = (Instant::now(), all);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn remove_files(&self, begin: &str) -> Result<()> {
        for entry in std::fs::read_dir(self.folder.path())? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(begin) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn program(&mut self, name: &str) -> Result<&mut Testpmd> {
        let found = self.running.iter_mut().find(|program| program.name == name);
        found.ok_or_else(|| format!("{name} does not run").into())
    }

    fn remove(&mut self, name: &str) -> Result<Testpmd> {
        let at = self.running.iter().position(|program| program.name == name);
        Ok(self.running.remove(at.ok_or_else(|| format!("{name} does not run"))?))
    }

    /// Ends what still runs, virtio-user ports first: DPDK's do not survive their peer's end well.
    fn finish(mut self) -> Result<()> {
        self.running.sort_by_key(|program| program.name.starts_with("vhost"));
        self.running.drain(..).try_for_each(Testpmd::quit)
    }

    fn transcript(&self) -> String {
        let said = |program: &Testpmd| {
            let said = program.said();
            let mut begin = said.len().saturating_sub(3000);
            while !said.is_char_boundary(begin) {
                begin += 1;
            }
            format!("---- {} ({:?}) said last:\n{}\n", program.name, program.maker, &said[begin..])
        };
        self.running.iter().map(said).collect()
    }
}

fn check(program: &mut Testpmd, expect: &Expect) -> Result<()> {
    match expect {
        Expect::Throughput => throughput(program, |(received, sent)| received > 0 && sent > 0),
        Expect::Reception => throughput(program, |(received, _)| received > 0),
        Expect::NoThroughput => no_throughput(program),
        Expect::Link(up) => until(program, "show port info 0", |text| {
            let link = report::link(text);
            if link == Some(*up) { Ok(()) } else { Err(format!("link up: {link:?}")) }
        }),
        Expect::Queues(count) => {
            queues(program.answer(), *count, |stream| stream.received > 0 && stream.sent > 0)
        }
        Expect::Received(count) => queues(program.answer(), *count, |stream| stream.received > 0),
        Expect::Length(length, count) => until(program, "show port stats 0", |text| {
            let packets = report::number(text, "RX-packets").unwrap_or(0);
            let bytes = report::number(text, "RX-bytes").unwrap_or(0);
            if packets >= *count && bytes == packets * length {
                return Ok(());
            }
            Err(format!("{bytes} bytes in {packets} packets"))
        }),
        Expect::Stats(wanted) => until(program, "show port stats 0", |text| {
            let is = |key: &str| report::number(text, key);
            let other = wanted.iter().find(|(key, value)| is(key) != Some(*value));
            other.map_or(Ok(()), |(key, value)| Err(format!("{key}: {:?}, not {value}", is(key))))
        }),
        Expect::Xstats(wanted) => until(program, "show port xstats 0", |text| {
            let all = report::xstats(text);
            let sum = |names: &[String]| -> Option<u64> {
                names.iter().map(|name| all.get(name).copied()).sum()
            };
            let other = wanted.iter().find(|(names, value)| sum(names) != Some(*value));
            other.map_or(Ok(()), |(names, value)| {
                Err(format!("{}: {:?}, not {value}", names.join("+"), sum(names)))
            })
        }),
        Expect::Said(words) if program.answer().contains(words.as_str()) => Ok(()),
        Expect::Said(words) => Err(format!("not said: {words}").into()),
    }
}

/// Asks until `is_right` finds the answer right, twice with a pause between, or until the answer has been another one for long.
fn until(
    program: &mut Testpmd,
    line: &str,
    is_right: impl Fn(&str) -> Result<(), String>,
) -> Result<()> {
    let (mut agreed, mut since, mut last) = (false, Instant::now(), String::new());
    let end = since + PATIENCE;
    loop {
        match is_right(&program.ask(line)?) {
            Ok(()) if agreed => return Ok(()),
            Ok(()) => agreed = true,
            Err(found) => {
                if found != last {
                    (since, last) = (Instant::now(), found);
                }
                if since.elapsed() > STUCK || Instant::now() > end {
                    return Err(last.into());
                }
                agreed = false;
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The mean rates of ten samples; the first show only begins the first.
fn rates(program: &mut Testpmd) -> Result<(u64, u64)> {
    program.ask("show port stats all")?;
    let (mut received, mut sent) = (0, 0);
    for _ in 0..SAMPLES {
        std::thread::sleep(SAMPLE_EVERY);
        let text = program.ask("show port stats all")?;
        received += report::number(&text, "Rx-pps").ok_or("no Rx-pps")?;
        sent += report::number(&text, "Tx-pps").ok_or("no Tx-pps")?;
    }
    Ok((received / u64::from(SAMPLES), sent / u64::from(SAMPLES)))
}

fn throughput(program: &mut Testpmd, is_enough: impl Fn((u64, u64)) -> bool) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let (received, sent) = rates(program)?;
        if is_enough((received, sent)) {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(format!("Rx-pps {received}, Tx-pps {sent}").into());
        }
    }
}

fn no_throughput(program: &mut Testpmd) -> Result<()> {
    match rates(program)? {
        (0, 0) => Ok(()),
        (received, sent) => Err(format!("Rx-pps {received}, Tx-pps {sent}, not 0").into()),
    }
}

fn queues(answer: &str, count: u16, is_enough: impl Fn(report::Stream) -> bool) -> Result<()> {
    let streams = report::streams(answer);
    for queue in 0..count {
        let stream = streams.get(&queue).copied().unwrap_or_default();
        if !is_enough(stream) {
            return Err(format!("queue {queue} of {count}: {stream:?}").into());
        }
    }
    Ok(())
}
