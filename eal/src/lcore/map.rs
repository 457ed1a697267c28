//! Which lcores there are and on which CPUs each may run.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;

use crate::error::Error;

/// Highest lcore id and CPU number that are understood.
pub const MAX_LCORE: u32 = 1023;

/// Lcore ids with their CPU sets, in the order of ids.
///
/// ```
/// use eal::LcoreMap;
/// let map = LcoreMap::parse_map("0@0,(1-2)@(4,6)").unwrap();
/// assert_eq!(map.ids().collect::<Vec<_>>(), [0, 1, 2]);
/// assert_eq!(map.cpus(2), Some(&[4, 6][..]));
/// assert_eq!(LcoreMap::parse_list("1-3,8").unwrap().to_string(), "1@1,2@2,3@3,8@8");
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LcoreMap {
    entries: BTreeMap<u32, Vec<u32>>,
}

/// Forms that [`LcoreMap::parse_list`] takes.
pub const LIST_FORM: &str = "core numbers and ranges, such as 0-3,6";
/// Forms that [`LcoreMap::parse_map`] takes.
pub const MAP_FORM: &str =
    "lcores[@cpus] items with each lcore once, such as 0@0,1@0 or (0-3)@(1,2)";
/// Forms that [`LcoreMap::parse_mask`] takes.
pub const MASK_FORM: &str = "a hexadecimal mask of cores, such as 0xff";

impl LcoreMap {
    /// An lcore of its own on each CPU given (`-l`).
    pub fn parse_list(text: &str) -> Option<Self> {
        Self::on_own_cpus(&parse_numbers(text)?)
    }

    /// An lcore of its own on each CPU whose bit is set (`-c`).
    pub fn parse_mask(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
        let mut cpus = BTreeSet::new();
        for (place, digit) in digits.chars().rev().enumerate() {
            let digit = digit.to_digit(16)?;
            let first = u32::try_from(place).ok()?.checked_mul(4)?;
            cpus.extend((0..4).filter(|bit| digit & (1 << bit) != 0).map(|bit| first + bit));
        }
        Self::on_own_cpus(&cpus)
    }

    /// Lcores with CPU sets (`--lcores`): items `lcores[@cpus]`, each side one number or a set in
    /// parentheses. Without `@cpus` the item's lcores run on the CPUs of the same numbers.
    pub fn parse_map(text: &str) -> Option<Self> {
        let mut map = Self::default();
        for item in split_items(text)? {
            let (lcores, cpus) = match item.split_once('@') {
                Some((lcores, cpus)) => (parse_side(lcores)?, Some(parse_side(cpus)?)),
                None => (parse_side(item)?, None),
            };
            let shared = item.starts_with('(');
            for &lcore in &lcores {
                let own = match (&cpus, shared) {
                    (Some(cpus), _) => cpus.iter().copied().collect(),
                    (None, true) => lcores.iter().copied().collect(),
                    (None, false) => vec![lcore],
                };
                if map.entries.insert(lcore, own).is_some() {
                    return None;
                }
            }
        }
        (!map.entries.is_empty()).then_some(map)
    }

    /// An lcore of its own on each of these CPUs, named like them. `None` when there are none.
    pub fn on_own_cpus<'a>(cpus: impl IntoIterator<Item = &'a u32>) -> Option<Self> {
        let entries: BTreeMap<u32, Vec<u32>> =
            cpus.into_iter().map(|&cpu| (cpu, vec![cpu])).collect();
        let known = entries.keys().all(|&cpu| cpu <= MAX_LCORE);
        (known && !entries.is_empty()).then_some(Self { entries })
    }

    /// The same lcores, each on one of `cpus` in turn.
    pub(super) fn on_cpus(&self, cpus: &BTreeSet<u32>) -> Self {
        let each = cpus.iter().cycle();
        Self { entries: self.ids().zip(each).map(|(lcore, &cpu)| (lcore, vec![cpu])).collect() }
    }

    /// The lcore ids, rising.
    pub fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        self.entries.keys().copied()
    }

    /// The CPUs of an lcore, rising.
    pub fn cpus(&self, lcore: u32) -> Option<&[u32]> {
        self.entries.get(&lcore).map(Vec::as_slice)
    }

    /// Refuses a main lcore that there is not.
    pub(crate) fn check_main(&self, lcore: u32) -> Result<(), Error> {
        if self.entries.contains_key(&lcore) {
            return Ok(());
        }
        Err(Error::NoMainLcore { lcore, lcores: ranges(&self.ids().collect()) })
    }

    /// Every CPU that some lcore may run on.
    pub fn all_cpus(&self) -> BTreeSet<u32> {
        self.entries.values().flatten().copied().collect()
    }
}

impl fmt::Display for LcoreMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (lcore, cpus)) in self.entries.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let list: Vec<String> = cpus.iter().map(u32::to_string).collect();
            match list.as_slice() {
                [one] => write!(f, "{comma}{lcore}@{one}")?,
                _ => write!(f, "{comma}{lcore}@({})", list.join(","))?,
            }
        }
        Ok(())
    }
}

/// Numbers as a list with ranges, such as `0-3,6`.
pub(super) fn ranges(numbers: &BTreeSet<u32>) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let run = |&(first, last): &(u32, u32)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    runs.iter().map(run).collect::<Vec<_>>().join(",")
}

/// Numbers and ranges, separated by commas: `1,3-5`. Ranges may fall (`5-3`).
pub(crate) fn parse_numbers(text: &str) -> Option<BTreeSet<u32>> {
    let mut numbers = BTreeSet::new();
    for item in text.split(',') {
        let (first, last) = match item.split_once('-') {
            Some((first, last)) => (parse_number(first)?, parse_number(last)?),
            None => (parse_number(item)?, parse_number(item)?),
        };
        numbers.extend(first.min(last)..=first.max(last));
    }
    Some(numbers)
}

fn parse_number(text: &str) -> Option<u32> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number.filter(|&number| number <= MAX_LCORE)
}

/// One side of an item: a set in parentheses, or a bare number or range.
fn parse_side(text: &str) -> Option<BTreeSet<u32>> {
    let text = text.trim();
    match text.strip_prefix('(') {
        Some(rest) => parse_numbers(rest.strip_suffix(')')?),
        None if text.contains(',') => None,
        None => parse_numbers(text),
    }
}

/// Splits at commas outside parentheses. `None` when parentheses do not match.
fn split_items(text: &str) -> Option<Vec<&str>> {
    let (mut items, mut start, mut open) = (Vec::new(), 0, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' if open => return None,
            b'(' => open = true,
            b')' if !open => return None,
            b')' => open = false,
            b',' if !open => {
                items.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(text[start..].trim());
    (!open).then_some(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn map(text: &str) -> String {
        LcoreMap::parse_map(text).map_or("refused".into(), |map| map.to_string())
    }

    #[test]
    fn maps_as_dpdk_documents_them() {
        assert_eq!(map("0@0,1@1"), "0@0,1@1");
        assert_eq!(map("3@0,4@1"), "3@0,4@1");
        assert_eq!(map("(0-3)@(1,2)"), "0@(1,2),1@(1,2),2@(1,2),3@(1,2)");
        assert_eq!(
            map("1,2@(5-7),(3-5)@(0,2),(0,6),7-8"),
            "0@(0,6),1@1,2@(5,6,7),3@(0,2),4@(0,2),5@(0,2),6@(0,6),7@7,8@8"
        );
        assert_eq!(map(" 0 @ 0 , 1 @ ( 0 - 1 ) "), "0@0,1@(0,1)");
    }

    #[test]
    fn lcores_are_spread_over_the_cpus_there_are() {
        let map = LcoreMap::parse_list("0-4").unwrap();
        assert_eq!(map.on_cpus(&BTreeSet::from([0, 2])).to_string(), "0@0,1@2,2@0,3@2,4@0");
        assert_eq!(map.on_cpus(&BTreeSet::from([0])).to_string(), "0@0,1@0,2@0,3@0,4@0");
    }

    #[test]
    fn numbers_are_listed_with_ranges() {
        assert_eq!(ranges(&BTreeSet::from([0, 1, 2, 5, 7, 8])), "0-2,5,7-8");
        assert_eq!(ranges(&BTreeSet::new()), "");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "", "a", "0@", "@0", "0@0,", "(0", "0)", "((0))", "0@0,0@1", "1024", "-1", "0@(1", "+1",
        ] {
            assert_eq!(map(text), "refused", "{text:?}");
        }
        assert!(LcoreMap::parse_list("1,,2").is_none());
        assert!(LcoreMap::parse_list("4294967295").is_none());
    }

    #[test]
    fn masks_name_bits() {
        let mask = |text| LcoreMap::parse_mask(text).map(|map| map.ids().collect::<Vec<_>>());
        assert_eq!(mask("0x6"), Some(vec![1, 2]));
        assert_eq!(mask("ff").unwrap().len(), 8);
        assert_eq!(mask("0x10000000000000000"), Some(vec![64]));
        assert_eq!(mask("0"), None);
        assert_eq!(mask("xyz"), None);
        assert_eq!(mask(&"f".repeat(300)), None);
    }

    proptest! {
        #[test]
        fn what_is_displayed_parses_back(
            entries in prop::collection::btree_map(0u32..128, prop::collection::btree_set(0u32..64, 1..5), 1..20)
        ) {
            let entries = entries.into_iter().map(|(id, set)| (id, set.into_iter().collect())).collect();
            let map = LcoreMap { entries };
            prop_assert_eq!(LcoreMap::parse_map(&map.to_string()), Some(map));
        }

        #[test]
        fn no_text_panics(text in "[0-9a-fx@(),\\- ]{0,40}") {
            let _ = (LcoreMap::parse_map(&text), LcoreMap::parse_list(&text), LcoreMap::parse_mask(&text));
        }
    }
}
