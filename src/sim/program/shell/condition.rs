//! `[[ ]]`: words are not split, the right side of `==` is a pattern.
//! `test` and `[` are `command::test`.

use super::syntax::Test;
use super::{Shell, Unwind, pattern};
use crate::sim::program::command::test;
use futures::future::BoxFuture;

impl Shell {
    /// Evaluates the expression; the inner error is a message.
    pub(super) fn extended_test<'a>(&'a mut self, expression: &'a Test) -> BoxFuture<'a, Result<Result<bool, String>, Unwind>> {
        Box::pin(async move {
            Ok(match expression {
                Test::And(left, right) => match self.extended_test(left).await? {
                    Ok(true) => self.extended_test(right).await?,
                    other => other,
                },
                Test::Or(left, right) => match self.extended_test(left).await? {
                    Ok(false) => self.extended_test(right).await?,
                    other => other,
                },
                Test::Not(inner) => self.extended_test(inner).await?.map(|holds| !holds),
                Test::Unary(operator, word) => {
                    let word = self.expand_text(word).await?;
                    test::evaluate(&[operator.clone(), word], &self.process.machine.spec.filesystem, &self.directory)
                }
                Test::Binary(operator, left, right) => {
                    let left = self.expand_text(left).await?;
                    match operator.as_str() {
                        "==" | "=" => Ok(pattern::matches(&self.expand_pattern(right).await?, &left)),
                        "!=" => Ok(!pattern::matches(&self.expand_pattern(right).await?, &left)),
                        "=~" => {
                            let expression = self.expand_text(right).await?;
                            regex::Regex::new(&expression).map(|regex| regex.is_match(&left)).map_err(|_| "bad regex".to_owned())
                        }
                        _ => {
                            let right = self.expand_text(right).await?;
                            let words = [left, operator.clone(), right];
                            test::evaluate(&words, &self.process.machine.spec.filesystem, &self.directory)
                        }
                    }
                }
            })
        })
    }
}
