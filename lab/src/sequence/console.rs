//! Random lines at the prompts of two testpmds of ours, whose processes end and are killed now and then.
//!
//! Whatever is typed is answered with a prompt. Afterwards both are told to forward as at the beginning, and every packet of
//! a counted number goes to the other side and comes back.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::Result;
use crate::dpdk::cpu_list;
use crate::dts::command::Maker;
use crate::dts::report;
use crate::dts::testpmd::Testpmd;
use crate::random::Random;

/// How long what is to come may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Queue pairs at the beginning and at the end.
const QUEUES: u64 = 2;
/// Packets of the last exchange on each queue: fewer than a ring has places.
const AT_THE_END: u64 = 4 * 32;

/// Lines that operators type; `#` stands for a number from 0 to 4.
const LINES: [&str; 40] = [
    "start",
    "start",
    "start",
    "start tx_first",
    "start tx_first 3",
    "stop",
    "stop",
    "port stop 0",
    "port stop all",
    "port start 0",
    "port start all",
    "port config all rxq #",
    "port config all txq #",
    "port config all rxd 128",
    "port config all txd 256",
    "set fwd io",
    "set fwd mac",
    "set fwd macswap",
    "set fwd rxonly",
    "set fwd txonly",
    "set fwd csum",
    "set fwd flowgen",
    "set burst 7",
    "set burst 32",
    "set txpkts 64",
    "set txpkts 200,300,500",
    "set nbcore #",
    "set promisc all on",
    "set allmulti 0 off",
    "set eth-peer 0 00:11:22:33:44:5#",
    "show port stats all",
    "show port xstats 0",
    "show port info #",
    "show config fwd",
    "show rxq info 0 #",
    "show fwd stats all",
    "clear port stats all",
    "clear port xstats all",
    "port reset 0",
    "mac_addr add 0 00:11:22:33:44:6#",
];

/// Follows sequences `first..first + count` of `seed`.
///
/// # Errors
///
/// What went wrong, with what was typed and how to see it again.
pub fn run(seed: u64, first: u64, count: u64) -> Result<()> {
    let mut lines = 0;
    for number in first..first + count {
        let random = Random::new(seed.wrapping_mul(0x1_0000).wrapping_add(number));
        let mut pair = Pair::new(random)?;
        if let Err(error) = pair.play() {
            let again = format!("PMD_LAB_SEED={seed} PMD_LAB_SEQUENCE={number}");
            return Err(format!("{error}; typed {:?}; again with {again}", pair.typed).into());
        }
        lines += pair.typed.len();
    }
    println!("{count} sequences from {first} of seed {seed}: {lines} lines typed");
    Ok(())
}

struct Pair {
    random: Random,
    folder: tempfile::TempDir,
    /// The vhost side connects and the virtio-user side listens.
    vhost_connects: bool,
    sides: [Option<Testpmd>; 2],
    typed: Vec<String>,
}

const NAMES: [&str; 2] = ["vhost", "virtio"];

impl Pair {
    fn new(mut random: Random) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let vhost_connects = random.below(3) == 0;
        Ok(Self { random, folder, vhost_connects, sides: [None, None], typed: Vec::new() })
    }

    fn play(&mut self) -> Result<()> {
        self.launch(0)?;
        self.launch(1)?;
        for _ in 0..12 + self.random.below(12) {
            let side = self.random.below(2) as usize;
            match self.random.below(24) {
                0 => self.replace(side, "kill")?,
                1 => self.replace(side, "quit")?,
                _ => {
                    let line = LINES[self.random.below(LINES.len() as u64) as usize];
                    let line = line.replace('#', &self.random.below(5).to_string());
                    self.say(side, &line)?;
                }
            }
        }
        self.come_to_rest()?;
        self.exchange()?;
        self.sides.iter_mut().filter_map(Option::take).try_for_each(Testpmd::quit)
    }

    fn launch(&mut self, side: usize) -> Result<()> {
        let (name, client) = (NAMES[side], u8::from(self.vhost_connects));
        let device = match side {
            0 => format!("net_vhost0,iface=s,queues=4,client={client}"),
            _ => format!("net_virtio_user0,path=s,queues=4,server={client}"),
        };
        let line = format!(
            "testpmd -l 0-2 --file-prefix={name} --vdev '{device}' \
             -- -i --nb-cores=2 --rxq={QUEUES} --txq={QUEUES} --total-num-mbufs=16384"
        );
        let (maker, folder): (_, &Path) = ((Maker::Ours, &*cpu_list()), self.folder.path());
        self.sides[side] = Some(Testpmd::launch(name, &line, maker, folder, false)?);
        Ok(())
    }

    fn side(&mut self, side: usize) -> Result<&mut Testpmd> {
        self.sides[side].as_mut().ok_or_else(|| "it does not run".into())
    }

    fn say(&mut self, side: usize, line: &str) -> Result<String> {
        self.typed.push(format!("{}> {line}", NAMES[side]));
        self.side(side)?.ask(line)
    }

    /// The program ends, one way or the other, and another takes its place.
    fn replace(&mut self, side: usize, how: &str) -> Result<()> {
        self.typed.push(format!("{} {how}", NAMES[side]));
        let old = self.sides[side].take().ok_or("it does not run")?;
        if how == "quit" {
            old.quit()?;
        } else {
            old.kill()?;
            let listens = (side == 0) != self.vhost_connects;
            if listens {
                std::fs::remove_file(self.folder.path().join("s"))?;
            }
        }
        self.launch(side)
    }

    /// Both sides have started ports with two queues, and wait.
    fn come_to_rest(&mut self) -> Result<()> {
        for side in [0, 1] {
            for line in ["stop", "port stop all"] {
                self.say(side, line)?;
            }
            for line in ["rxq 2", "txq 2", "rxd 256", "txd 256"] {
                self.say(side, &format!("port config all {line}"))?;
            }
            for line in ["port start all", "set burst 32", "set txpkts 64", "set nbcore 2"] {
                self.say(side, line)?;
            }
        }
        for side in [0, 1] {
            self.until(side, "show port info 0", |text| report::link(text) == Some(true))?;
        }
        Ok(())
    }

    /// The virtio-user side sends back what the vhost side sends, and all of it arrives.
    fn exchange(&mut self) -> Result<()> {
        self.say(1, "set fwd io")?;
        self.say(1, "start")?;
        self.say(0, "set fwd rxonly")?;
        // What is left in the rings comes now and is not counted.
        self.say(0, "start")?;
        self.say(0, "stop")?;
        self.say(0, "clear port stats all")?;
        self.say(1, "clear port stats all")?;
        self.say(0, &format!("start tx_first {}", AT_THE_END / 32))?;
        for side in [0, 1] {
            self.until(side, "show port stats 0", |text| {
                let all = Some(AT_THE_END * QUEUES);
                ["RX-packets", "TX-packets"].iter().all(|key| report::number(text, key) == all)
            })?;
        }
        Ok(())
    }

    fn until(&mut self, side: usize, line: &str, is_so: impl Fn(&str) -> bool) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let text = self.side(side)?.ask(line)?;
            if is_so(&text) {
                return Ok(());
            }
            if Instant::now() > end {
                let other = self.side(1 - side)?.ask(line)?;
                let name = NAMES[side];
                return Err(
                    format!("{name} still answers {line} with {text}\nthe other: {other}").into()
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
