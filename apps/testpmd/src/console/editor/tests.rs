use super::*;

/// Feeds bytes to an editor: what was written, and what came of the last byte.
struct Keyboard {
    editor: Editor,
}

impl Keyboard {
    fn new() -> Self {
        Self { editor: Editor::new(History::default()) }
    }

    fn typed(&mut self, bytes: &str) -> (String, Typed) {
        let complete = |text: &str| match text {
            "sta" => Completion { insert: "rt ".into(), list: vec!["start".into()] },
            "s" => Completion { insert: String::new(), list: vec!["start".into(), "stop".into()] },
            _ => Completion::default(),
        };
        let feed = |&byte: &u8| self.editor.feed(byte, complete);
        let last = bytes.as_bytes().iter().map(feed).last().unwrap();
        (self.editor.take_screen(), last)
    }

    fn screen(&mut self, bytes: &str) -> String {
        self.typed(bytes).0
    }

    /// The line that Enter gives.
    fn line(&mut self, bytes: &str) -> String {
        match self.typed(&format!("{bytes}\r")).1 {
            Typed::Line(line) => line,
            other => panic!("{other:?}"),
        }
    }
}

/// The bytes that the reference writes, key by key.
#[test]
fn echo_is_the_reference_s() {
    let mut keyboard = Keyboard::new();
    for (keys, screen) in [
        ("show", "show"),
        ("\x7f", "\x08\x1b[0K"),
        ("\x08", "\x08\x1b[0K"),
        ("\x1b[D", "\x1b[D"),
        ("X", "X\x1b[0Kh\x1b[1D"),
        ("\x01", "\x1b[2D"),
        ("\x05", "\x1b[3C"),
        ("abc\x03", "abc\r\ntestpmd> "),
        ("sta\t", "start \x1b[0K"),
        ("\r", "\r\n"),
        ("foo\r", "foo\r\n"),
        ("foo\r\n", "foo\r\n\r\n"),
        ("\x1b[A", "\x1bM\x1bEtestpmd> foo\x1b[0K"),
        ("\x1b[B", "\x1bM\x1bEtestpmd> \x1b[0K"),
        ("\x0c", "\x1bM\x1bEtestpmd> \x1b[0K"),
        ("\x01\x0b", "\x1b[0K"),
        ("\x10", "\x1bM\x1bEtestpmd> foo\x1b[0K"),
        ("\x01\x0b", "\x1b[3D\x1b[0K"),
        ("st\x04", "st"),
        ("\x01\x0b", "\x1b[2D\x1b[0K"),
    ] {
        assert_eq!(keyboard.screen(keys), screen, "{keys:?}");
    }
    assert_eq!(keyboard.typed("\x04"), (String::new(), Typed::End));
}

#[test]
fn plain_typing_writes_plain_text() {
    let mut keyboard = Keyboard::new();
    let (screen, typed) = keyboard.typed("show port stats all\n");
    assert_eq!(screen, "show port stats all\r\n");
    assert_eq!(typed, Typed::Line("show port stats all".into()));
    assert!(!keyboard.editor.is_edited() && !keyboard.editor.was_used());
}

#[test]
fn editing_keys_give_the_right_line() {
    let table = [
        ("hello\x01X", "Xhello"),
        ("hello\x01\x06\x06X", "heXllo"),
        ("hello\x1b[D\x1b[D\x0b", "hel"),
        ("hello\x1b[D\x1b[D\x15", "lo"),
        ("set burst 32\x17", "set burst "),
        ("set burst 32\x17\x1b\x7f", "set "),
        ("one two\x1bb\x1b[3~", "one wo"),
        ("one two\x01\x1bd", " two"),
        ("one two\x01\x1bf!", "one! two"),
        ("one two\x1b[1;5D\x0b\x01\x19", "twoone "),
        ("stop\x03start", "start"),
        ("über\x1b[D\x7fé", "übér"),
        ("abc\x01\x02\x7f\x1b[H", "abc"),
        ("sta\tx", "start x"),
    ];
    for (keys, line) in table {
        assert_eq!(Keyboard::new().line(keys), line, "{keys:?}");
    }
}

#[test]
fn what_may_follow_is_listed() {
    let mut keyboard = Keyboard::new();
    let list = "\r\n start\r\n stop\r\n\x1bM\x1bEtestpmd> s\x1b[0K";
    assert_eq!(keyboard.screen("s\t"), format!("s{list}"));
    assert_eq!(keyboard.screen("?"), list);
    assert_eq!(keyboard.line(""), "s");
    assert_eq!(keyboard.screen("x\t"), "x", "nothing to offer");
}

#[test]
fn earlier_lines() {
    let mut keyboard = Keyboard::new();
    for line in ["set burst 1", "show config fwd", "start"] {
        keyboard.line(line);
    }
    assert_eq!(keyboard.line("\x10\x10"), "show config fwd");
    assert_eq!(keyboard.line("dra\x10\x0eft"), "draft");
    assert_eq!(keyboard.line("\x12set"), "set burst 1");
    assert_eq!(keyboard.line("\x12s\x12\x12\x05 0"), "start 0");
    assert_eq!(keyboard.line("typed\x12set\x07!"), "typed!");
    let screen = keyboard.screen("\x12conf");
    assert!(screen.ends_with("(reverse-i-search)`conf': show config fwd\x1b[0K"), "{screen:?}");
    let screen = keyboard.screen("zzz");
    assert!(screen.contains("(failed reverse-i-search)`confz"), "{screen:?}");
}

#[test]
fn a_line_has_an_end() {
    let mut keyboard = Keyboard::new();
    let long = "x".repeat(LONGEST_LINE + 10);
    assert_eq!(keyboard.line(&long).len(), LONGEST_LINE);
}

#[test]
fn any_bytes_do_no_harm() {
    let mut keyboard = Keyboard::new();
    let mut state = 7u32;
    for _ in 0..50_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Mostly keys that edit.
        let byte = if state >> 30 == 0 { state >> 16 } else { state >> 16 & 0x1f } as u8;
        let _ = keyboard.editor.feed(byte, |_| Completion::default());
        let _ = keyboard.editor.take_screen();
    }
}
