//! Which components a level is for.

use super::regex::Regex;

/// Components of this project with the names under which DPDK's users know what they do.
pub(crate) const COMPONENTS: &[(&str, &[&str])] = &[
    ("eal", &["lib.eal"]),
    ("pmd.net.vhost", &["pmd.net.vhost.driver", "lib.vhost.config", "lib.vhost.data"]),
    (
        "pmd.net.virtio",
        &["pmd.net.virtio.init", "pmd.net.virtio.driver", "pmd.net.virtio.rx", "pmd.net.virtio.tx"],
    ),
    ("pmd.net.null", &[]),
    ("pmd.net.pcap", &[]),
    ("pmd.net.ring", &[]),
    ("testpmd", &["app.testpmd"]),
];

/// Picks log components by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Component(Form);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Form {
    Pattern(String),
    Regex(Regex),
}

impl Component {
    /// Those whose whole name fits `pattern`, in which `*` stands for anything and `?` for one byte. `None` when it is empty.
    pub fn pattern(pattern: &str) -> Option<Self> {
        (!pattern.is_empty()).then(|| Self(Form::Pattern(pattern.into())))
    }

    /// Those in whose name the basic regular expression (POSIX, without groups) is found. `None` when it is empty or not
    /// understood.
    pub fn regex(regex: &str) -> Option<Self> {
        Regex::new(regex).map(|regex| Self(Form::Regex(regex)))
    }

    /// Whether a log target is picked, under any of its names.
    pub(super) fn picks(&self, target: &str) -> bool {
        let known = COMPONENTS.iter().find(|(name, _)| *name == target);
        let others = known.map_or(&[][..], |(_, others)| others);
        std::iter::once(&target).chain(others).any(|name| self.fits(name))
    }

    fn fits(&self, name: &str) -> bool {
        match &self.0 {
            Form::Pattern(pattern) => glob(pattern, name),
            Form::Regex(regex) => regex.is_in(name),
        }
    }
}

impl From<&str> for Component {
    fn from(pattern: &str) -> Self {
        Self(Form::Pattern(pattern.into()))
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for anything and `?` for one byte.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t, mut retry) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => (p, t) = (p + 1, t + 1),
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    (p, t) = (star + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_like_globs() {
        for (pattern, text) in [
            ("*", ""),
            ("*", "eal"),
            ("pmd.net.*", "pmd.net.vhost"),
            ("pmd.*.vhost", "pmd.net.vhost"),
            ("e?l", "eal"),
            ("*vhost*", "pmd.net.vhost.driver"),
            ("a*b*c", "a-b-b-c"),
        ] {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("", "eal"), ("eal", "eal2"), ("pmd.*", "pmd"), ("?", ""), ("a*b", "a-c")]
        {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn components_answer_to_the_names_that_users_know() {
        let picks = |pattern: &str, target: &str| Component::from(pattern).picks(target);
        assert!(picks("lib.vhost.*", "pmd.net.vhost"));
        assert!(picks("lib.eal", "eal") && picks("eal", "eal"));
        assert!(!picks("lib.*", "pmd.net.virtio"));
        assert!(picks("other", "other"), "components that are not listed have their own name");
    }
}
