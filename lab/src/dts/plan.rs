//! Plans as text.
//!
//! | line | what |
//! |---|---|
//! | `== 5: words \| key=value` | begins a case; several such lines share the steps that follow, in which `{key}` stands for the value |
//! | `vhost $ dpdk-testpmd ...` | launches a program; a `\` at the end of a line goes on in the next |
//! | `vhost> set fwd mac` | types a line |
//! | `vhost expect link up` | what is to be seen: see [`Expect`] |
//! | `vhost quit` | types `quit` and waits for the end |
//! | `vhost kill` | ends it without a word (SIGKILL) |
//! | `rm -rf vhost-net*` | removes the files that begin so from the case's folder |
//! | `repeat 20`, `end` | the steps between them, that often |
//! | `for size in 64 128`, `end` | the steps between them, with `[size]` replaced, or in `a=b` both parts, `[size.0]` and `[size.1]` |
//! | `except dpdk-virtio: reason` | the case cannot be run with that program of DPDK's |
//! | `attempts 3` | the case may be tried that often instead of twice: its counts need a receiver that always has a CPU |
//! | `# words` | nothing |

use std::fmt;

/// How often a case may be tried that does not say so itself. Programs that poll share two CPUs with whatever else the machine
/// does, and one that gets none for long enough loses packets as it would with DPDK at both ends.
const ATTEMPTS: u32 = 2;

/// What is wrong in a plan, for a person to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plan: {}", self.0)
    }
}

impl std::error::Error for Fault {}

/// A plan with its cases.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In the order of the text.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// What stands before the colon of its heading.
    pub number: String,
    /// What stands after it.
    pub title: String,
    /// What is done.
    pub steps: Vec<Step>,
    /// How often it may be tried.
    pub attempts: u32,
    /// Programs of DPDK's that cannot take part (`dpdk-vhost`, `dpdk-virtio`), with the reason.
    pub except: Vec<(String, String)>,
}

/// One thing that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Launches the program that is called so from now on.
    Launch(String, String),
    /// Types a line.
    Type(String, String),
    /// Looks.
    Expect(String, Expect),
    /// Types `quit` and waits for the end.
    Quit(String),
    /// Kills it.
    Kill(String),
    /// Removes the files whose names begin so.
    Remove(String),
}

/// What is to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// `throughput`: packets are received and sent, by the mean of ten samples.
    Throughput,
    /// `no throughput`: the rates are zero.
    NoThroughput,
    /// `reception`: packets are received, by the mean of ten samples.
    Reception,
    /// `link up`, `link down`: the link of port 0.
    Link(bool),
    /// `queues N`: the report of the last `stop` received and sent packets on each of the first N queues.
    Queues(u16),
    /// `received N`: the report of the last `stop` received packets on each of the first N queues.
    Received(u16),
    /// `length L of N`: `show port stats 0` has received N packets or more, and L bytes for each.
    Length(u64, u64),
    /// `stats A=1 B=2`: counters of `show port stats 0` come to these values and stay there.
    Stats(Vec<(String, u64)>),
    /// `xstats a+b=3`: sums of extended counters of port 0 come to these values.
    Xstats(Vec<(Vec<String>, u64)>),
    /// `said WORDS`: the last answer has these words.
    Said(String),
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    ///
    /// A line that means nothing, with its text.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let joined = text.replace("\\\n", " ");
        let mut cases = Vec::new();
        let mut lines = joined.lines().map(str::trim).peekable();
        while let Some(line) = lines.next() {
            if is_nothing(line) {
                continue;
            }
            let mut headings = vec![line];
            while let Some(more) = lines.next_if(|line| line.starts_with("==")) {
                headings.push(more);
            }
            let mut body = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("==")) {
                body.push(line);
            }
            for heading in headings {
                cases.push(case(heading, &body)?);
            }
        }
        Ok(Self { cases })
    }

    /// The case with this number.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn case(&self, number: &str) -> Result<&Case, Fault> {
        let found = self.cases.iter().find(|case| case.number == number);
        found.ok_or_else(|| Fault(format!("there is no case {number}")))
    }
}

impl Case {
    /// Why it cannot be run with `program` (`dpdk-vhost` or `dpdk-virtio`).
    pub fn exception(&self, program: &str) -> Option<&str> {
        self.except.iter().find(|(name, _)| name == program).map(|(_, reason)| reason.as_str())
    }
}

fn is_nothing(line: &str) -> bool {
    line.is_empty() || line.starts_with('#')
}

/// A case from its heading and the lines under it.
fn case(heading: &str, body: &[&str]) -> Result<Case, Fault> {
    let rest = heading.strip_prefix("==").ok_or_else(|| Fault(format!("not a case: {heading}")))?;
    let mut parts = rest.split('|').map(str::trim);
    let (number, title) = parts.next().and_then(|name| name.split_once(':')).unwrap_or((rest, ""));
    let (number, title) = (number.trim().to_owned(), title.trim().to_owned());
    let mut case =
        Case { number, title, steps: Vec::new(), attempts: ATTEMPTS, except: Vec::new() };
    let words: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
    let mut lines = Vec::new();
    for line in body {
        let mut line = (*line).to_owned();
        for (key, value) in &words {
            line = line.replace(&format!("{{{key}}}"), value);
        }
        if !is_nothing(&line) {
            lines.push(line);
        }
    }
    for line in unroll(&lines)? {
        if let Some(count) = line.strip_prefix("attempts ") {
            case.attempts = count.parse().map_err(|_| Fault(format!("not a number: {line}")))?;
            continue;
        }
        match line.strip_prefix("except ").and_then(|rest| rest.split_once(':')) {
            Some((program, reason)) => case.except.push((program.into(), reason.trim().into())),
            None => case.steps.push(step(&line)?),
        }
    }
    Ok(case)
}

/// Writes loops out.
fn unroll(lines: &[String]) -> Result<Vec<String>, Fault> {
    let mut out = Vec::new();
    let mut rest = lines;
    while let Some((line, after)) = rest.split_first() {
        let Some(turns) = turns(line)? else {
            out.push(line.clone());
            rest = after;
            continue;
        };
        let length = loop_length(after).ok_or_else(|| Fault(format!("no end of: {line}")))?;
        let inner = unroll(&after[..length])?;
        for (key, value) in turns {
            out.extend(inner.iter().map(|line| put_in(line, &key, &value)));
        }
        rest = &after[length + 1..];
    }
    Ok(out)
}

/// What each turn of a loop replaces, if this line begins one.
fn turns(line: &str) -> Result<Option<Vec<(String, String)>>, Fault> {
    let bad = || Fault(format!("not a loop: {line}"));
    if let Some(count) = line.strip_prefix("repeat ") {
        let count: usize = count.trim().parse().map_err(|_| bad())?;
        return Ok(Some(vec![(String::new(), String::new()); count]));
    }
    let Some(rest) = line.strip_prefix("for ") else { return Ok(None) };
    let (key, values) = rest.split_once(" in ").ok_or_else(bad)?;
    let values = values.split_whitespace();
    Ok(Some(values.map(|value| (key.to_owned(), value.to_owned())).collect()))
}

/// The line with the value in place of `[key]`, and its parts in place of `[key.0]` and `[key.1]`.
fn put_in(line: &str, key: &str, value: &str) -> String {
    let (first, second) = value.split_once('=').unwrap_or((value, ""));
    line.replace(&format!("[{key}]"), value)
        .replace(&format!("[{key}.0]"), first)
        .replace(&format!("[{key}.1]"), second)
}

/// How many lines belong to the loop whose body begins here.
fn loop_length(lines: &[String]) -> Option<usize> {
    let mut depth = 0;
    lines.iter().position(|line| {
        match line.as_str() {
            "end" if depth == 0 => return true,
            "end" => depth -= 1,
            other if other.starts_with("for ") || other.starts_with("repeat ") => depth += 1,
            _ => {}
        }
        false
    })
}

fn step(line: &str) -> Result<Step, Fault> {
    let bad = || Fault(format!("not a step: {line}"));
    if let Some(pattern) = line.strip_prefix("rm -rf ") {
        return Ok(Step::Remove(pattern.trim_end_matches('*').into()));
    }
    let (who, rest) = line.split_once(|c: char| c == '>' || c.is_whitespace()).ok_or_else(bad)?;
    if line.as_bytes().get(who.len()) == Some(&b'>') {
        return Ok(Step::Type(who.into(), rest.trim().into()));
    }
    let who = who.to_owned();
    let rest = rest.trim();
    match rest.split_once(' ') {
        Some(("$", command)) => Ok(Step::Launch(who, command.trim().into())),
        Some(("expect", what)) => Ok(Step::Expect(who, expect(what.trim()).ok_or_else(bad)?)),
        None if rest == "quit" => Ok(Step::Quit(who)),
        None if rest == "kill" => Ok(Step::Kill(who)),
        _ => Err(bad()),
    }
}

fn expect(text: &str) -> Option<Expect> {
    match text {
        "throughput" => return Some(Expect::Throughput),
        "reception" => return Some(Expect::Reception),
        "no throughput" => return Some(Expect::NoThroughput),
        "link up" => return Some(Expect::Link(true)),
        "link down" => return Some(Expect::Link(false)),
        _ => {}
    }
    let (what, rest) = text.split_once(' ')?;
    match what {
        "queues" => rest.parse().ok().map(Expect::Queues),
        "received" => rest.parse().ok().map(Expect::Received),
        "length" => {
            let (length, count) = rest.split_once(" of ")?;
            Some(Expect::Length(length.parse().ok()?, count.parse().ok()?))
        }
        "said" => Some(Expect::Said(rest.to_owned())),
        "stats" => equations(rest).map(Expect::Stats),
        "xstats" => {
            let sums = equations(rest)?.into_iter();
            let split = |names: String| names.split('+').map(str::to_owned).collect();
            Some(Expect::Xstats(sums.map(|(names, value)| (split(names), value)).collect()))
        }
        _ => None,
    }
}

fn equations(text: &str) -> Option<Vec<(String, u64)>> {
    let equation = |word: &str| {
        let (name, value) = word.split_once('=')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    text.split_whitespace().map(equation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = "
# a comment
== 5: mergeable | path=mrg_rxbuf=1,in_order=0
== 6: in order | path=mrg_rxbuf=1,in_order=1
except dpdk-virtio: it cannot
attempts 3
vhost $ dpdk-testpmd -l 1-2 \\
   --vdev 'net_vhost0,iface=a' -- -i
virtio $ dpdk-testpmd --vdev=net_virtio_user0,path=a,{path} -- -i
vhost>set fwd mac
for size in 64=a 1518=b
  vhost> set txpkts [size.0]
  repeat 2
    vhost> start tx_first 32
  end
  vhost expect throughput
end
vhost expect stats RX-packets=288 RX-bytes=486016
virtio expect xstats rx_q0_size_64_packets+rx_q1_size_64_packets=64
vhost expect queues 8
virtio expect link down
vhost kill
virtio quit
rm -rf a*
";

    #[test]
    fn headings_share_steps_and_words_are_put_in() {
        let plan = Plan::parse(PLAN).unwrap();
        assert_eq!(plan.cases.len(), 2);
        let case = plan.case("6").unwrap();
        assert_eq!(case.title, "in order");
        assert_eq!(case.exception("dpdk-virtio"), Some("it cannot"));
        assert_eq!(case.exception("dpdk-vhost"), None);
        assert_eq!(case.attempts, 3);
        let Step::Launch(who, command) = &case.steps[1] else { panic!("{:?}", case.steps[1]) };
        assert_eq!(who, "virtio");
        assert!(command.ends_with("path=a,mrg_rxbuf=1,in_order=1 -- -i"), "{command}");
        assert!(plan.case("7").is_err());
    }

    #[test]
    fn loops_are_written_out() {
        let plan = Plan::parse(PLAN).unwrap();
        let typed: Vec<_> = plan.cases[0]
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Type(_, line) => Some(line.as_str()),
                _ => None,
            })
            .collect();
        let burst = "start tx_first 32";
        let expected =
            ["set fwd mac", "set txpkts 64", burst, burst, "set txpkts 1518", burst, burst];
        assert_eq!(typed, expected);
    }

    #[test]
    fn expectations_are_read() {
        let steps = &Plan::parse(PLAN).unwrap().cases[0].steps;
        let last = &steps[steps.len() - 7..];
        let stats = vec![("RX-packets".to_owned(), 288), ("RX-bytes".to_owned(), 486016)];
        assert_eq!(last[0], Step::Expect("vhost".into(), Expect::Stats(stats)));
        let names = vec!["rx_q0_size_64_packets".to_owned(), "rx_q1_size_64_packets".to_owned()];
        assert_eq!(last[1], Step::Expect("virtio".into(), Expect::Xstats(vec![(names, 64)])));
        assert_eq!(last[2], Step::Expect("vhost".into(), Expect::Queues(8)));
        assert_eq!(last[3], Step::Expect("virtio".into(), Expect::Link(false)));
        assert_eq!(
            last[4..],
            [Step::Kill("vhost".into()), Step::Quit("virtio".into()), Step::Remove("a".into())]
        );
    }

    #[test]
    fn what_means_nothing_is_named() {
        for bad in ["== 1: a\nvhost does\n", "== 1: a\nrepeat 2\nvhost> x\n", "vhost> x\n"] {
            let error = Plan::parse(bad).unwrap_err().to_string();
            assert!(error.starts_with("plan: "), "{error}");
        }
    }
}
