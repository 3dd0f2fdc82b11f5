//! The stable codes of the language's diagnostics. Editors and CI may rely on them: none is renamed or used for something else.

macro_rules! codes {
    ($($(#[$meta:meta])* $name:ident = $text:literal,)*) => {
        /// What is wrong, as a stable code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$meta])* $name,)* }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as files and reports write it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// A file or folder cannot be read.
    Unreadable = "unreadable",
    /// The text is not YAML.
    Syntax = "syntax",
    /// The YAML is too deep, too large or its aliases explode.
    TooComplex = "too-complex",
    /// A mapping has a key twice.
    DuplicateKey = "duplicate-key",
    /// A file has no document.
    Empty = "empty",
    /// A path holds no scenario.
    NoScenario = "no-scenario",
    /// `builtin:` with an unknown name.
    UnknownBuiltin = "unknown-builtin",
    /// A document of another apiVersion.
    ApiVersion = "api-version",
    /// A document of another kind.
    Kind = "kind",
    /// The contract lists it; this version does not have it.
    NotSupportedYet = "not-supported-yet",
    /// An unknown key.
    UnknownKey = "unknown-key",
    /// A required key is missing.
    MissingKey = "missing-key",
    /// Another type of value is wanted.
    WrongType = "wrong-type",
    /// A value that is not one of those allowed.
    BadValue = "bad-value",
    /// A number out of its range.
    OutOfRange = "out-of-range",
    /// A mapping that must have exactly one key has none or several.
    OneKey = "one-key",
    /// Not a duration.
    BadDuration = "bad-duration",
    /// Not a quantity.
    BadQuantity = "bad-quantity",
    /// Not a label selector.
    BadSelector = "bad-selector",
    /// Not a regular expression.
    BadRegex = "bad-regex",
    /// Not a name that Kubernetes takes.
    BadName = "bad-name",
    /// Two scenarios of one name.
    DuplicateScenario = "duplicate-scenario",
    /// Two objects of one kind and name in a workload.
    DuplicateObject = "duplicate-object",
    /// A parameter that nobody declares.
    UnknownParameter = "unknown-parameter",
    /// A parameter that is used nowhere.
    UnusedParameter = "unused-parameter",
    /// `${` without `}`, or a parameter that is not a scalar.
    BadParameter = "bad-parameter",
    /// A manifest cannot be read or is no manifest.
    BadManifest = "bad-manifest",
    /// A manifest of an object that belongs to the whole cluster.
    ClusterScoped = "cluster-scoped",
    /// A workload without objects.
    EmptyWorkload = "empty-workload",
    /// A patch that cannot be applied.
    BadPatch = "bad-patch",
    /// An object that the workload does not contain.
    UnknownObject = "unknown-object",
    /// A target with none or several of its keys.
    Target = "target",
    /// Several of `count`, `percent` and `all`, or a useless value of one.
    Amount = "amount",
    /// `until`, `any`, `all` without a condition.
    EmptyList = "empty-list",
    /// A condition that says nothing.
    EmptyCondition = "empty-condition",
    /// A cause that no detector knows.
    UnknownCause = "unknown-cause",
    /// An RTO longer than its budget.
    RtoExceedsBudget = "rto-exceeds-budget",
    /// A hold shorter than the probe period.
    HoldBelowProbePeriod = "hold-below-probe-period",
    /// A control ends before a detector could speak.
    ControlTooShort = "control-too-short",
    /// A verdict that cannot be expected.
    BadExpectation = "bad-expectation",
    /// A control with `effect`, `detect` or `heal`.
    Control = "control",
    /// Phases that do not fit together.
    Phases = "phases",
    /// A step that needs a steady state.
    NeedsSteady = "needs-steady",
    /// Steps without `by: comeback`.
    UnusedStrategy = "unused-strategy",
    /// Zero trials.
    NoTrials = "no-trials",
    /// Too few trials for the gate ever to pass.
    TooFewTrials = "too-few-trials",
    /// An RTO of a class that no scenario of the suite has.
    UnknownClass = "unknown-class",
    /// Two suites with a gate.
    SeveralGates = "several-gates",
    /// A strategy that leads back to itself.
    StrategyCycle = "strategy-cycle",
    /// A strategy that its file does not have.
    UnknownStrategy = "unknown-strategy",
    /// Two strategies of one name, or for one cause.
    DuplicateStrategy = "duplicate-strategy",
    /// A step that cannot help against the causes of its strategy.
    ImpossibleStep = "impossible-step",
    /// A step that is never reached.
    UnreachableStep = "unreachable-step",
    /// A selection that leaves nothing.
    NothingSelected = "nothing-selected",
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_is_its_own_and_kebab_case() {
        let texts: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        assert!(texts.iter().all(|text| text.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
    }
}
