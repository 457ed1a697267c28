//! Command lines of plans, made fit for a small machine.
//!
//! These things are changed and no others:
//! * the program's path, and what stands before it (`<dpdk dir>#`, `numactl ...`);
//! * core lists and masks become `--lcores` with the same lcores on the CPUs that are there;
//! * memory and mbufs shrink; DPDK's programs take ordinary memory, for they would leave huge pages behind; a list of
//!   `--socket-mem` for several nodes becomes its first figure;
//! * what names DMA devices goes: `dmas=[..]`, `dma-ring-size=`, `-a <address>`; with them `--no-pci` comes.
//!
//! Whatever else a plan types is typed.

use crate::Result;

/// Whose testpmd it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// This workspace's.
    Ours,
    /// DPDK's.
    Dpdk,
}

/// Bytes of DPDK's memory, in MiB.
const DPDK_MEGABYTES: u64 = 512;

/// The words after the program's name, for a machine whose CPUs are `cpus` (as `0,1`).
///
/// # Errors
///
/// When it names no testpmd, or a list of cores cannot be read.
pub fn arguments(line: &str, maker: Maker, cpus: &str) -> Result<Vec<String>> {
    let words = words(line);
    let program = words.iter().position(|word| word.ends_with("testpmd"));
    let begin = program.ok_or_else(|| format!("no testpmd in: {line}"))? + 1;
    let typed = &words[begin..];
    let end = typed.iter().position(|word| word == "--").unwrap_or(typed.len());
    let mut out = eal_words(&typed[..end], cpus)?;
    if !out.iter().any(|word| word == "--no-pci") {
        out.push("--no-pci".into());
    }
    if maker == Maker::Dpdk {
        out.extend(["--no-huge".into(), "-m".into(), DPDK_MEGABYTES.to_string()]);
    }
    let app = typed.get(end + 1..).unwrap_or_default();
    out.push("--".into());
    out.extend_from_slice(app);
    if !app.iter().any(|word| word.starts_with("--total-num-mbufs")) {
        out.push(format!("--total-num-mbufs={}", mbufs(app)));
    }
    Ok(out)
}

/// The words as a shell splits them; single and double quotes hold words together.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The options of the environment layer.
fn eal_words(typed: &[String], cpus: &str) -> Result<Vec<String>> {
    let mut out = Vec::new();
    let mut rest = typed.iter();
    while let Some(word) = rest.next() {
        let mut value = |attached: &str| -> Result<String> {
            match attached {
                "" => Ok(rest.next().ok_or_else(|| format!("no value for {word}"))?.clone()),
                attached => Ok(attached.trim_start_matches('=').to_owned()),
            }
        };
        if let Some(attached) = short(word, "-l") {
            out.extend(["--lcores".into(), lcores(&list(&value(attached)?)?, cpus)]);
        } else if let Some(attached) = short(word, "-c") {
            out.extend(["--lcores".into(), lcores(&mask(&value(attached)?)?, cpus)]);
        } else if let Some(attached) = short(word, "-a") {
            value(attached)?;
        } else if let Some(attached) = word.strip_prefix("--vdev") {
            out.extend(["--vdev".into(), without_dma(&value(attached)?)]);
        } else if let Some(attached) = word.strip_prefix("--socket-mem") {
            let first = value(attached)?.split(',').find(|&mb| mb != "0").unwrap_or("0").to_owned();
            out.extend(["--socket-mem".into(), first]);
        } else {
            out.push(word.clone());
        }
    }
    Ok(out)
}

/// What is attached to a short option, if `word` is that option.
fn short<'a>(word: &'a str, option: &str) -> Option<&'a str> {
    word.strip_prefix(option)
}

/// The numbers of a list such as `1-3,7`.
fn list(text: &str) -> Result<Vec<u32>> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.parse::<u32>().map_err(|_| format!("not a core: '{text}'"));
        all.extend(number(first)?..=number(last)?);
    }
    Ok(all)
}

/// The bits of a mask such as `0xe`.
fn mask(text: &str) -> Result<Vec<u32>> {
    let mask = u128::from_str_radix(text.trim_start_matches("0x"), 16)?;
    Ok((0..u128::BITS).filter(|bit| mask >> bit & 1 == 1).collect())
}

fn lcores(ids: &[u32], cpus: &str) -> String {
    ids.iter().map(|id| format!("{id}@({cpus})")).collect::<Vec<_>>().join(",")
}

/// A device string without what names DMA devices.
fn without_dma(vdev: &str) -> String {
    let mut left = vdev.to_owned();
    while let Some(begin) = left.find(",dmas=[") {
        let end = left[begin..].find(']').map_or(left.len(), |at| begin + at + 1);
        left.replace_range(begin..end, "");
    }
    let kept = left.split(',').filter(|part| !part.starts_with("dma-ring-size="));
    kept.collect::<Vec<_>>().join(",")
}

/// Enough mbufs for every ring, the bursts and the caches.
fn mbufs(app: &[String]) -> u64 {
    let value = |name: &str, default: u64| {
        let value = app.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value.and_then(|value| value.parse().ok()).unwrap_or(default)
    };
    if value("--mbuf-size", 2176) > 16384 {
        return 4096;
    }
    let rings = value("--rxq", 1) * value("--rxd", 512) + value("--txq", 1) * value("--txd", 512);
    (2 * rings + 8192).max(16384)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_here(line: &str, maker: Maker) -> String {
        arguments(line, maker, "0,1").unwrap().join(" ")
    }

    #[test]
    fn cores_become_lcores_with_the_same_ids() {
        let line =
            "./<build_target>/app/dpdk-testpmd -n 4 -l 2-3 --file-prefix=v -- -i --nb-cores=1";
        assert_eq!(
            run_here(line, Maker::Ours),
            "-n 4 --lcores 2@(0,1),3@(0,1) --file-prefix=v --no-pci -- -i --nb-cores=1 --total-num-mbufs=16384"
        );
        let masked = run_here("testpmd -c 0xa -- -i", Maker::Ours);
        assert!(masked.contains("--lcores 1@(0,1),3@(0,1) "), "{masked}");
        assert_eq!(list("30,31,1-2").unwrap(), [30, 31, 1, 2]);
        assert!(list("1-x").is_err());
    }

    #[test]
    fn dma_words_go() {
        let line = "<dpdk dir># ./dpdk-testpmd -l 1-2 -a 0000:00:04.0 -a 0000:00:04.1,max_queues=2 \
            --vdev 'eth_vhost0,iface=a,queues=2,client=1,dmas=[txq0@0000:00:04.0;rxq0@0000:00:04.0],dma-ring-size=64' --iova=va -- -i";
        assert_eq!(
            run_here(line, Maker::Ours),
            "--lcores 1@(0,1),2@(0,1) --vdev eth_vhost0,iface=a,queues=2,client=1 --iova=va --no-pci -- -i --total-num-mbufs=16384"
        );
    }

    #[test]
    fn memory_shrinks() {
        let line = "numactl --membind=1 ./dpdk-testpmd -l 31-31 --socket-mem 0,2048 --no-pci -- -i --rxq=8 --txq=8 --rxd=1024 --txd=1024";
        assert_eq!(
            run_here(line, Maker::Dpdk),
            "--lcores 31@(0,1) --socket-mem 2048 --no-pci --no-huge -m 512 -- -i --rxq=8 --txq=8 --rxd=1024 --txd=1024 --total-num-mbufs=40960"
        );
        let large = run_here("testpmd -l 1 -- -i --mbuf-size=65535", Maker::Ours);
        assert!(large.ends_with("--total-num-mbufs=4096"), "{large}");
    }

    #[test]
    fn quotes_hold_words_together() {
        assert_eq!(words("a 'b c' --vdev=\"d e\" ''"), ["a", "b c", "--vdev=d e", ""]);
        assert!(arguments("no program", Maker::Ours, "0").is_err());
    }
}
