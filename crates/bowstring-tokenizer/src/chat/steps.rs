//! Where does a template make something that may be too large? Behind each such step of the compiled
//! template one is put that looks at what was made.

use std::collections::BTreeMap;

use minijinja::{
    Error as TemplateError, Value,
    machinery::{CodeGenerator, Instruction, Instructions, Token, parse, tokenize},
    syntax::SyntaxConfig,
};

/// The name under which a template is compiled.
const NAME: &str = "template";

/// Looks at a value that was made.
pub(super) const MADE: &str = "bowstring.made";
/// Joins two values.
pub(super) const JOIN: &str = "bowstring.join";
/// Multiplies two values, once there is room.
pub(super) const TIMES: &str = "bowstring.times";
/// Puts a value into a namespace: value, namespace, name.
pub(super) const PUT: &str = "bowstring.put";

/// A compiled template: itself, and its blocks by their names.
pub(super) type Compiled<'a> = (Instructions<'a>, BTreeMap<&'a str, Instructions<'a>>);

/// The steps of `template`, with the checks. It comes from [`unfolded`].
pub(super) fn compiled(template: &str, syntax: SyntaxConfig) -> Result<Compiled<'_>, TemplateError> {
    let mut code = CodeGenerator::new(NAME, template);
    code.compile_stmt(&parse(template, NAME, syntax)?);
    let (main, blocks) = code.finish();
    Ok((checked(&main), blocks.iter().map(|(name, block)| (*name, checked(block))).collect()))
}

/// `template` so that no product is computed while it is compiled, when nothing is checked yet: each has a
/// factor more that only a step can tell.
pub(super) fn unfolded(template: &str, syntax: SyntaxConfig) -> Result<String, TemplateError> {
    let mut unfolded = String::with_capacity(template.len());
    let mut done = 0;
    let mut is_operator = false;
    for token in tokenize(template, false, syntax) {
        let (token, span) = token?;
        if matches!(token, Token::Mul) && is_operator {
            let end = span.end_offset as usize;
            unfolded.extend(template.get(done..end));
            unfolded.push_str(" (1 if true) *");
            done = end;
        }
        // A star in front of an argument spreads a list.
        is_operator = !matches!(token, Token::ParenOpen | Token::Comma);
    }
    unfolded.extend(template.get(done..));
    Ok(unfolded)
}

/// A filter that is not remembered between steps.
fn filter<'a>(name: &'static str, arguments: u16) -> Instruction<'a> {
    Instruction::ApplyFilter(name, Some(arguments), u8::MAX)
}

/// What is done for a step; jumps lead where they led before.
fn replaced<'a>(step: &Instruction<'a>) -> Vec<Instruction<'a>> {
    use Instruction as I;
    match step {
        // What is written is counted where values are written.
        I::EmitRaw(text) => vec![I::LoadConst(Value::from(*text)), I::Emit],
        I::StringConcat => vec![filter(JOIN, 2)],
        I::Mul => vec![filter(TIMES, 2)],
        I::SetAttr(name) => vec![I::LoadConst(Value::from(*name)), filter(PUT, 3), I::DiscardTop],
        I::Add
        | I::Slice
        | I::BuildList(_)
        | I::BuildTuple(_)
        | I::BuildMap(_)
        | I::ApplyFilter(..)
        | I::CallFunction(..)
        | I::CallMethod(..)
        | I::CallObject(_)
        | I::EndCapture => vec![step.clone(), filter(MADE, 1)],
        _ => vec![step.clone()],
    }
}

/// The same steps with the checks.
fn checked<'a>(steps: &Instructions<'a>) -> Instructions<'a> {
    let each = || (0..).map_while(|place| Some((place, steps.get(place)?)));
    let mut places = Vec::new();
    let mut next = 0_u32;
    for (_, step) in each() {
        places.push(next);
        next = next.saturating_add(u32::try_from(replaced(step).len()).unwrap_or(u32::MAX));
    }
    places.push(next);
    let moved = |place: &mut u32| {
        *place = places.get(*place as usize).copied().unwrap_or(next);
    };
    let mut with_checks = Instructions::new(steps.name(), steps.source());
    for (place, step) in each() {
        let line = steps.get_line(place).and_then(|line| u16::try_from(line).ok());
        for mut step in replaced(step) {
            use Instruction as I;
            match &mut step {
                I::Iterate(to)
                | I::Jump(to)
                | I::JumpIfFalse(to)
                | I::JumpIfFalseOrPop(to)
                | I::JumpIfTrueOrPop(to)
                | I::BuildMacro(_, to, _) => moved(to),
                _ => {}
            }
            match line {
                Some(line) => with_checks.add_with_line(step, line),
                None => with_checks.add(step),
            };
        }
    }
    with_checks
}
