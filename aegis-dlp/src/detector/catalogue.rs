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
        enum Slot {
            $($variant,)+
        }

        impl Detector {
            /// Every built-in detector, in the catalogue's order.
            pub const ALL: [Detector; BUILT_IN] = [$(Detector::$variant,)+];

            /// The name used in policies and records.
            pub fn name(self) -> &'static str {
                if let Detector::Own(own) = self {
                    return own.name();
                }
                match self {
                    $(Detector::$variant => $name,)+
                    Detector::Own(_) => "",
                }
            }

            /// What stands in the place of a redacted match, unless the policy says otherwise.
            ///
            /// Only capitals, `_` and brackets: no mask needs escaping in a JSON string and none is itself a match.
            pub fn mask(self) -> &'static str {
                if let Detector::Own(own) = self {
                    return own.mask();
                }
                match self {
                    $(Detector::$variant => $mask,)+
                    Detector::Own(_) => "",
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

            /// Its bit in a set. A match of nothing but constants is a table; with one arm that is none it is a jump that no
            /// machine foresees.
            #[inline(always)]
            pub(super) const fn number(self) -> usize {
                if let Detector::Own(own) = self {
                    return MOST_BUILT_IN + own.index();
                }
                match self {
                    $(Detector::$variant => Slot::$variant as usize,)+
                    Detector::Own(_) => 0,
                }
            }
        }

        /// How many are built in.
        const BUILT_IN: usize = [$($name),+].len();
    };
}

/// Bits kept for the built-in ones in a set.
pub(super) const MOST_BUILT_IN: usize = 192;
const _: () = assert!(BUILT_IN <= MOST_BUILT_IN);

catalogue! {
    Ssn "ssn" "[SSN]" NationalId "US social security number";
    UsItin "us_itin" "[US_ITIN]" NationalId "US individual taxpayer number";
    UkNino "uk_nino" "[UK_NINO]" NationalId "UK national insurance number";
    UkNhsNumber "uk_nhs_number" "[NHS_NUMBER]" NationalId "UK NHS number";
    DeTaxId "de_tax_id" "[DE_TAX_ID]" NationalId "German tax id (Steuer-ID)";
    FrNir "fr_nir" "[FR_NIR]" NationalId "French social security number (NIR)";
    EsDni "es_dni" "[ES_DNI]" NationalId "Spanish DNI or NIE";
    ItCodiceFiscale "it_codice_fiscale" "[CODICE_FISCALE]" NationalId "Italian tax code";
    NlBsn "nl_bsn" "[NL_BSN]" NationalId "Dutch citizen service number";
    BeNationalNumber "be_national_number" "[BE_NATIONAL_NUMBER]" NationalId "Belgian national number";
    PlPesel "pl_pesel" "[PL_PESEL]" NationalId "Polish PESEL";
    SePersonnummer "se_personnummer" "[SE_PERSONNUMMER]" NationalId "Swedish personal number";
    FiHetu "fi_hetu" "[FI_HETU]" NationalId "Finnish personal identity code";
    DkCpr "dk_cpr" "[DK_CPR]" NationalId "Danish CPR number";
    NoFodselsnummer "no_fodselsnummer" "[NO_FODSELSNUMMER]" NationalId "Norwegian birth number";
    PtNif "pt_nif" "[PT_NIF]" NationalId "Portuguese tax number";
    IePps "ie_pps" "[IE_PPS]" NationalId "Irish PPS number";
    ChAhv "ch_ahv" "[CH_AHV]" NationalId "Swiss AHV number";
    CaSin "ca_sin" "[CA_SIN]" NationalId "Canadian social insurance number";
    BrCpf "br_cpf" "[BR_CPF]" NationalId "Brazilian CPF";
    MxCurp "mx_curp" "[MX_CURP]" NationalId "Mexican CURP";
    ClRut "cl_rut" "[CL_RUT]" NationalId "Chilean RUT";
    InAadhaar "in_aadhaar" "[IN_AADHAAR]" NationalId "Indian Aadhaar number";
    InPan "in_pan" "[IN_PAN]" NationalId "Indian permanent account number";
    AuTfn "au_tfn" "[AU_TFN]" NationalId "Australian tax file number";
    AuMedicare "au_medicare" "[AU_MEDICARE]" NationalId "Australian Medicare number";
    SgNric "sg_nric" "[SG_NRIC]" NationalId "Singapore NRIC or FIN";
    KrRrn "kr_rrn" "[KR_RRN]" NationalId "Korean resident registration number";
    CnResidentId "cn_resident_id" "[CN_RESIDENT_ID]" NationalId "Chinese resident identity number";
    DeRvnr "de_rvnr" "[DE_RVNR]" NationalId "German pension insurance number";
    AtSvnr "at_svnr" "[AT_SVNR]" NationalId "Austrian social insurance number";
    CzRodneCislo "cz_rodne_cislo" "[CZ_RODNE_CISLO]" NationalId "Czech or Slovak birth number";
    RoCnp "ro_cnp" "[RO_CNP]" NationalId "Romanian personal number";
    BgEgn "bg_egn" "[BG_EGN]" NationalId "Bulgarian civil number";
    HrOib "hr_oib" "[HR_OIB]" NationalId "Croatian personal number";
    EeIsikukood "ee_isikukood" "[EE_ISIKUKOOD]" NationalId "Estonian or Lithuanian personal code";
    GrAmka "gr_amka" "[GR_AMKA]" NationalId "Greek social security number";
    TrKimlik "tr_kimlik" "[TR_KIMLIK]" NationalId "Turkish identity number";
    ZaId "za_id" "[ZA_ID]" NationalId "South African identity number";
    ThId "th_id" "[TH_ID]" NationalId "Thai identity number";
    IlId "il_id" "[IL_ID]" NationalId "Israeli identity number";
    JpMyNumber "jp_my_number" "[JP_MY_NUMBER]" NationalId "Japanese individual number";
    ArCuit "ar_cuit" "[AR_CUIT]" NationalId "Argentine CUIT or CUIL";
    OtherNationalId "other_national_id" "[OTHER_NATIONAL_ID]" NationalId "identity, tax or insurance number of a further state, by context";
    UsMbi "us_mbi" "[US_MBI]" NationalId "US Medicare beneficiary identifier";
    Email "email" "[EMAIL]" Contact "e-mail address";
    Phone "phone" "[PHONE]" Contact "telephone number: international, North American, or said to be one";
    DateOfBirth "date_of_birth" "[DOB]" Identity "date of birth: a date that its context says is one";
    Passport "passport" "[PASSPORT]" Identity "passport number by context, or a machine-readable line";
    DriverLicense "driver_license" "[DRIVER_LICENSE]" Identity "driving licence number by context";
    PaymentCard "payment_card" "[CARD]" Financial "payment card number (ISO/IEC 7812) of a known issuer, with a right check digit";
    Iban "iban" "[IBAN]" Financial "international bank account number (ISO 13616)";
    UsRoutingNumber "us_routing_number" "[ROUTING_NUMBER]" Financial "US bank routing number by context";
    BankAccount "bank_account" "[BANK_ACCOUNT]" Financial "bank account number by context";
    CryptoWallet "crypto_wallet" "[CRYPTO_WALLET]" Financial "address of a wallet: Bitcoin and alike, Ethereum";
    MedicalRecordNumber "medical_record_number" "[MRN]" Health "medical record or patient number by context";
    Geo "geo" "[GEO]" Location "latitude and longitude; only where asked for by name";
    IpAddress "ip_address" "[IP_ADDRESS]" Network "IP address of either version; only where asked for by name";
    MacAddress "mac_address" "[MAC_ADDRESS]" Network "hardware address of a network card; only where asked for by name";
    GcpApiKey "gcp_api_key" "[GCP_API_KEY]" Cloud "Google Cloud API key";
    GoogleOauthToken "google_oauth_token" "[GOOGLE_OAUTH_TOKEN]" Cloud "Google OAuth access token or client secret";
    DigitaloceanToken "digitalocean_token" "[DIGITALOCEAN_TOKEN]" Cloud "DigitalOcean token";
    AlibabaKey "alibaba_key" "[ALIBABA_KEY]" Cloud "Alibaba Cloud access key id";
    TencentKey "tencent_key" "[TENCENT_KEY]" Cloud "Tencent Cloud secret id";
    ScalewayKey "scaleway_key" "[SCALEWAY_KEY]" Cloud "Scaleway access key";
    FlyToken "fly_token" "[FLY_TOKEN]" Cloud "Fly.io token";
    NetlifyToken "netlify_token" "[NETLIFY_TOKEN]" Cloud "Netlify token";
    RenderKey "render_key" "[RENDER_KEY]" Cloud "Render API key";
    VercelToken "vercel_token" "[VERCEL_TOKEN]" Cloud "Vercel token";
    SupabaseKey "supabase_key" "[SUPABASE_KEY]" Cloud "Supabase access token or secret key";
    PlanetscaleToken "planetscale_token" "[PLANETSCALE_TOKEN]" Cloud "PlanetScale token or password";
    NeonKey "neon_key" "[NEON_KEY]" Cloud "Neon API key";
    YandexKey "yandex_key" "[YANDEX_KEY]" Cloud "Yandex Cloud API key";
    AwsKey "aws_key" "[AWS_KEY]" Cloud "AWS access key id, Bedrock key, or a secret access key named as such";
    AzureKey "azure_key" "[AZURE_KEY]" Cloud "Azure storage, service or DevOps key";
    AzureSasToken "azure_sas_token" "[AZURE_SAS_TOKEN]" Cloud "signature of an Azure shared access signature";
    AzureClientSecret "azure_client_secret" "[AZURE_CLIENT_SECRET]" Cloud "Azure (Entra) client secret";
    HerokuKey "heroku_key" "[HEROKU_KEY]" Cloud "Heroku API key";
    CloudflareToken "cloudflare_token" "[CLOUDFLARE_TOKEN]" Cloud "Cloudflare token or origin key";
    IbmCloudKey "ibm_cloud_key" "[IBM_CLOUD_KEY]" Cloud "IBM Cloud API key by context";
    GitlabToken "gitlab_token" "[GITLAB_TOKEN]" Source "GitLab token";
    BitbucketToken "bitbucket_token" "[BITBUCKET_TOKEN]" Source "Bitbucket app password or access token";
    NpmToken "npm_token" "[NPM_TOKEN]" Source "npm access token";
    PypiToken "pypi_token" "[PYPI_TOKEN]" Source "PyPI API token";
    CratesIoToken "crates_io_token" "[CRATES_IO_TOKEN]" Source "crates.io token";
    RubygemsKey "rubygems_key" "[RUBYGEMS_KEY]" Source "RubyGems API key";
    DockerHubToken "docker_hub_token" "[DOCKER_HUB_TOKEN]" Source "Docker Hub access token";
    NugetKey "nuget_key" "[NUGET_KEY]" Source "NuGet API key";
    ClojarsToken "clojars_token" "[CLOJARS_TOKEN]" Source "Clojars token";
    PackagistToken "packagist_token" "[PACKAGIST_TOKEN]" Source "Packagist token";
    JfrogKey "jfrog_key" "[JFROG_KEY]" Source "JFrog API key or reference token";
    CircleciToken "circleci_token" "[CIRCLECI_TOKEN]" Source "CircleCI token";
    BuildkiteToken "buildkite_token" "[BUILDKITE_TOKEN]" Source "Buildkite token";
    SonarToken "sonar_token" "[SONAR_TOKEN]" Source "SonarQube token";
    SourcegraphToken "sourcegraph_token" "[SOURCEGRAPH_TOKEN]" Source "Sourcegraph token";
    GithubToken "github_token" "[GITHUB_TOKEN]" Source "GitHub token: classic, fine-grained, of an app or for refresh";
    SlackWebhook "slack_webhook" "[SLACK_WEBHOOK]" Chat "Slack webhook URL";
    DiscordWebhook "discord_webhook" "[DISCORD_WEBHOOK]" Chat "Discord webhook URL";
    TeamsWebhook "teams_webhook" "[TEAMS_WEBHOOK]" Chat "Microsoft Teams webhook URL";
    TwilioKey "twilio_key" "[TWILIO_KEY]" Chat "Twilio API key, or an auth token by context";
    SendgridKey "sendgrid_key" "[SENDGRID_KEY]" Chat "SendGrid API key";
    MailgunKey "mailgun_key" "[MAILGUN_KEY]" Chat "Mailgun API key";
    BrevoKey "brevo_key" "[BREVO_KEY]" Chat "Brevo (Sendinblue) key";
    ResendKey "resend_key" "[RESEND_KEY]" Chat "Resend API key";
    MetaToken "meta_token" "[META_TOKEN]" Chat "Facebook or Instagram access token";
    SlackToken "slack_token" "[SLACK_TOKEN]" Chat "Slack bot, user or app token";
    DiscordToken "discord_token" "[DISCORD_TOKEN]" Chat "Discord bot token";
    TelegramToken "telegram_token" "[TELEGRAM_TOKEN]" Chat "Telegram bot token";
    MailchimpKey "mailchimp_key" "[MAILCHIMP_KEY]" Chat "Mailchimp API key";
    SquareToken "square_token" "[SQUARE_TOKEN]" Payment "Square access token or application secret";
    ShopifyToken "shopify_token" "[SHOPIFY_TOKEN]" Payment "Shopify token or secret";
    PlaidToken "plaid_token" "[PLAID_TOKEN]" Payment "Plaid access token";
    FlutterwaveKey "flutterwave_key" "[FLUTTERWAVE_KEY]" Payment "Flutterwave secret key";
    MercadopagoToken "mercadopago_token" "[MERCADOPAGO_TOKEN]" Payment "Mercado Pago access token";
    StripeKey "stripe_key" "[STRIPE_KEY]" Payment "Stripe secret, restricted or webhook key";
    PaypalToken "paypal_token" "[PAYPAL_TOKEN]" Payment "Braintree access token, or a PayPal secret by context";
    HuggingfaceToken "huggingface_token" "[HUGGINGFACE_TOKEN]" Llm "Hugging Face token";
    ReplicateToken "replicate_token" "[REPLICATE_TOKEN]" Llm "Replicate token";
    GroqKey "groq_key" "[GROQ_KEY]" Llm "Groq API key";
    XaiKey "xai_key" "[XAI_KEY]" Llm "xAI API key";
    PerplexityKey "perplexity_key" "[PERPLEXITY_KEY]" Llm "Perplexity API key";
    FireworksKey "fireworks_key" "[FIREWORKS_KEY]" Llm "Fireworks AI key";
    TogetherKey "together_key" "[TOGETHER_KEY]" Llm "Together AI key";
    LangsmithKey "langsmith_key" "[LANGSMITH_KEY]" Llm "LangSmith key";
    PineconeKey "pinecone_key" "[PINECONE_KEY]" Llm "Pinecone API key";
    NvidiaKey "nvidia_key" "[NVIDIA_KEY]" Llm "NVIDIA API key";
    ElevenlabsKey "elevenlabs_key" "[ELEVENLABS_KEY]" Llm "ElevenLabs API key";
    VoyageKey "voyage_key" "[VOYAGE_KEY]" Llm "Voyage AI key";
    JinaKey "jina_key" "[JINA_KEY]" Llm "Jina AI key";
    TavilyKey "tavily_key" "[TAVILY_KEY]" Llm "Tavily API key";
    CerebrasKey "cerebras_key" "[CEREBRAS_KEY]" Llm "Cerebras API key";
    ApifyToken "apify_token" "[APIFY_TOKEN]" Llm "Apify token";
    FirecrawlKey "firecrawl_key" "[FIRECRAWL_KEY]" Llm "Firecrawl API key";
    SandboxKey "sandbox_key" "[SANDBOX_KEY]" Llm "key of a code sandbox for agents (E2B, Browserbase)";
    OpenaiKey "openai_key" "[OPENAI_KEY]" Llm "OpenAI or OpenRouter API key";
    AnthropicKey "anthropic_key" "[ANTHROPIC_KEY]" Llm "Anthropic API key";
    CohereKey "cohere_key" "[COHERE_KEY]" Llm "Cohere API key by context";
    MistralKey "mistral_key" "[MISTRAL_KEY]" Llm "Mistral API key by context";
    WandbKey "wandb_key" "[WANDB_KEY]" Llm "Weights & Biases API key";
    DeepgramKey "deepgram_key" "[DEEPGRAM_KEY]" Llm "Deepgram API key by context";
    LangfuseKey "langfuse_key" "[LANGFUSE_KEY]" Llm "Langfuse secret key";
    DatabricksToken "databricks_token" "[DATABRICKS_TOKEN]" Service "Databricks token";
    GrafanaToken "grafana_token" "[GRAFANA_TOKEN]" Service "Grafana token";
    SentryToken "sentry_token" "[SENTRY_TOKEN]" Service "Sentry token";
    AtlassianToken "atlassian_token" "[ATLASSIAN_TOKEN]" Service "Atlassian API token";
    LinearKey "linear_key" "[LINEAR_KEY]" Service "Linear API key";
    NotionToken "notion_token" "[NOTION_TOKEN]" Service "Notion token";
    AirtableToken "airtable_token" "[AIRTABLE_TOKEN]" Service "Airtable personal access token";
    FigmaToken "figma_token" "[FIGMA_TOKEN]" Service "Figma token";
    PostmanKey "postman_key" "[POSTMAN_KEY]" Service "Postman API key";
    HubspotToken "hubspot_token" "[HUBSPOT_TOKEN]" Service "HubSpot token";
    DropboxToken "dropbox_token" "[DROPBOX_TOKEN]" Service "Dropbox access token";
    ContentfulToken "contentful_token" "[CONTENTFUL_TOKEN]" Service "Contentful token";
    DynatraceToken "dynatrace_token" "[DYNATRACE_TOKEN]" Service "Dynatrace token";
    MapboxToken "mapbox_token" "[MAPBOX_TOKEN]" Service "Mapbox secret token";
    PosthogKey "posthog_key" "[POSTHOG_KEY]" Service "PostHog personal key";
    LaunchdarklyKey "launchdarkly_key" "[LAUNCHDARKLY_KEY]" Service "LaunchDarkly SDK or API key";
    SalesforceToken "salesforce_token" "[SALESFORCE_TOKEN]" Service "Salesforce access token";
    NewrelicKey "newrelic_key" "[NEWRELIC_KEY]" Service "New Relic key";
    DatadogKey "datadog_key" "[DATADOG_KEY]" Service "Datadog API or application key";
    PagerdutyKey "pagerduty_key" "[PAGERDUTY_KEY]" Service "PagerDuty API key by context";
    OktaToken "okta_token" "[OKTA_TOKEN]" Service "Okta API token by context";
    Auth0Secret "auth0_secret" "[AUTH_SECRET]" Service "Auth0 client secret by context";
    AlgoliaKey "algolia_key" "[ALGOLIA_KEY]" Service "Algolia API key by context";
    ServiceKey "service_key" "[SERVICE_KEY]" Service "key of one of the smaller services that mark theirs";
    VaultToken "vault_token" "[VAULT_TOKEN]" Infrastructure "HashiCorp Vault token";
    DopplerToken "doppler_token" "[DOPPLER_TOKEN]" Infrastructure "Doppler token";
    PulumiToken "pulumi_token" "[PULUMI_TOKEN]" Infrastructure "Pulumi token";
    TailscaleKey "tailscale_key" "[TAILSCALE_KEY]" Infrastructure "Tailscale key";
    OnepasswordToken "onepassword_token" "[ONEPASSWORD_TOKEN]" Infrastructure "1Password service account token";
    TerraformToken "terraform_token" "[TERRAFORM_TOKEN]" Infrastructure "Terraform Cloud token";
    AgeKey "age_key" "[AGE_KEY]" KeyMaterial "age secret key";
    PrivateKey "private_key" "[PRIVATE_KEY]" KeyMaterial "PEM block holding a private key (RFC 7468, OpenSSH, OpenPGP)";
    Jwt "jwt" "[JWT]" KeyMaterial "signed or encrypted token (RFC 7519)";
    ConnectionString "connection_string" "[CONNECTION_STRING]" KeyMaterial "password in a URL or in a connection string";
    BasicAuth "basic_auth" "[BASIC_AUTH]" KeyMaterial "credentials of HTTP's Basic scheme (RFC 7617)";
    Password "password" "[PASSWORD]" KeyMaterial "password behind its name";
    PasswordHash "password_hash" "[PASSWORD_HASH]" KeyMaterial "password as systems keep it: hashed, with its salt";
    GenericSecret "generic_secret" "[GENERIC_SECRET]" KeyMaterial "random-looking word that its context calls a key, token or secret";
}
