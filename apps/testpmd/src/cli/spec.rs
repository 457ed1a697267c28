//! What an option is: its name, what follows it, what it does, its line in the help.

use super::Options;

/// A number.
pub const COUNT: Takes = Takes::Value("N");
/// A number in hexadecimal.
pub const BITS: Takes = Takes::Value("BITS");
/// Words or numbers separated by commas.
pub const LIST: Takes = Takes::Value("LIST");

/// What follows an option.
#[derive(Clone, Copy)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// A value; the word stands for it in the help.
    Value(&'static str),
    /// A value after `=` or nothing.
    Maybe(&'static str),
}

/// Changes the options.
pub type Set = fn(&mut Options);
/// Changes the options by a value, or says what would do.
pub type SetTo = fn(&mut Options, &str) -> Result<(), String>;
/// As [`SetTo`], with or without a value.
pub type MaybeSetTo = fn(&mut Options, Option<&str>) -> Result<(), String>;

/// What an option does.
#[derive(Clone, Copy)]
pub enum Effect {
    /// Changes the options.
    Flag(Set),
    /// Changes the options by its value.
    Set(SetTo),
    /// As `Set`, with or without a value.
    Maybe(MaybeSetTo),
    /// Is accepted because it asks for what is so anyway, or sets what no port here has.
    None,
    /// Is known and refused, for this reason.
    Refused(&'static str),
}

/// One option.
pub struct Spec {
    /// Without its dashes.
    pub name: &'static str,
    /// What follows it.
    pub takes: Takes,
    /// What it does.
    pub effect: Effect,
    /// Its line in the help.
    pub help: &'static str,
}

/// An option without a value.
pub const fn flag(name: &'static str, set: Set, help: &'static str) -> Spec {
    Spec { name, takes: Takes::Nothing, effect: Effect::Flag(set), help }
}

/// An option with a value.
pub const fn value(name: &'static str, takes: Takes, set: SetTo, help: &'static str) -> Spec {
    Spec { name, takes, effect: Effect::Set(set), help }
}

/// An option that changes nothing here.
pub const fn unused(name: &'static str, takes: Takes, help: &'static str) -> Spec {
    Spec { name, takes, effect: Effect::None, help }
}

/// An option that cannot be had.
pub const fn refused(name: &'static str, takes: Takes, why: &'static str) -> Spec {
    Spec { name, takes, effect: Effect::Refused(why), help: "" }
}

/// Reads a number that must be at least 0 and fit `T`; `name` is the option's.
///
/// # Errors
///
/// The reference's words, with the limit.
pub fn number<T: TryFrom<u64> + Bounded>(name: &str, text: &str) -> Result<T, String> {
    let number = text.parse::<u64>().ok().and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| format!("{name} must be >= 0 and <= {}", T::MOST))
}

/// The largest value of a type.
pub trait Bounded {
    /// That value.
    const MOST: u64;
}

impl Bounded for u8 {
    const MOST: u64 = u8::MAX as u64;
}

impl Bounded for u16 {
    const MOST: u64 = u16::MAX as u64;
}

impl Bounded for u32 {
    const MOST: u64 = u32::MAX as u64;
}

/// Reads bits in hexadecimal, with or without `0x`; `name` is the option's.
///
/// # Errors
///
/// What would do.
pub fn bits(name: &str, text: &str) -> Result<u64, String> {
    let digits = text.trim_start_matches("0x").trim_start_matches("0X");
    let bits = u64::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'));
    bits.ok_or_else(|| format!("{name} {text} invalid - must be hexadecimal bits, such as 0x8000"))
}
