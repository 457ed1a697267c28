//! Options about lcores, pools and NUMA nodes.

use super::Options;
use super::spec::{COUNT, Spec, Takes, flag, unused, value};
use crate::config::parse_list;

pub const OPTIONS: &[Spec] = &[
    value("nb-cores", COUNT, |o, v| keep(&mut o.nb_cores, v), "number of forwarding cores"),
    value(
        "coremask",
        Takes::Value("MASK"),
        |o, v| keep(&mut o.core_mask, v),
        "forwarding cores, hexadecimal bits",
    ),
    value(
        "total-num-mbufs",
        COUNT,
        total_mbufs,
        "mbufs of the pool; by ports and queues if left out",
    ),
    value("mbuf-size", Takes::Value("BYTES"), mbuf_size, "bytes of an mbuf, with 128 of headroom"),
    value("mbcache", COUNT, mbcache, "mbufs that a thread may keep to itself"),
    value("mp-alloc", Takes::Value("native|anon|xmem|xmemhuge"), mp_alloc, MP_ALLOC),
    flag("mp-anon", |o| choose_mp_alloc(o, "anon"), MP_ALLOC),
    unused("no-iova-contig", Takes::Nothing, "pools are contiguous for every port here"),
    unused("multi-rx-mempool", Takes::Nothing, "a receive queue here takes one pool"),
    flag("mlockall", |o| o.lock_memory = true, "keep all memory from being swapped out"),
    flag("no-mlockall", |o| o.lock_memory = false, "do not"),
    flag("numa", |o| o.config.numa = true, "report NUMA support as enabled"),
    flag("no-numa", |o| o.config.numa = false, "report NUMA support as disabled"),
    value("socket-num", Takes::Value("NODE"), socket_num, "NUMA node of all memory"),
    value("port-numa-config", Takes::Value("(PORT,NODE)[,..]"), port_numa, "NUMA nodes of ports"),
    value(
        "ring-numa-config",
        Takes::Value("(PORT,FLAG,NODE)[,..]"),
        ring_numa,
        "NUMA nodes of rings; FLAG is 1 receive, 2 transmit, 3 both",
    ),
];

const MP_ALLOC: &str = "a name for reports; pools lie in the EAL's memory";

fn keep(place: &mut Option<String>, value: &str) -> Result<(), String> {
    *place = Some(value.to_owned());
    Ok(())
}

fn total_mbufs(o: &mut Options, text: &str) -> Result<(), String> {
    let count = text.parse().ok().filter(|&count| count > 1024);
    o.total_mbufs = Some(count.ok_or("total-num-mbufs should be > 1024")?);
    Ok(())
}

fn mbuf_size(o: &mut Options, text: &str) -> Result<(), String> {
    let sizes = parse_list(text).map_err(|_| "bad mbuf-size".to_owned())?;
    if !sizes.iter().all(|bytes| (1..65536).contains(bytes)) {
        return Err("mbuf-size should be > 0 and < 65536".into());
    }
    if let [first, _, ..] = sizes[..] {
        o.warnings.push(format!(
            "testpmd: --mbuf-size={text}: a receive queue here takes one pool, of {first} bytes"
        ));
    }
    o.config.mbuf_bytes = sizes.first().copied().unwrap_or(o.config.mbuf_bytes);
    Ok(())
}

fn mbcache(o: &mut Options, text: &str) -> Result<(), String> {
    let count = text.parse::<u16>().ok().filter(|&count| count <= 512);
    o.mbuf_cache = Some(count.ok_or("mbcache must be >= 0 and <= 512")?);
    Ok(())
}

fn mp_alloc(o: &mut Options, text: &str) -> Result<(), String> {
    let known = ["native", "anon", "xmem", "xmemhuge", "xbuf"];
    let name = known.into_iter().find(|name| *name == text).ok_or_else(|| {
        format!("mp-alloc {text} invalid - must be: native, anon, xmem or xmemhuge")
    })?;
    choose_mp_alloc(o, name);
    Ok(())
}

fn choose_mp_alloc(o: &mut Options, name: &'static str) {
    o.config.mp_alloc = name;
    if name != "native" {
        o.warnings.push(format!(
            "testpmd: --mp-alloc={name} changes nothing: pools lie in the EAL's memory"
        ));
    }
}

fn socket_num(o: &mut Options, text: &str) -> Result<(), String> {
    o.named_sockets.push(text.parse().map_err(|_| format!("Invalid socket id {text}"))?);
    Ok(())
}

fn port_numa(o: &mut Options, text: &str) -> Result<(), String> {
    for [port, socket] in tuples(text).ok_or("invalid port-numa configuration")? {
        o.port_sockets.push((port as u16, socket));
    }
    Ok(())
}

fn ring_numa(o: &mut Options, text: &str) -> Result<(), String> {
    for [_, flag, socket] in tuples(text).ok_or("invalid ring-numa configuration")? {
        if !(1..=3).contains(&flag) {
            return Err("invalid ring-numa configuration".into());
        }
        o.named_sockets.push(socket);
    }
    Ok(())
}

/// Reads `(a,b),(c,d)`: numbers up to 255. `None` when it is anything else.
fn tuples<const N: usize>(text: &str) -> Option<Vec<[u32; N]>> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?;
    let tuple = |part: &str| {
        let numbers: Vec<u32> = part
            .split(',')
            .map(|n| n.trim().parse().ok().filter(|&n| n < 256))
            .collect::<Option<_>>()?;
        numbers.try_into().ok()
    };
    inner.split("),(").map(tuple).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tuples_are_read_whole_or_not_at_all() {
        assert_eq!(tuples("(0,1),(2,3)"), Some(vec![[0, 1], [2, 3]]));
        assert_eq!(tuples("(0,3,1)"), Some(vec![[0, 3, 1]]));
        for bad in ["", "0,1", "(0,1", "(0)", "(0,1,2)", "(0,x)", "(0,256)", "()"] {
            assert_eq!(tuples::<2>(bad), None, "{bad}");
        }
    }
}
