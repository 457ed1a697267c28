//! A line that is being typed: its text and where the cursor is.

/// Text with a cursor. Positions count characters.
#[derive(Debug, Default)]
pub struct Line {
    text: Vec<char>,
    cursor: usize,
}

impl Line {
    /// A line with the cursor at its end.
    pub fn new(text: &str) -> Self {
        let text: Vec<char> = text.chars().collect();
        Self { cursor: text.len(), text }
    }

    /// The whole text.
    pub fn text(&self) -> String {
        self.text.iter().collect()
    }

    /// What is left of the cursor.
    pub fn before(&self) -> String {
        self.text[..self.cursor].iter().collect()
    }

    /// What is under the cursor and right of it.
    pub fn after(&self) -> String {
        self.text[self.cursor..].iter().collect()
    }

    /// Characters right of the cursor.
    pub fn after_len(&self) -> usize {
        self.text.len() - self.cursor
    }

    /// Characters of the line.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether nothing is typed.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Puts text at the cursor, which goes behind it.
    pub fn insert(&mut self, text: &str) {
        let before = self.text.len();
        self.text.splice(self.cursor..self.cursor, text.chars());
        self.cursor += self.text.len() - before;
    }

    /// Goes to a position, at most the end. Returns the steps: left is negative.
    pub fn go(&mut self, position: usize) -> isize {
        let before = self.cursor as isize;
        self.cursor = position.min(self.text.len());
        self.cursor as isize - before
    }

    /// Where the cursor is.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Takes out what is between the cursor and `position`.
    pub fn remove_to(&mut self, position: usize) -> String {
        let position = position.min(self.text.len());
        let (start, end) = (position.min(self.cursor), position.max(self.cursor));
        self.cursor = start;
        self.text.drain(start..end).collect()
    }

    /// Where the word left of the cursor begins.
    pub fn word_left(&self) -> usize {
        let mut at = self.cursor;
        while at > 0 && self.text[at - 1].is_whitespace() {
            at -= 1;
        }
        while at > 0 && !self.text[at - 1].is_whitespace() {
            at -= 1;
        }
        at
    }

    /// Where the word right of the cursor ends.
    pub fn word_right(&self) -> usize {
        let rest = &self.text[self.cursor..];
        let blanks = rest.iter().take_while(|c| c.is_whitespace()).count();
        let word = rest[blanks..].iter().take_while(|c| !c.is_whitespace()).count();
        self.cursor + blanks + word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_in_the_middle() {
        let mut line = Line::new("shw");
        assert_eq!(line.go(2), -1);
        line.insert("o");
        assert_eq!(
            (line.text().as_str(), line.before().as_str(), line.after_len()),
            ("show", "sho", 1)
        );
        assert_eq!(line.go(99), 1);
        assert_eq!(line.remove_to(1), "how");
        assert_eq!((line.text().as_str(), line.cursor()), ("s", 1));
        assert_eq!(line.remove_to(99), "");
    }

    #[test]
    fn words() {
        let mut line = Line::new("set  burst 32 ");
        assert_eq!(line.word_left(), 11);
        line.go(3);
        assert_eq!((line.word_left(), line.word_right()), (0, 10));
        line.go(0);
        assert_eq!((line.word_left(), line.word_right()), (0, 3));
    }
}
