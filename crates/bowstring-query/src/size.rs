//! Which queries are too large to plan?
//!
//! A plan is a tree that many functions walk by calling themselves, and the frames of a deep one
//! would not fit a thread's stack. Nobody writes such queries by hand, programs might.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{self, Visit, Visitor, visit_relations};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::{QueryError, Result};

/// What one expression, or the joins and unions of one SELECT, may weigh in a row: a thousand
/// conditions or comparisons, or a quarter as many of other operators, whose types are harder to tell.
const WEIGHT: usize = 1_000;

/// The most steps one upon the other.
const STEPS: usize = 500;

/// The most steps of all branches together.
const ALL_STEPS: usize = 5_000;

/// Runs a part of planning with stack enough for the deepest plan that is let through.
pub(crate) fn planning<T>(plan: impl FnOnce() -> T) -> T {
    const ENOUGH: usize = 24 << 20;
    const STACK: usize = 64 << 20;
    stacker::maybe_grow(ENOUGH, STACK, plan)
}

/// Refuses text whose operators stand in too long a row: `a + a + a …` is a tree as deep as it is
/// long. Commas start a new row, parentheses an inner one.
pub(crate) fn check_text(text: &str) -> Result<()> {
    // What is not SQL is refused by the parser, in its own words.
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location() else {
        return Ok(());
    };
    let mut outer: Vec<Row> = Vec::new();
    let mut row = Row::default();
    for TokenWithSpan { token, span } in &tokens {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => outer.push(std::mem::take(&mut row)),
            Token::RParen | Token::RBracket | Token::RBrace => {
                let inner = row.heaviest.max(row.weight);
                row = outer.pop().unwrap_or_default();
                row.weight = row.weight.max(inner);
            }
            Token::Comma => {
                row.heaviest = row.heaviest.max(row.weight);
                row.weight = 0;
            }
            token => row.weight += weight(token),
        }
        if row.weight > WEIGHT {
            return Err(QueryError::TooLong {
                text: crate::parse::shortened(text),
                position: (span.start.line, span.start.column),
            });
        }
    }
    Ok(())
}

#[derive(Default)]
struct Row {
    weight: usize,
    heaviest: usize,
}

fn weight(token: &Token) -> usize {
    match token {
        Token::Word(word) => match word.keyword {
            Keyword::AND
            | Keyword::OR
            | Keyword::NOT
            | Keyword::IS
            | Keyword::IN
            | Keyword::LIKE
            | Keyword::ILIKE
            | Keyword::BETWEEN => 1,
            Keyword::XOR
            | Keyword::SIMILAR
            | Keyword::AT
            | Keyword::COLLATE
            | Keyword::DIV
            | Keyword::JOIN
            | Keyword::UNION
            | Keyword::EXCEPT
            | Keyword::INTERSECT
            | Keyword::MINUS => 4,
            _ => 0,
        },
        Token::Eq
        | Token::DoubleEq
        | Token::Neq
        | Token::Lt
        | Token::LtEq
        | Token::Gt
        | Token::GtEq
        | Token::Period => 1,
        Token::EOF
        | Token::Number(..)
        | Token::Char(_)
        | Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::Whitespace(_)
        | Token::SemiColon => 0,
        _ => 4,
    }
}

/// The most tables that a query reads, each use of a name from WITH replaced by what it stands for.
const TABLES: u64 = 1_000;

/// Refuses a query in which names from WITH that use one another stand for too many tables.
pub(crate) fn check_query(statement: &ast::Statement) -> Result<()> {
    let mut tables = Tables::default();
    let within = Visit::visit(statement, &mut tables).is_continue() && tables.of(statement) <= TABLES;
    if within {
        return Ok(());
    }
    Err(QueryError::plan(format!(
        "the query reads more than {TABLES} tables, each WITH counted where it is used"
    )))
}

/// How many tables a name from WITH stands for.
#[derive(Default)]
struct Tables(HashMap<String, u64>);

impl Tables {
    fn of(&self, part: &impl Visit) -> u64 {
        let mut count: u64 = 0;
        let visited: ControlFlow<()> = visit_relations(part, |name| {
            let tables = self.0.get(&name.to_string()).copied().unwrap_or(1);
            count = count.saturating_add(tables);
            ControlFlow::Continue(())
        });
        if visited.is_continue() { count } else { u64::MAX }
    }
}

impl Visitor for Tables {
    type Break = ();

    fn post_visit_query(&mut self, query: &ast::Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let tables = self.of(cte.query.as_ref());
            if tables > TABLES {
                return ControlFlow::Break(());
            }
            self.0.insert(cte.alias.name.to_string(), tables);
        }
        ControlFlow::Continue(())
    }
}

/// Refuses a plan of too many steps: tables that are joined with themselves over and over have a
/// small text and a huge plan.
pub(crate) fn check_plan(plan: &LogicalPlan) -> Result<()> {
    let mut waiting = vec![(plan, 1)];
    let mut steps = 0;
    while let Some((plan, depth)) = waiting.pop() {
        steps += 1;
        let (most, what) = if depth > STEPS {
            (STEPS, "steps one upon the other")
        } else if steps > ALL_STEPS {
            (ALL_STEPS, "steps")
        } else {
            waiting.extend(plan.inputs().into_iter().map(|input| (input, depth + 1)));
            continue;
        };
        return Err(QueryError::Plan {
            reason: format!("the query has more than {most} {what}"),
            hint: Some("collect a part of it, and go on with the result".into()),
        });
    }
    Ok(())
}
