//! What `lab-peer` does, by its first argument.
//!
//! | words | what |
//! |---|---|
//! | `forward DEVARGS QUEUES` | sends every packet back until its input ends |
//! | `generate DEVARGS QUEUES COUNT SIZE...` | sends `COUNT` packets of each size and finds them again |
//! | `kill END ROLE SEED ROUNDS` | kills peers of the port that survives: see [`crate::kill`] |
//! | `console SEED FIRST COUNT` | random lines at two prompts: see [`crate::sequence::console`] |
//! | `sequence here\|apart SEED FIRST COUNT` | random sequences: see [`crate::sequence`] |
//! | `second SEED ROUNDS` | kills second processes of one `Eal`: see [`crate::second`] |
//! | `frozen SEED COUNT` | freezes second processes in their queues |
//! | `member DIRECTORY` | is such a second process |
//!
//! It says `ready` when its port is started, and `done` at the end.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Result;
use crate::echo::Echo;
use crate::endpoint::{Endpoint, Settings};
use crate::kill::{self, Survivor};
use crate::process::PATIENCE;
use crate::second;
use crate::sequence::{self, Peers};

/// Plays the role that `args` name.
///
/// # Errors
///
/// Words that are not understood, or what went wrong.
pub fn run(args: &[String]) -> Result<()> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["forward", devargs, queues] => forward(&Settings::new(*devargs, queues.parse()?))?,
        ["generate", devargs, queues, count, sizes @ ..] => {
            let sizes: Vec<usize> = sizes.iter().map(|s| s.parse()).collect::<Result<_, _>>()?;
            generate(&Settings::new(*devargs, queues.parse()?), count.parse()?, &sizes)?;
        }
        ["kill", end, role, seed, rounds] => {
            kill::run(Survivor::parse(end, role)?, seed.parse()?, rounds.parse()?)?;
        }
        ["console", seed, first, count] => {
            sequence::console::run(seed.parse()?, first.parse()?, count.parse()?)?;
        }
        ["sequence", place, seed, first, count] => {
            let peers = if *place == "here" { Peers::Here } else { Peers::Apart };
            sequence::run(peers, seed.parse()?, first.parse()?, count.parse()?)?;
        }
        ["second", seed, rounds] => second::run(seed.parse()?, rounds.parse()?)?,
        ["frozen", seed, count] => second::run_frozen(seed.parse()?, count.parse()?)?,
        ["member", directory] => second::member::run(directory.as_ref())?,
        _ => return Err(format!("no such role: {words:?}").into()),
    }
    println!("done");
    Ok(())
}

/// Becomes true when the input ends.
pub fn end_of_input() -> Arc<AtomicBool> {
    let ended = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&ended);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        flag.store(true, Ordering::Relaxed);
    });
    ended
}

fn forward(settings: &Settings) -> Result<()> {
    let mut endpoint = Endpoint::start(settings)?;
    println!("ready");
    let ended = end_of_input();
    while !ended.load(Ordering::Relaxed) {
        if endpoint.lanes().forward() == 0 {
            std::thread::yield_now();
        }
    }
    endpoint.finish()?;
    Ok(())
}

fn generate(settings: &Settings, count: u64, sizes: &[usize]) -> Result<()> {
    let mut endpoint = Endpoint::start(settings)?;
    println!("ready");
    endpoint.wait_link(true, PATIENCE)?;
    let mut echo = Echo::new(endpoint.queues(), crate::packet::FRAME_BYTES_MIN);
    for &size in sizes {
        echo.set_frame_bytes(size);
        echo.run(endpoint.lanes(), count)?;
    }
    drop(echo);
    endpoint.finish()?;
    Ok(())
}
