//! A console without a terminal, for tests of what lines do.

use pmd_core::{MbufPool, Ports};

use super::{Session, execute};
use crate::app::App;
use crate::commands::Which;
use crate::config::Config;
use crate::output::capture::{self, Captured};
use crate::signals::Signals;
use crate::test_port::{self, TestPort};

/// An app over ports in memory, with what it writes.
pub struct Bench {
    pub app: App,
    pub out: Captured,
    pub err: Captured,
    pub signals: Signals,
}

impl Bench {
    pub fn new(ports: Vec<TestPort>, config: Config) -> Self {
        let signals = Signals::block().unwrap();
        let eal = test_port::eal(2);
        let pool = MbufPool::with_buffers(eal.memory(), "mb_pool_0", 2048, 2176, 16).unwrap();
        let mut all = Ports::new();
        for port in ports {
            all.add(Box::new(port)).unwrap();
        }
        let mut settings = config.settings.clone();
        settings.polite = true;
        let mut config = Config { lcores: vec![1, 2], settings, ..config };
        config.set_ports(all.ids());
        let (output, out, err) = capture::output();
        let mut bench = Self { app: App::new(eal, all, pool, config, output), out, err, signals };
        bench.app.tell_odd_ports();
        bench.app.start_ports(Which::All, || false);
        bench
    }

    pub fn one() -> Self {
        let bench = Self::new(vec![TestPort::looped(1).0], Config::default());
        bench.out.take();
        bench.err.take();
        bench
    }

    /// What a line writes to standard output and to standard error.
    pub fn type_in(&mut self, line: &str) -> (String, String) {
        execute(&mut self.app, &Session::new(&self.signals), line);
        (self.out.take(), self.err.take())
    }

    pub fn out(&mut self, line: &str) -> String {
        let (out, err) = self.type_in(line);
        assert_eq!(err, "", "{line}");
        out
    }

    pub fn err(&mut self, line: &str) -> String {
        let (out, err) = self.type_in(line);
        assert_eq!(out, "", "{line}");
        err
    }
}
