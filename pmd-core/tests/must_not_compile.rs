//! What the types forbid: each file in `must_not_compile` is a mistake that the compiler must find.

#[test]
fn mistakes_do_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/must_not_compile/*.rs");
}
