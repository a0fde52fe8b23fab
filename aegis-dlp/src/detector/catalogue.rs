//! The catalogue: every built-in detector with its name, mask, group and title, one line each.

use super::Group;
use crate::own::OwnName;

macro_rules! catalogue {
    ($($variant:ident $name:literal $mask:literal $group:ident $title:literal;)+) => {
        /// One kind of sensitive data. Its name, in `snake_case`, is what policies and audit records say.
        #[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, Ord, PartialOrd)]
        pub enum Detector {
            $(#[doc = $title] $variant,)+
            /// A tenant's own, by its name.
            Own(OwnName),
        }

        /// The built-in detectors by number.
        enum Number {
            $($variant,)+
        }

        impl Detector {
            /// Every built-in detector, in the catalogue's order.
            pub const ALL: [Detector; BUILT_IN] = [$(Detector::$variant,)+];

            /// The name used in policies and records.
            pub fn name(self) -> &'static str {
                match self {
                    $(Detector::$variant => $name,)+
                    Detector::Own(own) => own.name(),
                }
            }

            /// What stands in the place of a redacted match, unless the policy says otherwise.
            ///
            /// Only capitals, `_` and brackets: no mask needs escaping in a JSON string and none is itself a match.
            pub fn mask(self) -> &'static str {
                match self {
                    $(Detector::$variant => $mask,)+
                    Detector::Own(own) => own.mask(),
                }
            }

            /// What it finds, for people.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Detector::$variant => $title,)+
                    Detector::Own(_) => "a detector of the policy's own",
                }
            }

            /// The group it belongs to; `None` for a tenant's own.
            pub const fn group(self) -> Option<Group> {
                match self {
                    $(Detector::$variant => Some(Group::$group),)+
                    Detector::Own(_) => None,
                }
            }

            /// Its bit in a set.
            pub(super) const fn number(self) -> usize {
                match self {
                    $(Detector::$variant => Number::$variant as usize,)+
                    Detector::Own(own) => MOST_BUILT_IN + own.index(),
                }
            }
        }

        /// How many are built in.
        const BUILT_IN: usize = [$($name),+].len();
    };
}

/// Bits kept for the built-in ones in a set.
pub(super) const MOST_BUILT_IN: usize = 128;
const _: () = assert!(BUILT_IN <= MOST_BUILT_IN);

catalogue! {
    Ssn "ssn" "[SSN]" NationalId "US social security number";
    Email "email" "[EMAIL]" Contact "e-mail address";
    DateOfBirth "date_of_birth" "[DOB]" Identity "date of birth: a date that its context says is one";
    PaymentCard "payment_card" "[CARD]" Financial "payment card number (ISO/IEC 7812) of a known issuer, with a right check digit";
    AwsKey "aws_key" "[AWS_KEY]" Cloud "AWS access key id, or a secret access key named as such";
    GithubToken "github_token" "[GITHUB_TOKEN]" Source "GitHub token: classic, fine-grained, of an app or for refresh";
    OpenaiKey "openai_key" "[OPENAI_KEY]" Llm "OpenAI API key";
    AnthropicKey "anthropic_key" "[ANTHROPIC_KEY]" Llm "Anthropic API key";
    SlackToken "slack_token" "[SLACK_TOKEN]" Chat "Slack bot, user or app token";
    StripeKey "stripe_key" "[STRIPE_KEY]" Payment "Stripe secret or restricted key";
    PrivateKey "private_key" "[PRIVATE_KEY]" KeyMaterial "PEM block holding a private key (RFC 7468, OpenSSH, OpenPGP)";
}
