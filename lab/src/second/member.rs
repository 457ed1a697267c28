//! The second process: joins the first one's `Eal`, claims queue pair 1 and forwards on it until it is killed.

use std::path::Path;
use std::sync::atomic::Ordering;

use eal::Eal;
use pmd_core::{Burst, MbufPool, RxBurst, TxBurst};
use pmd_virtio::queue::{attach_rx, attach_tx};

use super::queues::name;
use super::{POOL, config};
use crate::Result;
use crate::endpoint::BURST;
use crate::peer::end_of_input;
use crate::random::Random;

/// Forwards until its input ends.
///
/// # Errors
///
/// Whatever stands in the way of joining and claiming.
pub fn run(directory: &Path) -> Result<()> {
    let eal = Eal::attach(config(directory))?;
    let memory = eal.memory();
    println!("mapped {} {}", memory.private_base().addr(), memory.data_base().addr());
    let pool = MbufPool::attach(memory, POOL)?;
    let mut rx = attach_rx(memory, &name(2), pool.clone())?;
    let mut tx = attach_tx(memory, &name(3))?;
    println!("polling");
    let ended = end_of_input();
    let mut random = Random::new(memory.owner().raw().into());
    let (mut waiting, mut spare) = (Burst::new(BURST), Burst::new(BURST));
    while !ended.load(Ordering::Relaxed) {
        // It never sleeps, so that it is at work when it is killed, and hardly ever between two bursts.
        rx.burst(&mut waiting);
        tx.burst(&mut waiting);
        churn(&pool, &mut spare, &mut random);
    }
    Ok(())
}

/// Takes some buffers, or gives them back.
fn churn(pool: &MbufPool, spare: &mut Burst, random: &mut Random) {
    if random.below(3) == 0 {
        spare.clear();
    } else {
        pool.take_burst(spare, 1 + random.below(BURST as u64) as usize);
    }
}
