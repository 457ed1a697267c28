//! Random sequences against a plain model: what is held is in use, the rest is free, after every single call.

use super::super::cache::Cache;
use super::super::record::Record;
use super::super::test_pool::{TestPool, give, give_uncached, handle_of, take, take_uncached};
use proptest::prelude::*;
use std::collections::HashSet;
use std::ptr::NonNull;

#[derive(Clone, Debug)]
enum Call {
    /// Take this many with cache 0, cache 1 or none.
    Take(usize, usize),
    /// Give this many back, oldest first, likewise.
    Give(usize, usize),
    /// Close the cache; its next use makes a new one.
    Close(usize),
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        4 => (0..3_usize, 0..14_usize).prop_map(|(who, count)| Call::Take(who, count)),
        4 => (0..3_usize, 0..14_usize).prop_map(|(who, count)| Call::Give(who, count)),
        1 => (0..2_usize).prop_map(Call::Close),
    ]
}

struct Player<'a> {
    pool: &'a TestPool,
    caches: [Option<Cache>; 2],
    held: Vec<NonNull<Record>>,
}

impl Player<'_> {
    fn play(&mut self, call: &Call) {
        let view = self.pool.view(super::ME);
        match *call {
            Call::Take(who, count) => {
                let slot = self.caches.get_mut(who);
                let taken = match slot {
                    Some(cache) => {
                        if cache.is_none() {
                            *cache = Cache::for_take(view);
                        }
                        cache.as_mut().map_or_else(Vec::new, |cache| take(cache, count))
                    }
                    None => take_uncached(&view, count),
                };
                self.held.extend(taken);
            }
            Call::Give(who, count) => {
                let records: Vec<_> = self.held.drain(..count.min(self.held.len())).collect();
                match self.caches.get_mut(who) {
                    Some(cache) => {
                        give(cache.get_or_insert_with(|| Cache::for_give(view).unwrap()), &records);
                    }
                    None => give_uncached(&view, &records),
                }
            }
            Call::Close(who) => {
                if let Some(cache) = self.caches[who].take() {
                    cache.close();
                }
            }
        }
    }

    fn check(&self) {
        let view = self.pool.view(super::ME);
        let audit = view.audit();
        assert!(audit.is_exact(), "{audit}");
        assert_eq!(audit.in_use as usize, self.held.len());
        assert_eq!(view.in_use() as usize, self.held.len());
        let distinct: HashSet<u32> = self.held.iter().map(|&record| handle_of(record)).collect();
        assert_eq!(distinct.len(), self.held.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_pool_is_exact_after_every_call(
        size in 1..40_u32,
        capacity in 1..6_u32,
        calls in proptest::collection::vec(call(), 1..60),
    ) {
        let pool = TestPool::new(size, capacity, 2);
        let mut player = Player { pool: &pool, caches: [None, None], held: Vec::new() };
        for call in &calls {
            player.play(call);
            player.check();
        }
    }
}
