//! What an expression can cost, at most, found by walking it.
//!
//! The evaluator has no limit of cost or time, so whatever could run away is refused here. The unit of cost is roughly
//! one evaluated operator or one copied value (some 10 ns).

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators};

use super::functions::{self, Effect, Function, Style};
use super::schema::TEXT;
use super::shape::Shape;

/// Most operators, literals and names in an expression, macros written out.
const MAX_NODES: usize = 1000;
/// Deepest nesting of operators.
const MAX_DEPTH: usize = 64;
/// Deepest nesting of `map`, `filter`, `all`, `exists` and `exists_one`.
const MAX_LOOPS: usize = 2;
/// Highest cost, for a person with everything at its longest: some 50 ms.
const MAX_COST: u64 = 4_000_000;
/// Longest text, or list of texts, that an expression may build, in characters.
const MAX_CHARS: u64 = 4 * 1024 * 1024;
/// Roles of a person, at most.
const MAX_ROLES: u64 = 256;
/// Characters of an object's name.
const OBJECT_NAME: u64 = 253;

/// A value's size and what it costs to get it.
type Bound = Result<(Shape, u64), String>;

/// Refuses what could cost too much or uses what is not there. `variables` are those of `user`, `roles` and `app`
/// that the expression may use.
pub(super) fn check(expression: &IdedExpr, variables: &[&'static str]) -> Result<(), String> {
    let mut walk =
        Walk { nodes: 0, depth: 0, loops: 0, in_has: false, globals: variables, locals: Vec::new() };
    let (_, cost) = walk.visit(expression)?;
    if cost > MAX_COST {
        return Err(format!(
            "can cost {cost} steps for one person; {MAX_COST} are allowed. Nest fewer loops"
        ));
    }
    Ok(())
}

struct Walk<'a> {
    nodes: usize,
    depth: usize,
    loops: usize,
    in_has: bool,
    globals: &'a [&'static str],
    locals: Vec<(&'a str, Shape)>,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, expression: &'a IdedExpr) -> Bound {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(format!("has more than {MAX_NODES} parts"));
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("nests deeper than {MAX_DEPTH}"));
        }
        let bound = match &expression.expr {
            Expr::Literal(literal) => literal_shape(literal).map(|shape| (shape, 1)),
            Expr::Ident(name) => self.variable(name).map(|shape| (shape, 1)),
            Expr::Select(select) => self.select(&select.operand, &select.field, select.test),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => self.list(&list.elements),
            Expr::Map(map) => self.map(map.entries.iter().map(|entry| &entry.expr)),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Struct(made) => {
                Err(format!("`{}{{…}}` makes an object of a type; use a map", made.type_name))
            }
            Expr::Unspecified => Err("is incomplete".to_owned()),
        };
        self.depth -= 1;
        bound
    }

    fn variable(&self, name: &str) -> Result<Shape, String> {
        if let Some((_, shape)) = self.locals.iter().rev().find(|(local, _)| *local == name) {
            return Ok(shape.clone());
        }
        match self.globals.iter().find(|global| **global == name) {
            Some(&"user") => Ok(Shape::user()),
            Some(&"roles") => Ok(Shape::list(MAX_ROLES, Shape::single(OBJECT_NAME))),
            Some(_) => Ok(Shape::single(OBJECT_NAME)),
            None => Err(format!("`{name}` is not known here: there is {}", self.globals.join(", "))),
        }
    }

    fn select(&mut self, operand: &'a IdedExpr, field: &str, test: bool) -> Bound {
        if field.starts_with('`') {
            return Err(format!("write ['{0}'] instead of .`{0}`", field.trim_matches('`')));
        }
        // has() is written out, operand and all: one in another would multiply.
        if test && std::mem::replace(&mut self.in_has, true) {
            return Err("has has() inside of has()".to_owned());
        }
        let (shape, cost) = self.visit(operand)?;
        let shape = shape.field(field)?;
        if test {
            self.in_has = false;
            Ok((Shape::single(0), cost.saturating_mul(4) + 20))
        } else {
            Ok((shape, cost + 2))
        }
    }

    fn list(&mut self, elements: &'a [IdedExpr]) -> Bound {
        let (mut whole, mut cost) = (Shape::list(0, Shape::default()), 1_u64);
        for element in elements {
            let (shape, work) = self.visit(element)?;
            cost = cost.saturating_add(work).saturating_add(shape.weight());
            whole = whole.then(&Shape::list(1, shape));
        }
        Ok((whole, cost))
    }

    fn map(&mut self, entries: impl Iterator<Item = &'a EntryExpr>) -> Bound {
        let (mut whole, mut cost) = (Shape::map(0, 0, Shape::default()), 1_u64);
        for entry in entries {
            let EntryExpr::MapEntry(entry) = entry else {
                return Err("names fields of a type; use a map".to_owned());
            };
            let (key, key_work) = self.visit(&entry.key)?;
            let (value, work) = self.visit(&entry.value)?;
            cost = cost.saturating_add(key_work).saturating_add(work).saturating_add(value.weight());
            whole = whole.then(&Shape::map(1, key.chars, value));
        }
        Ok((whole, cost))
    }

    fn call(&mut self, call: &'a CallExpr) -> Bound {
        if call.target.is_none() && is_operator(&call.func_name) {
            return self.operator(&call.func_name, &call.args);
        }
        // The evaluator looks for a function of the whole name first, whatever variables there are.
        if let Some(Expr::Ident(prefix)) = call.target.as_deref().map(|target| &target.expr)
            && let Some(function) = functions::find(&format!("{prefix}.{}", call.func_name))
        {
            return self.function(function, None, &call.args);
        }
        let function = functions::find(&call.func_name).ok_or_else(|| {
            let known: Vec<_> = functions::names().collect();
            format!("there is no function `{}`: there are {}", call.func_name, known.join(", "))
        })?;
        self.function(function, call.target.as_deref(), &call.args)
    }

    fn operator(&mut self, name: &str, args: &'a [IdedExpr]) -> Bound {
        let mut bounds = Vec::with_capacity(args.len());
        for arg in args {
            bounds.push(self.visit(arg)?);
        }
        let work = bounds.iter().fold(1_u64, |sum, (_, cost)| sum.saturating_add(*cost));
        match (name, bounds.as_slice()) {
            (operators::CONDITIONAL, [(_, when), (one, yes), (other, no)]) => {
                Ok((one.or(other), when.saturating_add(*yes.max(no)).saturating_add(1)))
            }
            (operators::ADD, [(one, _), (other, _)]) => {
                if one.map || other.map {
                    return Err("`+` does not take maps".to_owned());
                }
                let sum = built(one.then(other))?;
                let weight = sum.weight();
                Ok((sum, work.saturating_add(weight)))
            }
            (operators::INDEX, [(of, _), (by, _)]) => {
                let item = of.item.as_ref().ok_or("`[]` is used on a single value")?;
                Ok((item.as_ref().clone(), work.saturating_add(by.weight())))
            }
            (operators::NEGATE, _) => Err("`-` before anything but a number: write 0 - x".to_owned()),
            (operators::OPT_INDEX | operators::OPT_SELECT, _) => Err("`?` is not supported".to_owned()),
            (_, bounds) => {
                // Comparisons and `in` read their operands at most once.
                let read = bounds.iter().fold(0_u64, |sum, (shape, _)| sum.saturating_add(shape.weight()));
                let read = if is_logical(name) { 0 } else { read };
                Ok((Shape::single(24), work.saturating_add(read)))
            }
        }
    }

    fn function(&mut self, function: &Function, target: Option<&'a IdedExpr>, args: &'a [IdedExpr]) -> Bound {
        let (name, style, least, most, effect) = function;
        let operands: Vec<&IdedExpr> = target.into_iter().chain(args).collect();
        match (style, target) {
            (Style::Method, None) => return Err(format!("`{name}` is called as x.{name}()")),
            (Style::Global, Some(_)) => return Err(format!("`{name}` is called as {name}(x)")),
            _ if operands.len() < *least || operands.len() > *most => {
                return Err(format!("`{name}` has too few or too many arguments"));
            }
            _ => {}
        }
        let mut shapes = Vec::with_capacity(operands.len());
        let mut work = 5_u64;
        for operand in &operands {
            let (shape, cost) = self.visit(operand)?;
            work = work.saturating_add(cost).saturating_add(shape.weight());
            shapes.push(shape);
        }
        let (shape, extra) =
            effect_bound(*effect, &operands, &shapes).map_err(|why| format!("`{name}`: {why}"))?;
        let shape = built(shape)?;
        let weight = shape.weight();
        Ok((shape, work.saturating_add(extra).saturating_add(weight)))
    }

    fn comprehension(&mut self, loops: &'a ComprehensionExpr) -> Bound {
        if self.loops == MAX_LOOPS {
            return Err(format!("nests loops deeper than {MAX_LOOPS}"));
        }
        let (range, range_cost) = self.visit(&loops.iter_range)?;
        let parts = Loop::of(loops).ok_or("has a loop of an unknown kind")?;
        if parts.collects && range.map {
            return Err("map() and filter() over a map give no fixed order: use them on lists".to_owned());
        }
        let item = match &range.item {
            Some(item) if !range.map => item.as_ref().clone(),
            _ => Shape::single(TEXT),
        };
        let item_weight = item.weight();
        self.loops += 1;
        self.locals.push((&loops.iter_var, item));
        let test = parts.test.map(|test| self.visit(test)).transpose()?;
        let body = self.visit(parts.body)?;
        self.locals.pop();
        self.loops -= 1;
        let each = test.map_or(0, |(_, cost)| cost).saturating_add(body.1).saturating_add(item_weight + 10);
        let result = if parts.collects { built(Shape::list(range.items, body.0))? } else { Shape::single(0) };
        // Each round copies what has been collected so far.
        let each = each.saturating_add(result.weight());
        Ok((result, range_cost.saturating_add(range.items.saturating_mul(each))))
    }
}

/// The parts of a loop that the author wrote. The rest is the macro's.
struct Loop<'a> {
    /// Condition on the items.
    test: Option<&'a IdedExpr>,
    /// What is computed of each.
    body: &'a IdedExpr,
    /// Whether the results form a list.
    collects: bool,
}

impl<'a> Loop<'a> {
    fn of(loops: &'a ComprehensionExpr) -> Option<Self> {
        let step = as_call(&loops.loop_step)?;
        match (&loops.accu_init.expr, step.func_name.as_str(), step.args.as_slice()) {
            (Expr::List(_), operators::ADD, [_, one]) => {
                Some(Self { test: None, body: only(one)?, collects: true })
            }
            (Expr::List(_), operators::CONDITIONAL, [test, add, _]) => {
                let [_, one] = as_call(add)?.args.as_slice() else {
                    return None;
                };
                Some(Self { test: Some(test), body: only(one)?, collects: true })
            }
            (
                Expr::Literal(LiteralValue::Boolean(_)),
                operators::LOGICAL_OR | operators::LOGICAL_AND,
                [_, body],
            )
            | (Expr::Literal(LiteralValue::Int(_)), operators::CONDITIONAL, [body, _, _]) => {
                Some(Self { test: None, body, collects: false })
            }
            _ => None,
        }
        .filter(|_| loops.iter_var2.is_none())
    }
}

fn as_call(expression: &IdedExpr) -> Option<&CallExpr> {
    if let Expr::Call(call) = &expression.expr { Some(call) } else { None }
}

fn only(list: &IdedExpr) -> Option<&IdedExpr> {
    match &list.expr {
        Expr::List(list) if list.elements.len() == 1 => list.elements.first(),
        _ => None,
    }
}

fn is_operator(name: &str) -> bool {
    name.contains(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
}

fn is_logical(name: &str) -> bool {
    matches!(name, operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT)
}

fn literal_shape(literal: &LiteralValue) -> Result<Shape, String> {
    match literal {
        LiteralValue::String(text) => Ok(Shape::single(text.inner().chars().count() as u64)),
        LiteralValue::Bytes(_) => Err("bytes are not supported".to_owned()),
        _ => Ok(Shape::single(0)),
    }
}

/// The text of a string literal.
pub(super) fn literal(expression: &IdedExpr) -> Option<&str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

/// Size of a function's result, and the work beyond reading the operands and writing the result.
fn effect_bound(effect: Effect, operands: &[&IdedExpr], shapes: &[Shape]) -> Bound {
    let first = shapes.first().cloned().unwrap_or_default();
    let second = shapes.get(1).cloned().unwrap_or_default();
    let measure = |shape: &Shape| shape.nodes.saturating_add(shape.chars / 64).max(shape.items);
    Ok(match effect {
        Effect::Look => (Shape::single(24), 0),
        Effect::Cross => {
            let pairs = first.chars.saturating_mul(second.chars) / 256;
            (Shape::single(24), pairs.saturating_add(first.nodes.saturating_mul(second.nodes)))
        }
        Effect::Same => (first, 0),
        Effect::Distinct => {
            let pairs = measure(&first).saturating_mul(measure(&first));
            (first, pairs)
        }
        Effect::Text => (Shape::single(first.chars.max(32)), 0),
        Effect::Replace => {
            let by = shapes.get(2).map_or(0, |by| by.chars);
            let found =
                operands.get(1).and_then(|from| literal(from)).map_or(0, |from| from.chars().count() as u64);
            let times = first.chars.checked_div(found).unwrap_or(first.chars + 1);
            let grown = times.saturating_mul(by.saturating_sub(found));
            (Shape::single(first.chars.saturating_add(grown)), 0)
        }
        Effect::Split => (Shape::parts(first.chars), 0),
        Effect::Join => {
            let between = first.items.saturating_mul(second.chars);
            (Shape::single(first.chars.saturating_add(between)), 0)
        }
        Effect::Match => {
            operands.get(1).and_then(|pattern| literal(pattern)).ok_or("the pattern must be a literal")?;
            (Shape::single(0), first.chars / 4)
        }
    })
}

fn built(shape: Shape) -> Result<Shape, String> {
    if shape.chars > MAX_CHARS {
        return Err(format!("can build a text of {} characters; {MAX_CHARS} are allowed", shape.chars));
    }
    Ok(shape)
}
