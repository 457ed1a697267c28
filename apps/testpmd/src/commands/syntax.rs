//! What a command's syntax is made of.

/// One step of a syntax: what is typed there, and whether it may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The name it is asked for by; empty for fixed words.
    pub name: &'static str,
    /// What is accepted.
    pub kind: Kind,
    /// Whether it may be left out.
    pub optional: bool,
}

/// What is accepted at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One of these words, `|` between them.
    Words(&'static str),
    /// A number up to this one.
    Number(u64),
    /// A port's number.
    Port,
    /// `all` or a port's number.
    Ports,
    /// An Ethernet address.
    Mac,
    /// A file's name.
    File,
    /// Any word.
    Text,
    /// All that follows.
    Rest,
    /// The beginning of a command.
    Command,
}

impl Kind {
    fn named(kind: &'static str) -> Option<Self> {
        Some(match kind {
            "u8" => Self::Number(u8::MAX.into()),
            "u16" => Self::Number(u16::MAX.into()),
            "u32" => Self::Number(u32::MAX.into()),
            "u64" => Self::Number(u64::MAX),
            "port" => Self::Port,
            "ports" => Self::Ports,
            "mac" => Self::Mac,
            "file" => Self::File,
            "text" => Self::Text,
            "rest" => Self::Rest,
            "command" => Self::Command,
            words if words.contains('|') => Self::Words(words),
            _ => return None,
        })
    }

    /// Whether it takes the whole remaining line.
    pub fn takes_rest(self) -> bool {
        matches!(self, Self::Rest | Self::Command)
    }

    /// Whether `word` is one of the fixed words.
    pub fn has_word(self, word: &str) -> bool {
        self.words().any(|own| own == word)
    }

    /// The fixed words.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        let words = match self {
            Self::Words(words) => words,
            Self::Ports => "all",
            _ => "",
        };
        words.split('|').filter(|word| !word.is_empty())
    }

    /// Whether what was typed will do.
    pub fn accepts(self, typed: &str) -> bool {
        match self {
            Self::Words(_) => self.has_word(typed),
            Self::Number(most) => number(typed).is_some_and(|value| value <= most),
            Self::Port => port(typed).is_some(),
            Self::Ports => typed == "all" || port(typed).is_some(),
            Self::Mac => typed.parse::<pmd_core::MacAddr>().is_ok(),
            Self::File | Self::Text | Self::Rest => true,
            Self::Command => super::matching::is_beginning(typed),
        }
    }
}

/// The steps of a syntax. A malformed one is left out; a test looks for that.
pub fn steps(syntax: &'static str) -> impl Iterator<Item = Step> {
    syntax.split(' ').filter_map(step)
}

/// Reads one step; nothing when it is malformed.
pub fn step(text: &'static str) -> Option<Step> {
    if let Some(inner) = text.strip_prefix('[') {
        let step = step(inner.strip_suffix(']')?)?;
        return Some(Step { optional: true, ..step });
    }
    let Some(inner) = text.strip_prefix('<') else {
        let plain = !text.is_empty() && !text.contains(['>', ']', ':', '(', ')']);
        return plain.then_some(Step { name: "", kind: Kind::Words(text), optional: false });
    };
    let inner = inner.strip_suffix('>')?;
    let (name, kind) = inner.split_once(':').unwrap_or((inner, inner));
    Some(Step { name, kind: Kind::named(kind)?, optional: false })
}

/// A port's number.
pub fn port(typed: &str) -> Option<u16> {
    number(typed).and_then(|value| u16::try_from(value).ok())
}

/// A number as the reference reads it: decimal, `0x` hexadecimal, `0b` binary, `0` octal; no sign.
pub fn number(typed: &str) -> Option<u64> {
    let (digits, radix) = match typed.as_bytes() {
        [b'0', b'x', ..] => (&typed[2..], 16),
        [b'0', b'b', ..] => (&typed[2..], 2),
        [b'0', _, ..] => (&typed[1..], 8),
        _ => (typed, 10),
    };
    let plain = digits.chars().all(|c| c.is_digit(radix));
    u64::from_str_radix(digits, radix).ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_the_reference_reads_them() {
        for (typed, value) in [("0", 0), ("10", 10), ("0x1F", 31), ("0b101", 5), ("010", 8)] {
            assert_eq!(number(typed), Some(value), "{typed}");
        }
        assert_eq!(number("18446744073709551615"), Some(u64::MAX));
        for typed in ["", "-1", "+1", "0x", "0x+1", "0b", "0b2", "08", "1a", "18446744073709551616"]
        {
            assert_eq!(number(typed), None, "{typed}");
        }
    }

    #[test]
    fn steps_of_a_syntax() {
        let kinds: Vec<_> = steps("set a|b <count:u8> <ports> [<mode:io|mac>] [json]")
            .map(|step| (step.name, step.kind, step.optional))
            .collect();
        let expected = [
            ("", Kind::Words("set"), false),
            ("", Kind::Words("a|b"), false),
            ("count", Kind::Number(255), false),
            ("ports", Kind::Ports, false),
            ("mode", Kind::Words("io|mac"), true),
            ("", Kind::Words("json"), true),
        ];
        assert_eq!(kinds, expected);
        for malformed in ["", "<count:u15>", "<count>", "<ports", "[json", "(a|b)", "a>"] {
            assert_eq!(step(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn what_is_accepted() {
        assert!(Kind::Ports.accepts("all") && Kind::Ports.accepts("65535"));
        assert!(!Kind::Ports.accepts("65536") && !Kind::Port.accepts("all"));
        assert!(Kind::Mac.accepts("00:11:22:33:44:55") && !Kind::Mac.accepts("00:11"));
        assert!(Kind::Number(255).accepts("0xff") && !Kind::Number(255).accepts("256"));
        assert!(Kind::Words("on|off").accepts("off") && !Kind::Words("on|off").accepts("on|off"));
        assert!(Kind::Command.accepts("set burst") && !Kind::Command.accepts("me"));
    }
}
