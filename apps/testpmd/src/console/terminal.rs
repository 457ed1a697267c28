//! Lines from a terminal, through the editor.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};

use super::editor::{Editor, History, Typed};
use super::input::{Input, Wake};
use super::raw_mode::RawMode;
use crate::app::App;
use crate::commands;
use crate::signals::Signals;

/// A terminal that lines are typed on.
pub struct Terminal<Fd> {
    input: Input<Fd>,
    editor: Editor,
    /// Bytes that came and were not looked at.
    pending: VecDeque<u8>,
    raw: RawMode,
}

impl<Fd: AsFd> Terminal<Fd> {
    /// The terminal behind `fd`. The error is `fd` when it is none.
    pub fn open(fd: Fd) -> Result<Self, Fd> {
        let Some(raw) = RawMode::enter(&fd) else { return Err(fd) };
        Ok(Self {
            input: Input::new(fd),
            editor: Editor::new(History::of_user()),
            pending: VecDeque::new(),
            raw,
        })
    }

    /// Whether somebody sits there: an editing key was pressed.
    pub fn is_used_by_hand(&self) -> bool {
        self.editor.was_used()
    }

    /// Waits for a line, the input's end, or a signal, and meanwhile tells what happens to ports.
    pub fn next(&mut self, app: &mut App, signals: &Signals) -> Wake {
        self.raw.set_interruptible(false);
        let wake = self.type_line(app, signals);
        self.raw.set_interruptible(true);
        wake
    }

    fn type_line(&mut self, app: &mut App, signals: &Signals) -> Wake {
        loop {
            let typed = self.take_pending(app);
            app.out.say(format_args!("{}", self.editor.take_screen()));
            app.out.flush();
            match typed {
                Typed::Line(line) => return Wake::Line(line),
                Typed::End => return Wake::End(String::new()),
                Typed::Nothing => {}
            }
            match self.wait(app, signals) {
                Wake::Input => self.pending.extend(self.input.take_bytes()),
                Wake::Events => self.tell_events(app),
                other => return other,
            }
        }
    }

    /// Feeds bytes to the editor until one of them ends something.
    fn take_pending(&mut self, app: &App) -> Typed {
        let ports = app.ports.ids();
        while let Some(byte) = self.pending.pop_front() {
            let typed = self.editor.feed(byte, |text| commands::completion::of(text, &ports));
            if typed != Typed::Nothing {
                return typed;
            }
        }
        Typed::Nothing
    }

    fn wait(&mut self, app: &App, signals: &Signals) -> Wake {
        let events: Vec<BorrowedFd<'_>> =
            app.ports.iter().map(|(_, dev)| dev.events().as_fd()).collect();
        self.input.wait_for_bytes(signals, &events, None)
    }

    /// Like the reference, leaves the line alone while it is plainly typed.
    fn tell_events(&mut self, app: &mut App) {
        app.print_events();
        if self.editor.is_edited() {
            self.editor.redraw();
        }
    }
}
