//! From a terminal's bytes to keys.

/// What was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Something to put into the line.
    Char(char),
    /// The line's end, LF or CR.
    Enter,
    /// Completes.
    Tab,
    /// Removes what is left of the cursor.
    Backspace,
    /// Removes what is under the cursor.
    Delete,
    /// One to the left.
    Left,
    /// One to the right.
    Right,
    /// A word to the left.
    WordLeft,
    /// A word to the right.
    WordRight,
    /// To the begin of the line.
    Home,
    /// To the end of the line.
    End,
    /// The line typed before.
    Up,
    /// The line typed after.
    Down,
    /// Removes from the cursor to the end.
    KillToEnd,
    /// Removes from the begin to the cursor.
    KillToStart,
    /// Removes the word left of the cursor.
    KillWord,
    /// Removes the word right of the cursor.
    KillNextWord,
    /// Puts back what was removed last.
    Yank,
    /// Drops the line.
    Interrupt,
    /// Ends the input if the line is empty.
    EndOfInput,
    /// Draws the line again.
    Redraw,
    /// Searches the lines typed before.
    Search,
    /// Leaves the search.
    Abort,
}

/// Reads keys from bytes, a byte at a time.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Ground,
    /// Behind an escape.
    Escape,
    /// In a control sequence, with its parameters.
    Sequence(Vec<u8>),
    /// In a character of several bytes.
    Character(Vec<u8>),
}

/// Longest control sequence; a longer one is none.
const LONGEST_SEQUENCE_BYTES: usize = 16;

impl Decoder {
    /// The key that this byte finishes. Bytes that make no key are passed over.
    pub fn next(&mut self, byte: u8) -> Option<Key> {
        match std::mem::take(&mut self.state) {
            State::Ground => self.ground(byte),
            State::Escape => self.escape(byte),
            State::Sequence(parameters) => self.sequence(parameters, byte),
            State::Character(bytes) => self.character(bytes, byte),
        }
    }

    fn ground(&mut self, byte: u8) -> Option<Key> {
        Some(match byte {
            b'\n' | b'\r' => Key::Enter,
            b'\t' => Key::Tab,
            0x7f | 0x08 => Key::Backspace,
            0x01 => Key::Home,
            0x02 => Key::Left,
            0x03 => Key::Interrupt,
            0x04 => Key::EndOfInput,
            0x05 => Key::End,
            0x06 => Key::Right,
            0x07 => Key::Abort,
            0x0b => Key::KillToEnd,
            0x0c => Key::Redraw,
            0x0e => Key::Down,
            0x10 => Key::Up,
            0x12 => Key::Search,
            0x15 => Key::KillToStart,
            0x17 => Key::KillWord,
            0x19 => Key::Yank,
            0x1b => {
                self.state = State::Escape;
                return None;
            }
            b' '..=b'~' => Key::Char(char::from(byte)),
            0xc2..=0xf4 => {
                self.state = State::Character(vec![byte]);
                return None;
            }
            _ => return None,
        })
    }

    fn escape(&mut self, byte: u8) -> Option<Key> {
        match byte {
            b'[' | b'O' => {
                self.state = State::Sequence(Vec::new());
                None
            }
            b'b' => Some(Key::WordLeft),
            b'f' => Some(Key::WordRight),
            b'd' => Some(Key::KillNextWord),
            0x7f | 0x08 => Some(Key::KillWord),
            // An escape alone, and then something else.
            _ => self.ground(byte),
        }
    }

    fn sequence(&mut self, mut parameters: Vec<u8>, byte: u8) -> Option<Key> {
        if (b' '..b'@').contains(&byte) && parameters.len() < LONGEST_SEQUENCE_BYTES {
            parameters.push(byte);
            self.state = State::Sequence(parameters);
            return None;
        }
        // A second parameter of 3 or 5 is Alt or Control.
        let with_modifier = parameters.ends_with(b";5") || parameters.ends_with(b";3");
        Some(match (byte, parameters.as_slice()) {
            (b'A', _) => Key::Up,
            (b'B', _) => Key::Down,
            (b'C', _) if with_modifier => Key::WordRight,
            (b'D', _) if with_modifier => Key::WordLeft,
            (b'C', _) => Key::Right,
            (b'D', _) => Key::Left,
            (b'H', _) | (b'~', b"1" | b"7") => Key::Home,
            (b'F', _) | (b'~', b"4" | b"8") => Key::End,
            (b'~', b"3") => Key::Delete,
            _ => return None,
        })
    }

    fn character(&mut self, mut bytes: Vec<u8>, byte: u8) -> Option<Key> {
        if !(0x80..0xc0).contains(&byte) {
            // The character was cut short.
            return self.ground(byte);
        }
        bytes.push(byte);
        match std::str::from_utf8(&bytes) {
            Ok(text) => text.chars().next().filter(|c| !c.is_control()).map(Key::Char),
            Err(error) if error.error_len().is_none() => {
                self.state = State::Character(bytes);
                None
            }
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = Decoder::default();
        let keys = bytes.iter().filter_map(|&byte| decoder.next(byte)).collect();
        assert!(matches!(decoder.state, State::Ground), "{bytes:?}");
        keys
    }

    #[test]
    fn plain_text_and_line_ends() {
        let expected = [Key::Char('a'), Key::Char('é'), Key::Char('語'), Key::Enter, Key::Enter];
        assert_eq!(keys("aé語\r\n".as_bytes()), expected);
    }

    #[test]
    fn sequences_of_terminals() {
        for (bytes, key) in [
            (&b"\x1b[A"[..], Key::Up),
            (b"\x1bOA", Key::Up),
            (b"\x1b[1;5C", Key::WordRight),
            (b"\x1b[1;3D", Key::WordLeft),
            (b"\x1bb", Key::WordLeft),
            (b"\x1b[H", Key::Home),
            (b"\x1bOF", Key::End),
            (b"\x1b[1~", Key::Home),
            (b"\x1b[3~", Key::Delete),
            (b"\x1b\x7f", Key::KillWord),
        ] {
            assert_eq!(keys(bytes), [key], "{bytes:?}");
        }
        assert_eq!(keys(b"\x1b[15~\x1b[200~\x1b\x1b[A"), [Key::Up], "unknown ones are nothing");
    }

    #[test]
    fn broken_characters_are_passed_over() {
        assert_eq!(
            keys(b"\xff\x80a\xe8b\xc3\xc3\xa9"),
            [Key::Char('a'), Key::Char('b')]
                .to_vec()
                .into_iter()
                .chain([Key::Char('é')])
                .collect::<Vec<_>>()
        );
        assert_eq!(keys(b"\xed\xa0\x80x"), [Key::Char('x')], "a surrogate is no character");
        assert_eq!(keys("\u{85}".as_bytes()), [], "nor is a control character one to type");
    }

    #[test]
    fn any_bytes_do_no_harm() {
        let mut decoder = Decoder::default();
        let mut state = 1u32;
        for _ in 0..100_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let _ = decoder.next((state >> 24) as u8);
        }
    }
}
