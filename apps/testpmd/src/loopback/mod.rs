//! `--loopback`: two ports of this process that talk to each other, and how fast that is.
//!
//! A vhost-user port and a virtio-user port, each in an `Eal` of its own so that nothing is shared but what the socket
//! hands over, on a socket in a private folder. Packets are put into the loop once and forwarded by both ends until the end;
//! then they are collected and counted, so that *lost* is what was really not found.

mod end;
mod error;
mod folder;
mod keys;
mod rig;
mod table;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use eal::EalConfig;

use crate::cli::Options;
use crate::output::Output;
use crate::signals::Signals;
use crate::warn_user;
use error::Error;
use keys::Keys;
use rig::Rig;
use table::{Outcome, Table};

/// How often the table is drawn.
const TICK: Duration = Duration::from_secs(1);

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Bytes of a packet, without checksum.
    pub size_bytes: u16,
    /// Packets of a burst.
    pub burst: u16,
    /// Queue pairs.
    pub queues: u16,
}

/// Runs the loop as the options say. `base` is what EAL options asked for.
pub fn run(options: &Options, base: &EalConfig, signals: &Signals, mut out: Output) -> ExitCode {
    let load = Load {
        size_bytes: options.size.unwrap_or(64),
        burst: options.config.settings.burst,
        queues: options.queues.unwrap_or(1),
    };
    let outcome = match measure(options, load, base, signals, &mut out) {
        Ok(Some(outcome)) => outcome,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            warn_user!(out, "loopback: {error}");
            return ExitCode::FAILURE;
        }
    };
    let line = if options.json { outcome.json() } else { outcome.to_string() };
    crate::say!(out, "{line}");
    out.flush();
    match outcome.problem() {
        None if out.is_broken() => {
            warn_user!(out, "loopback: cannot write the result to standard output: {line}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
        Some(problem) => {
            warn_user!(out, "loopback: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// `None` when a signal came before anything was measured.
fn measure(
    options: &Options,
    load: Load,
    base: &EalConfig,
    signals: &Signals,
    out: &mut Output,
) -> Result<Option<Outcome>, Error> {
    let mut rig = Rig::new(load, base)?;
    warn_user!(out, "{}", rig.describe());
    if !rig.await_link(|| signals.arrived())? {
        return Ok(None);
    }
    let seconds = options.loopback.flatten();
    rig.start()?;
    let start = Instant::now();
    let end = seconds.and_then(|s| start.checked_add(Duration::from_secs_f64(s)));
    watch(&rig, end, signals, out);
    let (packets, elapsed) = (rig.received(), start.elapsed());
    let lost = rig.drain()?;
    let leaked = rig.close();
    Ok(Some(Outcome { packets, seconds: elapsed.as_secs_f64(), load, lost, leaked }))
}

/// Shows the table until the time is over, `q`, or a signal.
fn watch(rig: &Rig, end: Option<Instant>, signals: &Signals, out: &mut Output) {
    let mut keys = Keys::new();
    let mut table = Table::new(rig.load(), rig.rows());
    let shown = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let mut next = Instant::now() + TICK;
    loop {
        let until = end.map_or(next, |end| end.min(next));
        if keys.wait(signals, until) {
            return;
        }
        let now = Instant::now();
        if end.is_some_and(|end| now >= end) {
            return;
        }
        if now >= next {
            next += TICK;
            if shown {
                out.warn(format_args!("{}", table.draw(now, rig.rows())));
            }
        }
    }
}
