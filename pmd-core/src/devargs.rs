//! Device strings: `name,key=value,key=value`.
//!
//! The form is DPDK's (`--vdev`): a name, then items separated by commas; a value may hold commas inside square brackets;
//! an empty item is passed over; of a key given twice the last counts.

use std::cell::RefCell;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::Error;

/// A device string, taken apart. Getters remember which keys were asked for, so that
/// [`DevArgs::finish`] can refuse what the driver does not know.
#[derive(Clone, Debug)]
pub struct DevArgs {
    name: String,
    items: Vec<(String, String)>,
    known: RefCell<Vec<&'static str>>,
}

impl DevArgs {
    /// Takes `text` apart.
    ///
    /// # Errors
    ///
    /// [`Error::BadDevArgs`] when there is no name, or a bracket is not closed.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut parts = split_outside_brackets(text)?.into_iter();
        let name = parts.next().unwrap_or_default().trim();
        if let Some((name, rest)) = name.split_once(';') {
            return Err(Error::BadDevArgs(format!(
                "'{text}': items are separated by commas, not by ';': write {name},{}",
                rest.replace(';', ",")
            )));
        }
        if name.is_empty() || name.contains('=') {
            return Err(Error::BadDevArgs(format!(
                "'{text}': a device string begins with a name, as in net_vhost0,iface=/tmp/sock"
            )));
        }
        let items = parts.filter(|p| !p.is_empty()).map(|part| match part.split_once('=') {
            Some((key, value)) => (key.to_owned(), value.to_owned()),
            None => (part.to_owned(), String::new()),
        });
        Ok(Self { name: name.to_owned(), items: items.collect(), known: RefCell::default() })
    }

    /// The device's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digits at the end of the name, if there are any: 3 of `net_vhost3`.
    pub fn index(&self) -> Option<u32> {
        let stem = self.name.trim_end_matches(|c: char| c.is_ascii_digit());
        self.name[stem.len()..].parse().ok()
    }

    /// The value of `key`, if it was given.
    pub fn get(&self, key: &'static str) -> Option<&str> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        self.items.iter().rev().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// Every value of `key`, for devices that take it more than once.
    pub fn all(&self, key: &'static str) -> Vec<&str> {
        self.get(key);
        self.items.iter().filter(|(k, _)| k == key).map(|(_, value)| value.as_str()).collect()
    }

    /// The device string in the value of `key`, which is in square brackets: `dev=[net_vhost0,iface=/tmp/sock]`.
    ///
    /// # Errors
    ///
    /// [`Error::BadDevArgs`] when it is missing, or not in brackets.
    pub fn device(&self, key: &'static str) -> Result<Self, Error> {
        let value = self.required(key, "[net_vhost0,iface=/tmp/sock]")?;
        let inner = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        Self::parse(inner.ok_or_else(|| {
            Error::BadDevArgs(format!(
                "{}: '{key}={value}': write the device string in square brackets, as in {key}=[net_vhost0,iface=/tmp/sock]",
                self.name
            ))
        })?)
    }

    /// The value of `key`, which must be given and not be empty.
    ///
    /// # Errors
    ///
    /// [`Error::BadDevArgs`] with an example.
    pub fn required(&self, key: &'static str, example: &str) -> Result<&str, Error> {
        self.get(key).filter(|v| !v.is_empty()).ok_or_else(|| {
            Error::BadDevArgs(format!(
                "{}: '{key}=' is missing: write {},{key}={example}",
                self.name, self.name
            ))
        })
    }

    /// The value of `key` as a number (decimal or 0x), or `default`.
    ///
    /// # Errors
    ///
    /// [`Error::BadDevArgs`] when it is no number or outside `range`.
    pub fn number(
        &self,
        key: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Result<u64, Error> {
        let Some(value) = self.get(key) else { return Ok(default) };
        let number = match value.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None => value.parse().ok(),
        };
        number.filter(|n| range.contains(n)).ok_or_else(|| {
            let (min, max) = range.into_inner();
            Error::BadDevArgs(format!(
                "{}: '{key}={value}' is not a number from {min} to {max}",
                self.name
            ))
        })
    }

    /// The value of `key` as 0 or 1, or `default`.
    ///
    /// # Errors
    ///
    /// [`Error::BadDevArgs`] when it is anything else.
    pub fn flag(&self, key: &'static str, default: bool) -> Result<bool, Error> {
        Ok(self.number(key, u64::from(default), 0..=1)? == 1)
    }

    /// The value of `key` as any type that can be read from text, if it was given.
    ///
    /// # Errors
    ///
    /// [`Error::BadDevArgs`] with the type's own message.
    pub fn parsed<T: FromStr<Err: fmt::Display>>(
        &self,
        key: &'static str,
    ) -> Result<Option<T>, Error> {
        self.get(key)
            .map(|v| {
                v.parse().map_err(|e| Error::BadDevArgs(format!("{}: '{key}={v}': {e}", self.name)))
            })
            .transpose()
    }

    /// Refuses a string with keys that no getter was called for.
    ///
    /// # Errors
    ///
    /// [`Error::BadDevArgs`] naming the key, the nearest known one and all known ones.
    pub fn finish(&self) -> Result<(), Error> {
        let known = self.known.borrow();
        let Some((key, _)) = self.items.iter().find(|(k, _)| !known.contains(&k.as_str())) else {
            return Ok(());
        };
        let nearest = known.iter().min_by_key(|k| eal::args::distance(k, key));
        let hint = nearest.map(|k| format!(" (did you mean '{k}'?)")).unwrap_or_default();
        Err(Error::BadDevArgs(format!(
            "{}: unknown devarg '{key}'{hint}; known: {}",
            self.name,
            known.join(", ")
        )))
    }

    /// The part after the name, in the order given.
    pub fn arguments(&self) -> String {
        let item =
            |(k, v): &(String, String)| if v.is_empty() { k.clone() } else { format!("{k}={v}") };
        self.items.iter().map(item).collect::<Vec<_>>().join(",")
    }
}

impl fmt::Display for DevArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arguments = self.arguments();
        let comma = if arguments.is_empty() { "" } else { "," };
        write!(f, "{}{comma}{arguments}", self.name)
    }
}

fn split_outside_brackets(text: &str) -> Result<Vec<&str>, Error> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0u32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' if depth == 0 => return Err(unbalanced(text)),
            ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Err(unbalanced(text));
    }
    parts.push(&text[from..]);
    Ok(parts)
}

fn unbalanced(text: &str) -> Error {
    Error::BadDevArgs(format!("'{text}': brackets do not match"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_seed_string() {
        let a = DevArgs::parse("virtio_user0,mac=00:11:22:33:44:10,path=/tmp/vhost-net,queues=2")
            .unwrap();
        assert_eq!((a.name(), a.index()), ("virtio_user0", Some(0)));
        assert_eq!(a.number("queues", 1, 1..=8).unwrap(), 2);
        assert_eq!(a.required("path", "/tmp/x").unwrap(), "/tmp/vhost-net");
        assert!(a.parsed::<crate::MacAddr>("mac").unwrap().is_some());
        a.finish().unwrap();
    }

    #[test]
    fn empty_items_brackets_and_repeats() {
        let a = DevArgs::parse("x,in_order=0,,dmas=[txq0@a,rxq0@b],in_order=1").unwrap();
        assert_eq!(a.get("dmas"), Some("[txq0@a,rxq0@b]"));
        assert!(a.flag("in_order", false).unwrap());
        assert_eq!(a.to_string(), "x,in_order=0,dmas=[txq0@a,rxq0@b],in_order=1");
    }

    #[test]
    fn repeated_keys_and_devices_in_brackets() {
        let a = DevArgs::parse(
            "net_drop0,dev=[net_capture0,dev=[net_null0,size=60],file=/tmp/x],rx_pcap=a,rx_pcap=b",
        )
        .unwrap();
        assert_eq!(a.all("rx_pcap"), ["a", "b"]);
        let inner = a.device("dev").unwrap();
        assert_eq!((inner.name(), inner.get("file")), ("net_capture0", Some("/tmp/x")));
        assert_eq!(inner.device("dev").unwrap().to_string(), "net_null0,size=60");
        a.finish().unwrap();
        let bare = DevArgs::parse("net_drop0,dev=net_null0").unwrap();
        assert!(bare.device("dev").unwrap_err().to_string().contains("square brackets"));
    }

    #[test]
    fn semicolons_are_answered_with_the_string_to_write() {
        let error = DevArgs::parse("eth_pcap0;rx_pcap=in;tx_pcap=out").unwrap_err().to_string();
        assert!(error.contains("write eth_pcap0,rx_pcap=in,tx_pcap=out"), "{error}");
    }

    #[test]
    fn errors_say_what_to_do() {
        let a = DevArgs::parse("net_vhost0,ifase=/tmp/x,queues=0").unwrap();
        let missing = a.required("iface", "/tmp/sock").unwrap_err().to_string();
        assert!(missing.contains("write net_vhost0,iface=/tmp/sock"), "{missing}");
        let range = a.number("queues", 1, 1..=128).unwrap_err().to_string();
        assert!(range.contains("from 1 to 128"), "{range}");
        let unknown = a.finish().unwrap_err().to_string();
        assert!(unknown.contains("'ifase' (did you mean 'iface'?)"), "{unknown}");
        for bad in ["", ",a=1", "a=1", "x,a=[1", "x,a=1]"] {
            assert!(DevArgs::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,80}") {
            if let Ok(args) = DevArgs::parse(&text) {
                let _ = (args.index(), args.get("a"), args.finish(), args.to_string());
            }
        }

        #[test]
        fn written_is_read(name in "[a-z_]{1,12}[0-9]{0,3}", items in prop::collection::vec(("[a-z_]{1,8}", "[a-z0-9/:.]{1,12}"), 0..6)) {
            let text = items.iter().fold(name.clone(), |t, (k, v)| format!("{t},{k}={v}"));
            let args = DevArgs::parse(&text).unwrap();
            prop_assert_eq!(args.name(), name.as_str());
            prop_assert_eq!(args.items.clone(), items);
            prop_assert_eq!(args.to_string(), text);
        }
    }
}
