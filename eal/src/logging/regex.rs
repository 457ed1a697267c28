//! Basic regular expressions as POSIX has them (without groups and counted repetition), for names of log components.

/// One expression.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Regex {
    items: Vec<Item>,
    from_start: bool,
    to_end: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Item {
    atom: Atom,
    /// May be left out.
    optional: bool,
    /// May come again.
    repeats: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Atom {
    Any,
    Byte(u8),
    /// One of these ranges, or none of them.
    Class {
        ranges: Vec<(u8, u8)>,
        negated: bool,
    },
}

impl Regex {
    /// `None` for an empty expression and what is not understood.
    pub fn new(text: &str) -> Option<Self> {
        let (from_start, rest) = match text.strip_prefix('^') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (to_end, rest) = match rest.strip_suffix('$') {
            Some(rest) if !rest.ends_with('\\') => (true, rest),
            _ => (false, rest),
        };
        let items = items(rest.as_bytes())?;
        (!text.is_empty()).then_some(Self { items, from_start, to_end })
    }

    /// Whether it is found in `text`.
    pub fn is_in(&self, text: &str) -> bool {
        let mut states = vec![false; self.items.len() + 1];
        self.enter(&mut states, 0);
        let bytes = text.as_bytes();
        for at in 0..=bytes.len() {
            if states[self.items.len()] && (!self.to_end || at == bytes.len()) {
                return true;
            }
            let Some(&byte) = bytes.get(at) else { return false };
            states = self.step(&states, byte);
        }
        false
    }

    /// Marks `state` and those that are reached from it without a byte.
    fn enter(&self, states: &mut [bool], state: usize) {
        for (state, reached) in states.iter_mut().enumerate().skip(state) {
            *reached = true;
            if self.items.get(state).is_none_or(|item| !item.optional) {
                return;
            }
        }
    }

    fn step(&self, states: &[bool], byte: u8) -> Vec<bool> {
        let mut next = vec![false; states.len()];
        let here = self.items.iter().enumerate().filter(|(state, _)| states[*state]);
        for (state, item) in here.filter(|(_, item)| item.atom.takes(byte)) {
            self.enter(&mut next, state + 1);
            if item.repeats {
                next[state] = true;
            }
        }
        if !self.from_start {
            self.enter(&mut next, 0);
        }
        next
    }
}

impl Atom {
    fn takes(&self, byte: u8) -> bool {
        match self {
            Self::Any => true,
            Self::Byte(own) => *own == byte,
            Self::Class { ranges, negated } => {
                ranges.iter().any(|&(low, high)| (low..=high).contains(&byte)) != *negated
            }
        }
    }
}

fn items(mut text: &[u8]) -> Option<Vec<Item>> {
    let mut items: Vec<Item> = Vec::new();
    while let Some((&first, rest)) = text.split_first() {
        let (atom, rest) = match (first, rest) {
            (b'.', rest) => (Atom::Any, rest),
            (b'[', rest) => class(rest)?,
            // A star that has nothing before it is a star.
            (b'*', rest) if !items.is_empty() => {
                let last = items.last_mut()?;
                (last.optional, last.repeats) = (true, true);
                text = rest;
                continue;
            }
            (b'\\', [b'+', rest @ ..]) => {
                items.last_mut()?.repeats = true;
                text = rest;
                continue;
            }
            (b'\\', [b'?', rest @ ..]) => {
                items.last_mut()?.optional = true;
                text = rest;
                continue;
            }
            (b'\\', [byte, rest @ ..])
                if byte.is_ascii_punctuation() && !b"(){}|<>".contains(byte) =>
            {
                (Atom::Byte(*byte), rest)
            }
            (b'\\', _) => return None,
            (byte, rest) => (Atom::Byte(byte), rest),
        };
        items.push(Item { atom, optional: false, repeats: false });
        text = rest;
    }
    Some(items)
}

/// What stands between brackets, and what follows them.
fn class(text: &[u8]) -> Option<(Atom, &[u8])> {
    let (negated, text) = match text {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    // A bracket in the first place is one of the characters.
    let end = 1 + text.get(1..)?.iter().position(|&byte| byte == b']')?;
    let (mut inside, after) = (&text[..end], &text[end + 1..]);
    let mut ranges = Vec::new();
    while let [low, rest @ ..] = inside {
        (inside, ()) = match rest {
            [b'-', high, rest @ ..] => (rest, ranges.push((*low, *high))),
            rest => (rest, ranges.push((*low, *low))),
        };
    }
    Some((Atom::Class { ranges, negated }, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(regex: &str, text: &str) -> bool {
        Regex::new(regex).unwrap().is_in(text)
    }

    #[test]
    fn what_is_found() {
        for (regex, text) in [
            ("eal", "lib.eal"),
            ("^lib", "lib.eal"),
            ("eal$", "lib.eal"),
            ("^pmd\\.net\\..*", "pmd.net.vhost"),
            ("pmd.*vhost", "pmd.net.vhost.driver"),
            ("^a*b*$", ""),
            ("^a*b*$", "aab"),
            ("v[a-h]o[st]*$", "vhost"),
            ("[^.]*$", "a.b"),
            ("[]a]b", "]b"),
            ("ab\\+c", "abbc"),
            ("ab\\?c$", "xac"),
            ("user1", "user1"),
            ("*x", "*x"),
            ("a|b", "a|b"),
        ] {
            assert!(found(regex, text), "{regex} in {text}");
        }
    }

    #[test]
    fn what_is_not_found() {
        for (regex, text) in [
            ("^eal", "lib.eal"),
            ("lib$", "lib.eal"),
            ("lib\\.eal", "lib-eal"),
            ("ab\\+c", "ac"),
            ("^[^a]*$", "bab"),
            ("a|b", "a"),
            ("x", ""),
        ] {
            assert!(!found(regex, text), "{regex} in {text}");
        }
    }

    #[test]
    fn what_is_not_understood() {
        for regex in ["", "[a", "a\\", "\\(a\\)", "\\{", "[]", "\\w"] {
            assert_eq!(Regex::new(regex), None, "{regex:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(regex in "[a-c.*^$\\[\\]\\\\+?-]{0,12}", text in "[a-c.]{0,12}") {
            if let Some(regex) = Regex::new(&regex) {
                let _ = regex.is_in(&text);
            }
        }
    }
}
