//! `$(VAR)` and `$$` in commands, arguments and environment values, as the kubelet expands them.
//! Where the values come from lives in `environment`.

use std::collections::BTreeMap;

/// Replaces `$(NAME)` of known names; `$$` becomes `$`; everything else stays as it is.
pub(super) fn expand(input: &str, known: &BTreeMap<String, String>) -> String {
    let mut output = String::with_capacity(input.len());
    let mut rest = input;
    while let Some(dollar) = rest.find('$') {
        output.push_str(&rest[..dollar]);
        let after = &rest[dollar + 1..];
        let mut characters = after.chars();
        rest = match characters.next() {
            None => {
                output.push('$');
                after
            }
            Some('$') => {
                output.push('$');
                &after[1..]
            }
            Some('(') => {
                if let Some(end) = after.find(')') {
                    let reference = &after[..=end];
                    match known.get(&after[1..end]) {
                        Some(value) => output.push_str(value),
                        None => output.extend(["$", reference]),
                    }
                    &after[end + 1..]
                } else {
                    output.push_str("$(");
                    &after[1..]
                }
            }
            Some(other) => {
                output.push('$');
                output.push(other);
                characters.as_str()
            }
        };
    }
    output.push_str(rest);
    output
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("$(A)", "1")]
    #[case("x$(A)y$(B)z", "x1y2z")]
    #[case("$$(A)", "$(A)")]
    #[case("$$$(A)", "$1")]
    #[case("$(MISSING)", "$(MISSING)")]
    #[case("$A ${A} $", "$A ${A} $")]
    #[case("$(A", "$(A")]
    #[case("$()", "$()")]
    #[case("$$$$", "$$")]
    fn follows_the_kubelet(#[case] input: &str, #[case] output: &str) {
        let known = BTreeMap::from([("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())]);
        assert_eq!(expand(input, &known), output);
    }

    proptest! {
        #[test]
        fn text_without_a_dollar_stays(input in "[^$]*") {
            prop_assert_eq!(expand(&input, &BTreeMap::new()), input);
        }

        #[test]
        fn doubled_dollars_come_out_single(input in ".*") {
            prop_assert_eq!(expand(&input.replace('$', "$$"), &BTreeMap::new()), input);
        }
    }
}
