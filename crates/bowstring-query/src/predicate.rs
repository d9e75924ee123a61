//! Which conditions can the readers check themselves?

use arrow::datatypes::Schema;
use bowstring_io::{CompareOp, Predicate};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, Operator};

/// A list longer than this is cheaper to check after reading than as comparisons one by one.
const LONGEST_LIST: usize = 32;

/// The condition as the readers know it; `None` when they cannot check it wholly.
pub(crate) fn convert(expr: &Expr, schema: &Schema) -> Option<Predicate> {
    match expr {
        Expr::Alias(alias) => convert(&alias.expr, schema),
        Expr::Column(_) => {
            let column = index(expr, schema)?;
            compare(column, CompareOp::Eq, &ScalarValue::Boolean(Some(true)), schema)
        }
        Expr::IsNull(inner) => index(inner, schema).map(Predicate::IsNull),
        Expr::IsNotNull(inner) => index(inner, schema).map(Predicate::IsNotNull),
        Expr::Not(inner) => Some(Predicate::Not(Box::new(convert(inner, schema)?))),
        Expr::BinaryExpr(binary) => match binary.op {
            Operator::And => {
                Some(Predicate::And(vec![convert(&binary.left, schema)?, convert(&binary.right, schema)?]))
            }
            Operator::Or => {
                Some(Predicate::Or(vec![convert(&binary.left, schema)?, convert(&binary.right, schema)?]))
            }
            op => match (binary.left.as_ref(), binary.right.as_ref()) {
                (column, Expr::Literal(value, _)) => {
                    compare(index(column, schema)?, operator(op)?, value, schema)
                }
                (Expr::Literal(value, _), column) => {
                    compare(index(column, schema)?, operator(op.swap()?)?, value, schema)
                }
                _ => None,
            },
        },
        Expr::Between(between) => {
            let (Expr::Literal(low, _), Expr::Literal(high, _)) =
                (between.low.as_ref(), between.high.as_ref())
            else {
                return None;
            };
            let column = index(&between.expr, schema)?;
            let inside = Predicate::And(vec![
                compare(column, CompareOp::GtEq, low, schema)?,
                compare(column, CompareOp::LtEq, high, schema)?,
            ]);
            Some(negated(inside, between.negated))
        }
        Expr::InList(list) if list.list.len() <= LONGEST_LIST => {
            let column = index(&list.expr, schema)?;
            let values = list.list.iter().map(|value| match value {
                Expr::Literal(value, _) => compare(column, CompareOp::Eq, value, schema),
                _ => None,
            });
            Some(negated(Predicate::Or(values.collect::<Option<_>>()?), list.negated))
        }
        _ => None,
    }
}

fn negated(predicate: Predicate, negated: bool) -> Predicate {
    if negated { Predicate::Not(Box::new(predicate)) } else { predicate }
}

fn index(expr: &Expr, schema: &Schema) -> Option<usize> {
    match crate::floats::bare(expr) {
        Expr::Column(column) => schema.index_of(&column.name).ok(),
        _ => None,
    }
}

fn operator(op: Operator) -> Option<CompareOp> {
    Some(match op {
        Operator::Eq => CompareOp::Eq,
        Operator::NotEq => CompareOp::NotEq,
        Operator::Lt => CompareOp::Lt,
        Operator::LtEq => CompareOp::LtEq,
        Operator::Gt => CompareOp::Gt,
        Operator::GtEq => CompareOp::GtEq,
        _ => return None,
    })
}

fn compare(column: usize, op: CompareOp, value: &ScalarValue, schema: &Schema) -> Option<Predicate> {
    let data_type = schema.fields().get(column)?.data_type();
    if data_type.is_nested() || value.is_null() || value.data_type() != *data_type {
        return None;
    }
    Some(Predicate::Compare(column, op, value.to_array().ok()?))
}

/// The condition as `EXPLAIN` shows it.
pub(crate) fn show(predicate: &Predicate, schema: &Schema) -> String {
    let name = |column: &usize| {
        schema.fields().get(*column).map_or_else(|| format!("#{column}"), |field| field.name().clone())
    };
    let list = |parts: &[Predicate], word: &str| {
        let shown: Vec<String> = parts
            .iter()
            .map(|part| match part {
                Predicate::And(inner) | Predicate::Or(inner) if inner.len() > 1 => {
                    format!("({})", show(part, schema))
                }
                _ => show(part, schema),
            })
            .collect();
        shown.join(word)
    };
    match predicate {
        Predicate::Compare(column, op, value) => {
            let op = match op {
                CompareOp::Eq => "=",
                CompareOp::NotEq => "!=",
                CompareOp::Lt => "<",
                CompareOp::LtEq => "<=",
                CompareOp::Gt => ">",
                CompareOp::GtEq => ">=",
            };
            let value = ScalarValue::try_from_array(value, 0)
                .map_or_else(|_| "?".to_owned(), |value| value.to_string());
            format!("{} {op} {value}", name(column))
        }
        Predicate::IsNull(column) => format!("{} IS NULL", name(column)),
        Predicate::IsNotNull(column) => format!("{} IS NOT NULL", name(column)),
        Predicate::And(parts) => list(parts, " AND "),
        Predicate::Or(parts) => list(parts, " OR "),
        Predicate::Not(inner) => format!("NOT ({})", show(inner, schema)),
    }
}
