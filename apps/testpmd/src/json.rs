//! Writing JSON: objects whose fields come in the order in which they were given, on one line.

use std::fmt::Write;

/// An object being written.
#[derive(Clone, Debug, Default)]
pub struct Json(String);

/// What a field can hold.
pub trait Value {
    /// Puts it behind `text`.
    fn write_to(&self, text: &mut String);
}

impl Json {
    /// An object without fields.
    pub fn object() -> Self {
        Self::default()
    }

    /// With one more field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Value) -> Self {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        name.write_to(&mut self.0);
        self.0.push(':');
        value.write_to(&mut self.0);
        self
    }
}

impl std::fmt::Display for Json {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{{{}}}", self.0)
    }
}

impl Value for Json {
    fn write_to(&self, text: &mut String) {
        let _ = write!(text, "{self}");
    }
}

impl Value for bool {
    fn write_to(&self, text: &mut String) {
        let _ = write!(text, "{self}");
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {
        $(impl Value for $number {
            fn write_to(&self, text: &mut String) {
                let _ = write!(text, "{self}");
            }
        })*
    };
}

numbers!(u8 u16 u32 u64 usize);

impl Value for str {
    fn write_to(&self, text: &mut String) {
        text.push('"');
        for c in self.chars() {
            match c {
                '"' | '\\' => text.extend(['\\', c]),
                c if c.is_control() => {
                    let _ = write!(text, "\\u{:04x}", u32::from(c));
                }
                c => text.push(c),
            }
        }
        text.push('"');
    }
}

impl Value for String {
    fn write_to(&self, text: &mut String) {
        self.as_str().write_to(text);
    }
}

impl<V: Value + ?Sized> Value for &V {
    fn write_to(&self, text: &mut String) {
        (**self).write_to(text);
    }
}

/// Nothing is `null`.
impl<V: Value> Value for Option<V> {
    fn write_to(&self, text: &mut String) {
        match self {
            Some(value) => value.write_to(text),
            None => text.push_str("null"),
        }
    }
}

impl<V: Value> Value for Vec<V> {
    fn write_to(&self, text: &mut String) {
        text.push('[');
        for (index, value) in self.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            value.write_to(text);
        }
        text.push(']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parser_reads_what_was_meant() {
        let inner = Json::object().with("up", true).with("speed", None::<u32>);
        let json = Json::object()
            .with("odd \"name\"\\\n\u{1}\u{7f}é", "a\tb")
            .with("most", u64::MAX)
            .with("link", inner)
            .with("list", vec![1u16, 2])
            .with("none", Vec::<String>::new());
        let read: serde_json::Value = serde_json::from_str(&json.to_string()).unwrap();
        let expected = serde_json::json!({
            "odd \"name\"\\\n\u{1}\u{7f}é": "a\tb",
            "most": u64::MAX,
            "link": {"up": true, "speed": null},
            "list": [1, 2],
            "none": [],
        });
        assert_eq!(read, expected);
        assert_eq!(Json::object().to_string(), "{}");
    }
}
