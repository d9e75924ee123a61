//! How does text become expressions?

use std::ops::ControlFlow;

use datafusion::common::DFSchema;
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{self, ExprWithAlias, VisitMut, visit_expressions_mut};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::error::planning;
use crate::{Frame, QueryError, Result, Session};

const DIALECT: GenericDialect = GenericDialect {};

/// Deeper nesting than anybody writes, and far less than a thread's stack can bear.
const RECURSION_LIMIT: usize = 64;

/// What the parser says, with its position taken out of the prose.
pub(crate) fn syntax_error(text: &str, error: &ParserError) -> QueryError {
    let message = match error {
        ParserError::TokenizerError(reason) | ParserError::ParserError(reason) => reason.clone(),
        ParserError::RecursionLimitExceeded => "it is nested too deeply".to_owned(),
    };
    let (reason, position) = match message.rsplit_once(" at Line: ") {
        Some((reason, place)) => match place.split_once(", Column: ") {
            Some((line, column)) => (reason.to_owned(), line.parse().ok().zip(column.trim().parse().ok())),
            None => (message.clone(), None),
        },
        None => (message.clone(), None),
    };
    QueryError::Syntax { text: shortened(text), reason, position }
}

/// At most 80 characters of `text`, on one line.
pub(crate) fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

fn parse<T: VisitMut>(text: &str, read: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>) -> Result<T> {
    crate::size::check_text(text)?;
    let result = Parser::new(&DIALECT).with_recursion_limit(RECURSION_LIMIT).try_with_sql(text).and_then(
        |mut parser| {
            let value = read(&mut parser)?;
            let rest = parser.next_token();
            if rest.token == Token::EOF { Ok(value) } else { parser.expected("end of the expression", rest) }
        },
    );
    let mut value = result.map_err(|error| syntax_error(text, &error))?;
    approximate(&mut value);
    Ok(value)
}

/// The one statement of a query.
pub(crate) fn statement(text: &str) -> Result<Statement> {
    crate::size::check_text(text)?;
    let parsed = DFParserBuilder::new(text)
        .with_dialect(&DIALECT)
        .with_recursion_limit(RECURSION_LIMIT)
        .build()
        .and_then(|mut parser| parser.parse_statements());
    let mut statements = parsed.map_err(|error| match error.find_root() {
        datafusion::error::DataFusionError::SQL(error, _) => syntax_error(text, error),
        other => QueryError::from_datafusion(other, "parsing"),
    })?;
    match (statements.pop_front(), statements.len()) {
        (Some(mut statement), 0) => {
            if let Statement::Statement(statement) = &mut statement {
                approximate(statement.as_mut());
            }
            Ok(statement)
        }
        (None, _) => Err(QueryError::plan("the query is empty")),
        (Some(_), more) => Err(QueryError::plan(format!("{} statements instead of one", more + 1))),
    }
}

/// Makes numbers with an exponent what SQL says they are, doubles; all others are exact.
fn approximate(parsed: &mut impl VisitMut) {
    let found: ControlFlow<()> = visit_expressions_mut(parsed, |expr| {
        if let ast::Expr::Value(value) = expr
            && let ast::Value::Number(number, _) = &value.value
            && number.contains(['e', 'E'])
        {
            let text = ast::Value::SingleQuotedString(number.clone());
            *expr = ast::Expr::Cast {
                kind: ast::CastKind::Cast,
                expr: Box::new(ast::Expr::Value(text.into())),
                data_type: ast::DataType::Double(ast::ExactNumberInfo::None),
                array: false,
                format: None,
            };
        }
        ControlFlow::Continue(())
    });
    debug_assert!(found.is_continue());
}

impl Frame {
    fn plan_expr(&self, expr: ast::Expr, schema: &DFSchema) -> Result<Expr> {
        let expr = ExprWithAlias { expr, alias: None };
        let state = self.session().state();
        crate::size::planning(|| state.create_logical_expr_from_sql_expr(expr, schema))
            .map_err(planning("planning an expression"))
    }

    /// An expression over the frame's columns.
    pub(crate) fn expr(&self, text: &str) -> Result<Expr> {
        if let Ok(column) = self.column(text) {
            return Ok(column);
        }
        let expr = parse(text, |parser| parser.parse_expr())?;
        self.plan_expr(expr, self.df_schema())
    }

    /// What stands between commas after SELECT: an expression, perhaps with a name, or `*`.
    pub(crate) fn select_item(&self, text: &str) -> Result<Vec<Expr>> {
        if let Ok(column) = self.column(text) {
            return Ok(vec![column]);
        }
        let (expr, alias) = match parse(text, |parser| parser.parse_select_item())? {
            ast::SelectItem::UnnamedExpr(expr) => (expr, None),
            ast::SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias.value)),
            ast::SelectItem::Wildcard(options) if options == ast::WildcardAdditionalOptions::default() => {
                return self.names().map(|name| self.column(name)).collect();
            }
            other => {
                return Err(QueryError::plan(format!("`{other}` is not an expression or `*`")));
            }
        };
        let bare = matches!(&expr, ast::Expr::Identifier(_));
        let name = alias.or_else(|| (!bare).then(|| text.trim().to_owned()));
        let expr = self.plan_expr(expr, self.df_schema())?;
        Ok(vec![match name {
            Some(name) => expr.alias(name),
            None => expr,
        }])
    }

    /// What stands between commas after ORDER BY; ascending and nulls last unless it says otherwise.
    pub(crate) fn sort_item(&self, text: &str) -> Result<Sort> {
        if let Ok(column) = self.column(text) {
            return Ok(column.sort(true, false));
        }
        let item = parse(text, |parser| parser.parse_order_by_expr())?;
        let (ascending, nulls_first) =
            (item.options.asc.unwrap_or(true), item.options.nulls_first.unwrap_or(false));
        if item.with_fill.is_some() {
            return Err(QueryError::plan("`WITH FILL` is not supported"));
        }
        Ok(self.plan_expr(item.expr, self.df_schema())?.sort(ascending, nulls_first))
    }
}

impl Session {
    /// A type, by SQL's name, Arrow's, or the short ones (`int64`, `float32`, `string`).
    ///
    /// # Errors
    /// [`QueryError::UnknownType`].
    pub fn data_type(&self, text: &str) -> Result<arrow::datatypes::DataType> {
        if let Some(data_type) = short_type(text) {
            return Ok(data_type);
        }
        if let Ok(data_type) = text.trim().parse() {
            return Ok(data_type);
        }
        let unknown = || QueryError::UnknownType { text: text.to_owned() };
        let sql_type = parse(text, |parser| parser.parse_data_type()).map_err(|_| unknown())?;
        let cast = ast::Expr::Cast {
            kind: ast::CastKind::Cast,
            expr: Box::new(ast::Expr::Value(ast::Value::Null.into())),
            data_type: sql_type,
            array: false,
            format: None,
        };
        let nothing = DFSchema::empty();
        let expr = self
            .state()
            .create_logical_expr_from_sql_expr(ExprWithAlias { expr: cast, alias: None }, &nothing)
            .map_err(|_| unknown())?;
        expr.get_type(&nothing).map_err(|_| unknown())
    }
}

fn short_type(text: &str) -> Option<arrow::datatypes::DataType> {
    use arrow::datatypes::{DataType, TimeUnit};
    Some(match text.trim().to_ascii_lowercase().as_str() {
        "bool" | "boolean" => DataType::Boolean,
        "int8" => DataType::Int8,
        "int16" => DataType::Int16,
        "int32" => DataType::Int32,
        "int64" => DataType::Int64,
        "uint8" => DataType::UInt8,
        "uint16" => DataType::UInt16,
        "uint32" => DataType::UInt32,
        "uint64" => DataType::UInt64,
        "float16" => DataType::Float16,
        "float32" => DataType::Float32,
        "float64" => DataType::Float64,
        "string" | "utf8" | "str" => DataType::Utf8,
        "large_string" | "large_utf8" => DataType::LargeUtf8,
        "binary" => DataType::Binary,
        "date" | "date32" => DataType::Date32,
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
        _ => return None,
    })
}
