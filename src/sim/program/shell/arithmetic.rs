//! Integer arithmetic of `$(( ))`, on the parser's expression tree.
//! Expanding the text before is `expand`.

use super::variables::Variables;
use brush_parser::ast::{
    ArithmeticExpr as Expr, ArithmeticTarget as Target, BinaryOperator, UnaryAssignmentOperator, UnaryOperator,
};

const DEEPEST: usize = 64;

/// Evaluates an expression.
///
/// # Errors
/// ash's message.
pub fn evaluate(expression: &Expr, variables: &mut Variables) -> Result<i64, String> {
    value(expression, variables, 0)
}

/// Parses and evaluates expanded text; empty text is 0.
///
/// # Errors
/// ash's message.
pub fn evaluate_text(text: &str, variables: &mut Variables) -> Result<i64, String> {
    text_value(text, variables, 0)
}

fn text_value(text: &str, variables: &mut Variables, depth: usize) -> Result<i64, String> {
    if text.trim().is_empty() {
        return Ok(0);
    }
    if depth > DEEPEST {
        return Err("expression recursion loop detected".to_owned());
    }
    if text.len() > 4096 || text.bytes().filter(|byte| matches!(byte, b'(' | b'-' | b'!' | b'~' | b'+')).count() > 200 {
        return Err("arithmetic expression too long".to_owned());
    }
    let tree = brush_parser::arithmetic::parse(text).map_err(|_| "arithmetic syntax error".to_owned())?;
    value(&tree, variables, depth)
}

fn name_of(target: &Target) -> Result<&str, String> {
    match target {
        Target::Variable(name) => Ok(name),
        Target::ArrayElement(..) => Err("arithmetic syntax error".to_owned()),
    }
}

fn read(target: &Target, variables: &mut Variables, depth: usize) -> Result<i64, String> {
    let text = variables.plain(name_of(target)?);
    match text.trim().parse::<i64>() {
        Ok(number) if !text.trim().starts_with('0') => Ok(number),
        _ => text_value(&text, variables, depth + 1),
    }
}

fn write(target: &Target, number: i64, variables: &mut Variables) -> Result<i64, String> {
    let name = name_of(target)?;
    if variables.set(name, number.to_string().into()) { Ok(number) } else { Err(format!("{name}: is read only")) }
}

fn value(expression: &Expr, variables: &mut Variables, depth: usize) -> Result<i64, String> {
    if depth > DEEPEST * 4 {
        return Err("expression recursion loop detected".to_owned());
    }
    let depth = depth + 1;
    match expression {
        Expr::Literal(number) => Ok(*number),
        Expr::Reference(target) => read(target, variables, depth),
        Expr::UnaryOp(operator, inner) => {
            let inner = value(inner, variables, depth)?;
            Ok(match operator {
                UnaryOperator::UnaryPlus => inner,
                UnaryOperator::UnaryMinus => inner.wrapping_neg(),
                UnaryOperator::BitwiseNot => !inner,
                UnaryOperator::LogicalNot => i64::from(inner == 0),
            })
        }
        Expr::BinaryOp(BinaryOperator::LogicalAnd, left, right) => {
            Ok(i64::from(value(left, variables, depth)? != 0 && value(right, variables, depth)? != 0))
        }
        Expr::BinaryOp(BinaryOperator::LogicalOr, left, right) => {
            Ok(i64::from(value(left, variables, depth)? != 0 || value(right, variables, depth)? != 0))
        }
        Expr::BinaryOp(operator, left, right) => {
            let left = value(left, variables, depth)?;
            let right = value(right, variables, depth)?;
            binary(operator, left, right)
        }
        Expr::Conditional(condition, yes, no) => {
            let chosen = if value(condition, variables, depth)? != 0 { yes } else { no };
            value(chosen, variables, depth)
        }
        Expr::Assignment(target, right) => {
            let number = value(right, variables, depth)?;
            write(target, number, variables)
        }
        Expr::BinaryAssignment(operator, target, right) => {
            let left = read(target, variables, depth)?;
            let right = value(right, variables, depth)?;
            write(target, binary(operator, left, right)?, variables)
        }
        Expr::UnaryAssignment(operator, target) => {
            let old = read(target, variables, depth)?;
            let (new, result) = match operator {
                UnaryAssignmentOperator::PrefixIncrement => (old.wrapping_add(1), old.wrapping_add(1)),
                UnaryAssignmentOperator::PrefixDecrement => (old.wrapping_sub(1), old.wrapping_sub(1)),
                UnaryAssignmentOperator::PostfixIncrement => (old.wrapping_add(1), old),
                UnaryAssignmentOperator::PostfixDecrement => (old.wrapping_sub(1), old),
            };
            write(target, new, variables)?;
            Ok(result)
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the parser's enum is not Copy")]
fn binary(operator: &BinaryOperator, left: i64, right: i64) -> Result<i64, String> {
    let shift = u32::try_from(right & 63).unwrap_or(0);
    Ok(match operator {
        BinaryOperator::Power => {
            let exponent = u32::try_from(right).map_err(|_| "exponent less than 0".to_owned())?;
            left.wrapping_pow(exponent)
        }
        BinaryOperator::Multiply => left.wrapping_mul(right),
        BinaryOperator::Divide | BinaryOperator::Modulo if right == 0 => return Err("divide by zero".to_owned()),
        BinaryOperator::Divide => left.wrapping_div(right),
        BinaryOperator::Modulo => left.wrapping_rem(right),
        BinaryOperator::Comma => right,
        BinaryOperator::Add => left.wrapping_add(right),
        BinaryOperator::Subtract => left.wrapping_sub(right),
        BinaryOperator::ShiftLeft => left.wrapping_shl(shift),
        BinaryOperator::ShiftRight => left.wrapping_shr(shift),
        BinaryOperator::LessThan => i64::from(left < right),
        BinaryOperator::LessThanOrEqualTo => i64::from(left <= right),
        BinaryOperator::GreaterThan => i64::from(left > right),
        BinaryOperator::GreaterThanOrEqualTo => i64::from(left >= right),
        BinaryOperator::Equals => i64::from(left == right),
        BinaryOperator::NotEquals => i64::from(left != right),
        BinaryOperator::BitwiseAnd => left & right,
        BinaryOperator::BitwiseXor => left ^ right,
        BinaryOperator::BitwiseOr => left | right,
        BinaryOperator::LogicalAnd => i64::from(left != 0 && right != 0),
        BinaryOperator::LogicalOr => i64::from(left != 0 || right != 0),
    })
}
