//! Makes an expression mean what it says where the evaluator would see it otherwise.

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{
    CallExpr, EntryExpr, Expr, ListExpr, LiteralValue, MapExpr, SelectExpr, operators,
};

use super::bounds::literal;
use super::functions::Pattern;

/// What rewriting found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Patterns of `matches`, by the names of the variables that now stand for them.
    pub(super) patterns: Vec<(String, Pattern)>,
    /// Names of fields that are looked up.
    pub(super) fields: Vec<String>,
}

/// Rewrites in place:
///
/// - `a.b` becomes `a['b']`: the evaluator gives `false` for a field of what has none, where an error is due.
/// - `has(a.b)` becomes `has(a.b) && a['b'] != null && a['b'] != [] && a['b'] != {}`: absent fields are null or empty
///   here, and nobody has those.
/// - `x.matches('pattern')` gets the pattern compiled.
pub(super) fn rewrite(expression: &mut IdedExpr, found: &mut Found) -> Result<(), String> {
    for child in children(&mut expression.expr) {
        rewrite(child, found)?;
    }
    match &mut expression.expr {
        Expr::Select(select) => {
            found.fields.push(select.field.clone());
            expression.expr = looked_up(std::mem::take(select));
        }
        Expr::Call(call) if call.func_name == "matches" => {
            if let Some(pattern) = call.args.first_mut() {
                let source = literal(pattern).unwrap_or_default();
                let compiled = Pattern::compile(source).map_err(|why| format!("`matches`: {why}"))?;
                // No name that can be written in an expression.
                let variable = format!("@pattern{}", found.patterns.len());
                pattern.expr = Expr::Ident(variable.clone());
                found.patterns.push((variable, compiled));
            }
        }
        _ => {}
    }
    Ok(())
}

fn looked_up(select: SelectExpr) -> Expr {
    let key = node(Expr::Literal(LiteralValue::String(select.field.as_str().into())));
    let value = call(operators::INDEX, [select.operand.as_ref().clone(), key]);
    if !select.test {
        return value;
    }
    let nothing =
        [Expr::Literal(LiteralValue::Null), Expr::List(ListExpr::default()), Expr::Map(MapExpr::default())];
    nothing.into_iter().fold(Expr::Select(select), |so_far, nothing| {
        let present = call(operators::NOT_EQUALS, [node(value.clone()), node(nothing)]);
        call(operators::LOGICAL_AND, [node(so_far), node(present)])
    })
}

fn call(operator: &str, args: [IdedExpr; 2]) -> Expr {
    Expr::Call(CallExpr { func_name: operator.to_owned(), target: None, args: args.into() })
}

fn node(expr: Expr) -> IdedExpr {
    IdedExpr { id: 0, expr }
}

fn children(expression: &mut Expr) -> Vec<&mut IdedExpr> {
    match expression {
        Expr::Call(call) => call.target.as_deref_mut().into_iter().chain(&mut call.args).collect(),
        Expr::Select(select) => vec![select.operand.as_mut()],
        Expr::List(list) => list.elements.iter_mut().collect(),
        Expr::Map(map) => map
            .entries
            .iter_mut()
            .flat_map(|entry| match &mut entry.expr {
                EntryExpr::MapEntry(entry) => vec![&mut entry.key, &mut entry.value],
                EntryExpr::StructField(field) => vec![&mut field.value],
            })
            .collect(),
        Expr::Comprehension(loops) => vec![
            &mut loops.iter_range,
            &mut loops.accu_init,
            &mut loops.loop_cond,
            &mut loops.loop_step,
            &mut loops.result,
        ],
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => Vec::new(),
    }
}
