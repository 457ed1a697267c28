//! Options about what is forwarded, and how packets are made.

use super::Options;
use super::spec::{COUNT, LIST, Spec, Takes, refused, unused, value};
use crate::engine::Mode;

pub const OPTIONS: &[Spec] = &[
    value("forward-mode", Takes::Value("MODE"), forward_mode, "io, mac, macswap, flowgen, rxonly, txonly, csum, icmpecho or 5tswap"),
    value("txpkts", LIST, txpkts, "bytes of the segments of made packets: 64 or 64,128"),
    refused("txonly-multi-flow", Takes::Nothing, "made packets are of one flow yet"),
    refused("tx-ip", Takes::Value("SOURCE,DESTINATION"), "made packets have fixed addresses yet"),
    refused("tx-udp", Takes::Value("SOURCE[,DESTINATION]"), "made packets have fixed ports yet"),
    refused("flowgen-clones", COUNT, "there is no flowgen mode yet"),
    refused("flowgen-flows", COUNT, "there is no flowgen mode yet"),
    refused("record-core-cycles", Takes::Nothing, "cycles are not measured yet"),
    refused("record-burst-stats", Takes::Nothing, "bursts are not counted yet"),
    unused("noisy-tx-sw-buffer-size", COUNT, NOISY),
    unused("noisy-tx-sw-buffer-flushtime", COUNT, NOISY),
    unused("noisy-lkup-memory", COUNT, NOISY),
    unused("noisy-lkup-num-writes", COUNT, NOISY),
    unused("noisy-lkup-num-reads", COUNT, NOISY),
    unused("noisy-lkup-num-reads-writes", COUNT, NOISY),
];

const NOISY: &str = "as there is no mode 'noisy'";

fn txpkts(o: &mut Options, text: &str) -> Result<(), String> {
    o.txpkts = Some(text.to_owned());
    Ok(())
}

fn forward_mode(o: &mut Options, text: &str) -> Result<(), String> {
    match Mode::from_name(text) {
        Some(mode) => {
            o.config.mode = mode;
            o.announcements.push(format!("Set {text} packet forwarding mode"));
        }
        None if Mode::LATER.contains(&text) => {
            return Err(format!(
                "{text} packet forwarding is not supported - use {}",
                Mode::names()
            ));
        }
        None => o.unknown_mode = Some(text.to_owned()),
    }
    Ok(())
}
