//! Keys and tokens, by the forms that their issuers publish.

/// A kind of key: its detector, the name that settings give it, whether it is told by its form alone, and its forms.
pub struct Key(pub &'static str, pub &'static str, pub Told, pub &'static [&'static str]);

/// What tells a value.
#[derive(Copy, Clone, Eq, PartialEq)]
pub enum Told {
    /// Its form, wherever it stands.
    ByForm,
    /// The name in front of it.
    ByName,
}

use Told::{ByForm, ByName};

pub const CLOUD: &[Key] = &[
    Key("aws_key", "AWS_ACCESS_KEY_ID", ByForm, &["AK~IA[A-Z2-7]{16}", "AS~IA[A-Z2-7]{16}"]),
    Key("aws_key", "AWS_BEARER_TOKEN_BEDROCK", ByForm, &["AB~SKQmVkcm9ja0FQSUtleS1[A-Za-z0-9+/]{108}="]),
    Key(
        "aws_key",
        "AWS_SESSION_TOKEN",
        ByForm,
        &[
            "IQoJ~b3JpZ2luX2VjE[A-Za-z0-9+/]{300}=",
            "am~zn.mws.[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-8[a-f0-9]{3}-[a-f0-9]{12}",
            "da~2-[a-z0-9]{26}",
        ],
    ),
    Key("aws_key", "AWS_SECRET_ACCESS_KEY", ByName, &["[A-Za-z0-9+/]{40}"]),
    Key("gcp_api_key", "GOOGLE_API_KEY", ByForm, &["AI~zaSy[A-Za-z0-9_-]{32}[A-Za-z0-9]"]),
    Key(
        "google_oauth_token",
        "GOOGLE_ACCESS_TOKEN",
        ByForm,
        &["ya~29.[A-Za-z0-9_-]{120}", "GOC~SPX-[A-Za-z0-9_-]{28}"],
    ),
    Key("google_oauth_token", "GOOGLE_REFRESH_TOKEN", ByForm, &["1~//0[a-h0-9][A-Za-z0-9_-]{60}"]),
    Key(
        "digitalocean_token",
        "DIGITALOCEAN_TOKEN",
        ByForm,
        &["dop~_v1_[a-f0-9]{64}", "doo~_v1_[a-f0-9]{64}", "dor~_v1_[a-f0-9]{64}"],
    ),
    Key("alibaba_key", "ALIBABA_CLOUD_ACCESS_KEY_ID", ByForm, &["LT~AI[A-Za-z0-9]{20}"]),
    Key("tencent_key", "TENCENTCLOUD_SECRET_ID", ByForm, &["AK~ID[A-Za-z0-9]{32}"]),
    Key("scaleway_key", "SCW_ACCESS_KEY", ByForm, &["SC~W[A-Z0-9]{17}"]),
    Key(
        "fly_token",
        "FLY_API_TOKEN",
        ByForm,
        &["fo~1_[A-Za-z0-9_-]{43}", "fm~2_[A-Za-z0-9+/]{140}", "fm~1r_[A-Za-z0-9+/]{140}"],
    ),
    Key("netlify_token", "NETLIFY_AUTH_TOKEN", ByForm, &["nf~p_[A-Za-z0-9]{36}"]),
    Key("render_key", "RENDER_API_KEY", ByForm, &["rn~d_[A-Za-z0-9]{28}", "rn~d_[A-Za-z0-9]{32}"]),
    Key(
        "vercel_token",
        "VERCEL_TOKEN",
        ByForm,
        &["vc~p_[A-Za-z0-9]{56}", "vc~k_[A-Za-z0-9]{40}", "vc~a_[A-Za-z0-9]{24}"],
    ),
    Key("vercel_token", "VERCEL_TOKEN", ByName, &["[A-Za-z0-9]{24}"]),
    Key("supabase_key", "SUPABASE_ACCESS_TOKEN", ByForm, &["sb~p_[a-f0-9]{40}", "sb~_secret_[A-Za-z0-9_-]{31}"]),
    Key(
        "planetscale_token",
        "PLANETSCALE_TOKEN",
        ByForm,
        &["psc~ale_tkn_[A-Za-z0-9_-]{43}", "psc~ale_pw_[A-Za-z0-9_-]{43}", "psc~ale_oauth_[A-Za-z0-9]{32}"],
    ),
    Key("neon_key", "NEON_API_KEY", ByForm, &["na~pi_[a-z0-9]{64}"]),
    Key("yandex_key", "YANDEX_API_KEY", ByForm, &["AQ~VN[A-Za-z0-9_-]{35}[A-Za-z0-9]"]),
    Key(
        "azure_key",
        "AZURE_STORAGE_CONNECTION",
        ByForm,
        &[
            "DefaultEndpointsProtocol=https;AccountName=store1;Account~Key=[A-Za-z0-9+/]{86}==;EndpointSuffix=core.windows.net",
        ],
    ),
    Key(
        "azure_key",
        "AZURE_OPENAI_API_KEY",
        ByForm,
        &["[A-Za-z0-9]{52}JQ~QJ99[A-Za-z0-9]{26}", "[A-Za-z0-9]{76}AZ~DO[A-Za-z0-9]{4}"],
    ),
    Key(
        "azure_sas_token",
        "SAS",
        ByForm,
        &[
            "https://store1.blob.core.windows.net/c/f.txt?sv=2022-11-02&se=2026-01-01T00%3A00%3A00Z&sr=b&sp=r&s~ig=[A-Za-z0-9]{43}%3D",
        ],
    ),
    Key(
        "azure_client_secret",
        "AZURE_CLIENT_SECRET",
        ByForm,
        &["[A-Za-z0-9_]{3}8Q[~][A-Za-z0-9_.-]{33}[A-Za-z0-9]", "[A-Za-z0-9]{3}7Q[~][A-Za-z0-9_.-]{30}[A-Za-z0-9]"],
    ),
    Key("heroku_key", "HEROKU_KEY", ByForm, &["HR~KU-AA[A-Za-z0-9_-]{57}[A-Za-z0-9]"]),
    Key("heroku_key", "HEROKU_API_KEY", ByName, &["[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-a[a-f0-9]{3}-[a-f0-9]{12}"]),
    Key("cloudflare_token", "CLOUDFLARE_API_TOKEN", ByName, &["[A-Za-z0-9]{20}_[A-Za-z0-9]{19}", "[A-Za-z0-9]{40}"]),
    Key("cloudflare_token", "CLOUDFLARE_API_KEY", ByName, &["[a-f0-9]{37}"]),
    Key(
        "cloudflare_token",
        "CF_TOKEN",
        ByForm,
        &[
            "v1~.0-[a-f0-9]{24}-[a-f0-9]{146}",
            "cf~ut_[A-Za-z0-9]{40}[0-9a-f]{8}",
            "cf~k_[A-Za-z0-9]{40}[0-9a-f]{8}",
            "cf~at_[A-Za-z0-9]{40}[0-9a-f]{8}",
        ],
    ),
    Key("ibm_cloud_key", "IBM_CLOUD_API_KEY", ByName, &["[A-Za-z0-9_-]{43}[A-Za-z0-9]"]),
];

pub const SOURCE: &[Key] = &[
    Key(
        "gitlab_token",
        "GITLAB_TOKEN",
        ByForm,
        &[
            "glp~at-[A-Za-z0-9_-]{20}",
            "gld~t-[A-Za-z0-9_-]{20}",
            "glr~t-[A-Za-z0-9_-]{20}",
            "glc~bt-[a-f0-9]{2}_[A-Za-z0-9_-]{20}",
            "glp~tt-[a-f0-9]{40}",
            "glag~ent-[A-Za-z0-9_-]{50}",
            "glo~as-[a-f0-9]{64}",
            "glso~at-[A-Za-z0-9_-]{20}",
            "glim~t-[A-Za-z0-9]{25}",
            "glf~t-[A-Za-z0-9]{20}",
            "glff~ct-[A-Za-z0-9]{20}",
            "GR13~48941[A-Za-z0-9_-]{20}",
        ],
    ),
    Key("bitbucket_token", "BITBUCKET_TOKEN", ByForm, &["AT~BB[A-Za-z0-9]{32}"]),
    Key("npm_token", "NPM_TOKEN", ByForm, &["np~m_[A-Za-z0-9]{36}"]),
    Key("pypi_token", "PYPI_TOKEN", ByForm, &["py~pi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{150}"]),
    Key("crates_io_token", "CARGO_REGISTRY_TOKEN", ByForm, &["ci~o[A-Za-z0-9]{32}"]),
    Key("rubygems_key", "GEM_HOST_API_KEY", ByForm, &["ruby~gems_[a-f0-9]{48}"]),
    Key("docker_hub_token", "DOCKERHUB_TOKEN", ByForm, &["dck~r_pat_[A-Za-z0-9_-]{27}", "dck~r_oat_[A-Za-z0-9_-]{32}"]),
    Key("nuget_key", "NUGET_API_KEY", ByForm, &["oy~2[a-z0-9]{43}"]),
    Key("clojars_token", "CLOJARS_TOKEN", ByForm, &["CLOJ~ARS_[a-z0-9]{60}"]),
    Key("packagist_token", "PACKAGIST_TOKEN", ByForm, &["pack~agist_uut_[a-f0-9]{68}", "pack~agist_ors_[a-f0-9]{68}"]),
    Key("jfrog_key", "ARTIFACTORY_API_KEY", ByForm, &["AK~Cp[A-Za-z0-9]{69}", "cm~Vmd[A-Za-z0-9]{59}"]),
    Key(
        "circleci_token",
        "CIRCLE_TOKEN",
        ByForm,
        &["CCI~PAT_[A-Za-z0-9]{22}_[a-f0-9]{40}", "CCI~PRJ_[A-Za-z0-9]{22}_[a-f0-9]{40}"],
    ),
    Key("buildkite_token", "BUILDKITE_API_TOKEN", ByForm, &["bk~ua_[a-f0-9]{40}"]),
    Key("sonar_token", "SONAR_TOKEN", ByForm, &["sq~u_[a-f0-9]{40}", "sq~p_[a-f0-9]{40}", "sq~a_[a-f0-9]{40}"]),
    Key(
        "sourcegraph_token",
        "SRC_ACCESS_TOKEN",
        ByForm,
        &["sg~p_[a-f0-9]{40}", "sg~p_[a-f0-9]{16}_[a-f0-9]{40}", "sg~p_local_[a-f0-9]{40}"],
    ),
    Key(
        "github_token",
        "GITHUB_TOKEN",
        ByForm,
        &[
            "gh~p_[A-Za-z0-9]{36}",
            "gh~o_[A-Za-z0-9]{36}",
            "gh~u_[A-Za-z0-9]{36}",
            "gh~s_[A-Za-z0-9]{36}",
            "gh~r_[A-Za-z0-9]{76}",
            "github~_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
        ],
    ),
];

pub const CHAT: &[Key] = &[
    Key(
        "slack_webhook",
        "SLACK_WEBHOOK_URL",
        ByForm,
        &[
            "https://hooks.sl~ack.com/services/T[A-Z0-9]{8}/B[A-Z0-9]{10}/[A-Za-z0-9]{24}",
            "https://hooks.sl~ack.com/workflows/T[A-Z0-9]{10}/A[A-Z0-9]{10}/[0-9]{18}/[A-Za-z0-9]{24}",
        ],
    ),
    Key(
        "discord_webhook",
        "DISCORD_WEBHOOK",
        ByForm,
        &[
            "https://disc~ord.com/api/webhooks/[1-9][0-9]{17}/[A-Za-z0-9_-]{68}",
            "https://disc~ordapp.com/api/webhooks/[1-9][0-9]{18}/[A-Za-z0-9_-]{68}",
        ],
    ),
    Key(
        "teams_webhook",
        "TEAMS_WEBHOOK",
        ByForm,
        &[
            "https://acme.web~hook.office.com/webhookb2/[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-8[a-f0-9]{3}-[a-f0-9]{12}@[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-8[a-f0-9]{3}-[a-f0-9]{12}/IncomingWebhook/[a-f0-9]{32}/[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-8[a-f0-9]{3}-[a-f0-9]{12}",
        ],
    ),
    Key("twilio_key", "TWILIO_API_KEY", ByForm, &["S~K[a-f0-9]{32}"]),
    Key("twilio_key", "TWILIO_AUTH_TOKEN", ByName, &["[a-f0-9]{32}"]),
    Key("sendgrid_key", "SENDGRID_API_KEY", ByForm, &["S~G.[A-Za-z0-9_-]{22}.[A-Za-z0-9_-]{43}"]),
    Key("mailgun_key", "MAILGUN_API_KEY", ByForm, &["ke~y-[a-f0-9]{32}"]),
    Key("mailgun_key", "MAILGUN_API_KEY", ByName, &["[a-f0-9]{32}-[a-f0-9]{8}-[a-f0-9]{8}"]),
    Key("brevo_key", "BREVO_API_KEY", ByForm, &["xkey~sib-[a-f0-9]{64}-[A-Za-z0-9]{16}"]),
    Key("resend_key", "RESEND_API_KEY", ByForm, &["r~e_[A-Za-z0-9]{8}_[A-Za-z0-9]{24}"]),
    Key("meta_token", "FACEBOOK_TOKEN", ByForm, &["EA~AM[A-Za-z0-9]{150}", "EA~AC[A-Za-z0-9]{180}"]),
    Key(
        "slack_token",
        "SLACK_TOKEN",
        ByForm,
        &[
            "xo~xb-[1-9][0-9]{11}-[1-9][0-9]{12}-[A-Za-z0-9]{24}",
            "xo~xp-[1-9][0-9]{11}-[1-9][0-9]{11}-[1-9][0-9]{12}-[a-f0-9]{32}",
            "xa~pp-1-A[A-Z0-9]{10}-[1-9][0-9]{12}-[a-f0-9]{64}",
            "xo~xe.xoxp-1-[A-Za-z0-9]{164}",
            "xo~xe-1-[A-Za-z0-9]{146}",
            "xo~xb-[1-9][0-9]{11}-[A-Za-z0-9]{24}",
            "xo~xc-[1-9][0-9]{11}-[1-9][0-9]{11}-[1-9][0-9]{12}-[a-f0-9]{64}",
        ],
    ),
    Key(
        "telegram_token",
        "TELEGRAM_BOT_TOKEN",
        ByForm,
        &["[1-9][0-9]{9}:A~A[A-Za-z0-9_-]{32}[A-Za-z0-9]", "[1-9][0-9]{8}:A~A[A-Za-z0-9_-]{32}[A-Za-z0-9]"],
    ),
    Key("mailchimp_key", "MAILCHIMP_API_KEY", ByForm, &["[a-f0-9]{32}-u~s[1-2][0-9]", "[a-f0-9]{32}-u~s[1-9]"]),
];

pub const PAYMENT: &[Key] = &[
    Key(
        "square_token",
        "SQUARE_ACCESS_TOKEN",
        ByForm,
        &["EA~AA[A-Za-z0-9_-]{60}", "sq0~atp-[A-Za-z0-9_-]{22}", "sq0~csp-[A-Za-z0-9_-]{43}"],
    ),
    Key(
        "shopify_token",
        "SHOPIFY_TOKEN",
        ByForm,
        &["shp~at_[a-f0-9]{32}", "shp~ss_[a-f0-9]{32}", "shp~ca_[a-f0-9]{32}", "shp~pa_[a-f0-9]{32}"],
    ),
    Key(
        "plaid_token",
        "PLAID_ACCESS_TOKEN",
        ByForm,
        &[
            "acc~ess-sandbox-[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-8[a-f0-9]{3}-[a-f0-9]{12}",
            "acc~ess-production-[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-8[a-f0-9]{3}-[a-f0-9]{12}",
        ],
    ),
    Key("flutterwave_key", "FLW_SECRET_KEY", ByForm, &["FLW~SECK_TEST-[a-f0-9]{32}-X", "FLW~SECK-[a-f0-9]{32}-X"]),
    Key(
        "mercadopago_token",
        "MP_ACCESS_TOKEN",
        ByForm,
        &["APP~_USR-[1-9][0-9]{15}-[0-1][0-9][0-2][0-9][0-2][0-9]-[a-f0-9]{32}-[1-9][0-9]{8}"],
    ),
    Key(
        "stripe_key",
        "STRIPE_SECRET_KEY",
        ByForm,
        &[
            "sk~_live_[A-Za-z0-9]{24}",
            "sk~_live_51[A-Za-z0-9]{97}",
            "rk~_live_[A-Za-z0-9]{99}",
            "sk~_test_[A-Za-z0-9]{24}",
            "wh~sec_[A-Za-z0-9]{32}",
        ],
    ),
    Key("paypal_token", "BRAINTREE_ACCESS_TOKEN", ByForm, &["access~_token$production$[a-z0-9]{16}$[a-f0-9]{32}"]),
    Key("paypal_token", "PAYPAL_CLIENT_SECRET", ByName, &["E[A-Za-z0-9_-]{78}[A-Za-z0-9]"]),
];

pub const LLM: &[Key] = &[
    Key("huggingface_token", "HF_TOKEN", ByForm, &["h~f_[A-Za-z]{34}", "api~_org_[A-Za-z]{34}"]),
    Key("replicate_token", "REPLICATE_API_TOKEN", ByForm, &["r~8_[A-Za-z0-9]{37}"]),
    Key("groq_key", "GROQ_API_KEY", ByForm, &["gs~k_[A-Za-z0-9]{52}"]),
    Key("xai_key", "XAI_API_KEY", ByForm, &["xa~i-[A-Za-z0-9]{80}"]),
    Key("perplexity_key", "PERPLEXITY_API_KEY", ByForm, &["pp~lx-[A-Za-z0-9]{48}"]),
    Key("fireworks_key", "FIREWORKS_API_KEY", ByForm, &["f~w_[A-Za-z0-9]{24}"]),
    Key("together_key", "TOGETHER_API_KEY", ByForm, &["tgp~_v1_[A-Za-z0-9_-]{42}[A-Za-z0-9]"]),
    Key("together_key", "TOGETHER_API_KEY", ByName, &["[a-f0-9]{64}"]),
    Key(
        "langsmith_key",
        "LANGSMITH_API_KEY",
        ByForm,
        &["lsv~2_pt_[a-f0-9]{32}_[a-f0-9]{10}", "lsv~2_sk_[a-f0-9]{32}_[a-f0-9]{10}"],
    ),
    Key(
        "pinecone_key",
        "PINECONE_API_KEY",
        ByForm,
        &["pc~sk_[A-Za-z0-9]{6}_[A-Za-z0-9]{63}", "pc~sk_[A-Za-z0-9]{5}_[A-Za-z0-9]{63}"],
    ),
    Key(
        "pinecone_key",
        "PINECONE_API_KEY",
        ByName,
        &["[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-8[a-f0-9]{3}-[a-f0-9]{12}"],
    ),
    Key("nvidia_key", "NVIDIA_API_KEY", ByForm, &["nva~pi-[A-Za-z0-9_-]{64}"]),
    Key("elevenlabs_key", "ELEVENLABS_API_KEY", ByForm, &["s~k_[a-f0-9]{48}"]),
    Key("voyage_key", "VOYAGE_API_KEY", ByForm, &["p~a-[A-Za-z0-9_-]{42}[A-Za-z0-9]"]),
    Key("jina_key", "JINA_API_KEY", ByForm, &["ji~na_[a-f0-9]{32}[A-Za-z0-9_-]{27}[A-Za-z0-9]"]),
    Key("tavily_key", "TAVILY_API_KEY", ByForm, &["tv~ly-[A-Za-z0-9]{32}", "tv~ly-dev-[A-Za-z0-9]{32}"]),
    Key("cerebras_key", "CEREBRAS_API_KEY", ByForm, &["cs~k-[a-z0-9]{48}"]),
    Key("apify_token", "APIFY_TOKEN", ByForm, &["apify~_api_[A-Za-z0-9]{36}"]),
    Key("firecrawl_key", "FIRECRAWL_API_KEY", ByForm, &["f~c-[a-f0-9]{32}"]),
    Key("sandbox_key", "E2B_API_KEY", ByForm, &["e2~b_[a-f0-9]{40}", "bb~_live_[A-Za-z0-9_-]{26}[A-Za-z0-9]"]),
    Key(
        "openai_key",
        "OPENAI_API_KEY",
        ByForm,
        &[
            "s~k-proj-[A-Za-z0-9_-]{74}T3Bl~bkFJ[A-Za-z0-9_-]{73}[A-Za-z0-9]",
            "s~k-svcacct-[A-Za-z0-9_-]{74}T3Bl~bkFJ[A-Za-z0-9_-]{73}[A-Za-z0-9]",
            "s~k-admin-[A-Za-z0-9_-]{58}T3Bl~bkFJ[A-Za-z0-9_-]{57}[A-Za-z0-9]",
            "s~k-[A-Za-z0-9]{20}T3Bl~bkFJ[A-Za-z0-9]{20}",
            "s~k-or-v1-[a-f0-9]{64}",
        ],
    ),
    Key("openai_key", "DEEPSEEK_API_KEY", ByForm, &["s~k-[a-f0-9]{32}"]),
    Key(
        "anthropic_key",
        "ANTHROPIC_API_KEY",
        ByForm,
        &[
            "s~k-ant-api03-[A-Za-z0-9_-]{93}AA",
            "s~k-ant-admin01-[A-Za-z0-9_-]{93}AA",
            "s~k-ant-oat01-[A-Za-z0-9_-]{93}AA",
        ],
    ),
    Key("cohere_key", "COHERE_API_KEY", ByName, &["[A-Za-z0-9]{40}"]),
    Key("cohere_key", "CO_API_KEY", ByName, &["[A-Za-z0-9]{40}"]),
    Key("mistral_key", "MISTRAL_API_KEY", ByName, &["[A-Za-z0-9]{32}"]),
    Key("wandb_key", "WANDB_API_KEY", ByName, &["[a-f0-9]{40}"]),
    Key("deepgram_key", "DEEPGRAM_API_KEY", ByName, &["[a-f0-9]{40}"]),
    Key(
        "langfuse_key",
        "LANGFUSE_SECRET_KEY",
        ByForm,
        &["sk~-lf-[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-8[a-f0-9]{3}-[a-f0-9]{12}"],
    ),
];

pub const SERVICE: &[Key] = &[
    Key("databricks_token", "DATABRICKS_TOKEN", ByForm, &["da~pi[a-f0-9]{32}", "da~pi[a-f0-9]{32}-[2-3]"]),
    Key(
        "grafana_token",
        "GRAFANA_TOKEN",
        ByForm,
        &["gl~sa_[A-Za-z0-9]{32}_[a-f0-9]{8}", "gl~c_eyJvIjoi[A-Za-z0-9]{92}", "ey~JrIjoi[A-Za-z0-9]{72}"],
    ),
    Key(
        "sentry_token",
        "SENTRY_AUTH_TOKEN",
        ByForm,
        &[
            "sntry~u_[a-f0-9]{64}",
            "sntry~s_eyJpYXQiOjE2ODczMzY1NDMuNjk4NTksInVybCI6bnVsbCwicmVnaW9uX3VybCI6Imh0dHA6Ly9sb2NhbGhvc3Q6ODAwMCIsIm9yZyI6InNlbnRyeSJ9_[A-Za-z0-9+/]{43}",
        ],
    ),
    Key("atlassian_token", "JIRA_API_TOKEN", ByForm, &["ATA~TT3xFfGF0[A-Za-z0-9_-]{171}=[A-F0-9]{8}"]),
    Key("linear_key", "LINEAR_API_KEY", ByForm, &["lin~_api_[A-Za-z0-9]{40}", "lin~_oauth_[a-f0-9]{64}"]),
    Key("notion_token", "NOTION_TOKEN", ByForm, &["nt~n_[0-9]{11}[A-Za-z0-9]{35}"]),
    Key("notion_token", "NOTION_API_KEY", ByForm, &["sec~ret_[A-Za-z0-9]{43}"]),
    Key("airtable_token", "AIRTABLE_TOKEN", ByForm, &["pa~t[A-Za-z0-9]{14}.[a-f0-9]{64}"]),
    Key("figma_token", "FIGMA_TOKEN", ByForm, &["fi~gd_[A-Za-z0-9_-]{40}"]),
    Key("postman_key", "POSTMAN_API_KEY", ByForm, &["PM~AK-[a-f0-9]{24}-[a-f0-9]{34}"]),
    Key(
        "hubspot_token",
        "HUBSPOT_TOKEN",
        ByForm,
        &[
            "pa~t-na1-[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-8[a-f0-9]{3}-[a-f0-9]{12}",
            "pa~t-eu1-[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-8[a-f0-9]{3}-[a-f0-9]{12}",
        ],
    ),
    Key(
        "dropbox_token",
        "DROPBOX_TOKEN",
        ByForm,
        &["s~l.[A-Za-z0-9_-]{134}[A-Za-z0-9]", "s~l.u.[A-Za-z0-9_-]{160}[A-Za-z0-9]"],
    ),
    Key("contentful_token", "CONTENTFUL_TOKEN", ByForm, &["CFP~AT-[A-Za-z0-9_-]{42}[A-Za-z0-9]"]),
    Key("dynatrace_token", "DT_API_TOKEN", ByForm, &["dt~0c01.[A-Z2-7]{24}.[A-Z2-7]{64}"]),
    Key("mapbox_token", "MAPBOX_SECRET_TOKEN", ByForm, &["s~k.eyJ1Ijoi[A-Za-z0-9]{60}.[A-Za-z0-9_-]{21}[A-Za-z0-9]"]),
    Key("posthog_key", "POSTHOG_KEY", ByForm, &["ph~x_[A-Za-z0-9]{43}"]),
    Key(
        "launchdarkly_key",
        "LAUNCHDARKLY_SDK_KEY",
        ByForm,
        &[
            "sd~k-[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-8[a-f0-9]{3}-[a-f0-9]{12}",
            "ap~i-[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-8[a-f0-9]{3}-[a-f0-9]{12}",
        ],
    ),
    Key("salesforce_token", "SF_ACCESS_TOKEN", ByForm, &["00~D[A-Za-z0-9]{12}!AQ[A-Za-z0-9_.]{93}[A-Za-z0-9]"]),
    Key(
        "newrelic_key",
        "NEW_RELIC_API_KEY",
        ByForm,
        &["NR~AK-[A-Z0-9]{27}", "NR~II-[A-Za-z0-9_-]{31}[A-Za-z0-9]", "[a-f0-9]{32}FFFFN~RAL"],
    ),
    Key("datadog_key", "DD_API_KEY", ByName, &["[a-f0-9]{32}"]),
    Key("datadog_key", "DATADOG_APP_KEY", ByName, &["[a-f0-9]{40}"]),
    Key("pagerduty_key", "PAGERDUTY_API_KEY", ByName, &["[A-Za-z0-9_-]{19}[A-Za-z0-9]"]),
    Key("okta_token", "OKTA_API_TOKEN", ByName, &["00[A-Za-z0-9_-]{39}[A-Za-z0-9]"]),
    Key("auth0_secret", "AUTH0_CLIENT_SECRET", ByName, &["[A-Za-z0-9_-]{63}[A-Za-z0-9]"]),
    Key("algolia_key", "ALGOLIA_ADMIN_API_KEY", ByName, &["[a-f0-9]{32}"]),
];

pub const INFRASTRUCTURE: &[Key] = &[
    Key(
        "vault_token",
        "VAULT_TOKEN",
        ByForm,
        &["hv~s.[A-Za-z0-9_-]{94}[A-Za-z0-9]", "hv~b.[A-Za-z0-9_-]{140}[A-Za-z0-9]", "hv~s.[A-Za-z0-9]{24}"],
    ),
    Key("vault_token", "VAULT_TOKEN", ByName, &["s.[A-Za-z0-9]{23}[0-9]"]),
    Key(
        "doppler_token",
        "DOPPLER_TOKEN",
        ByForm,
        &["dp~.pt.[A-Za-z0-9]{43}", "dp~.st.dev.[A-Za-z0-9]{43}", "dp~.ct.[A-Za-z0-9]{43}"],
    ),
    Key("pulumi_token", "PULUMI_ACCESS_TOKEN", ByForm, &["pu~l-[a-f0-9]{40}"]),
    Key(
        "tailscale_key",
        "TS_AUTHKEY",
        ByForm,
        &["tsk~ey-auth-k[A-Za-z0-9]{11}CNTRL-[A-Za-z0-9]{32}", "tsk~ey-api-k[A-Za-z0-9]{11}CNTRL-[A-Za-z0-9]{33}"],
    ),
    Key(
        "onepassword_token",
        "OP_SERVICE_ACCOUNT_TOKEN",
        ByForm,
        &[
            "op~s_eyJ[A-Za-z0-9+/]{300}",
            "A~3-[A-Z0-9]{6}-[A-Z0-9]{11}-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}",
            "A~3-[A-Z0-9]{6}-[A-Z0-9]{6}-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}",
        ],
    ),
    Key("terraform_token", "TF_TOKEN_app_terraform_io", ByForm, &["[A-Za-z0-9]{14}.at~lasv1.[A-Za-z0-9]{67}"]),
    Key("age_key", "SOPS_AGE_KEY", ByForm, &["AGE-SEC~RET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}"]),
];

/// Keys of smaller services.
pub const MINOR: &[Key] = &[
    Key("service_key", "ADOBE_CLIENT_SECRET", ByForm, &["p8~e-[a-f0-9]{32}"]),
    Key("service_key", "CLICKHOUSE_KEY", ByForm, &["4b~1d[A-Za-z0-9]{38}"]),
    Key("service_key", "DUFFEL_TOKEN", ByForm, &["duf~fel_test_[A-Za-z0-9_-]{43}", "duf~fel_live_[A-Za-z0-9_-]{43}"]),
    Key("service_key", "EASYPOST_KEY", ByForm, &["EZ~AK[A-Za-z0-9]{54}", "EZ~TK[A-Za-z0-9]{54}"]),
    Key("service_key", "FRAMEIO_TOKEN", ByForm, &["fio~-u-[A-Za-z0-9_-]{64}"]),
    Key("service_key", "HARNESS_KEY", ByForm, &["pa~t.[A-Za-z0-9]{22}.[A-Za-z0-9]{24}.[A-Za-z0-9]{20}"]),
    Key("service_key", "INFRACOST_KEY", ByForm, &["ic~o-[A-Za-z0-9]{32}"]),
    Key("service_key", "OCTOPUS_KEY", ByForm, &["AP~I-[A-Z0-9]{26}"]),
    Key("service_key", "OC_TOKEN", ByForm, &["sha256[~][A-Za-z0-9_-]{42}[A-Za-z0-9]"]),
    Key("service_key", "PREFECT_KEY", ByForm, &["pn~u_[A-Za-z0-9]{36}"]),
    Key("service_key", "README_KEY", ByForm, &["rd~me_[a-z0-9]{70}"]),
    Key("service_key", "SHIPPO_TOKEN", ByForm, &["ship~po_live_[a-f0-9]{40}"]),
    Key("service_key", "TYPEFORM_TOKEN", ByForm, &["tf~p_[A-Za-z0-9_-]{58}[A-Za-z0-9]"]),
    Key("service_key", "SCALINGO_TOKEN", ByForm, &["tk~-us-[A-Za-z0-9_-]{47}[A-Za-z0-9]"]),
    Key("service_key", "ADAFRUIT_IO_KEY", ByForm, &["ai~o_[A-Za-z0-9]{28}"]),
    Key("service_key", "ALCHEMY_KEY", ByForm, &["alc~ht_[A-Za-z0-9]{30}"]),
    Key("service_key", "AKAMAI_KEY", ByForm, &["ak~ab-[a-z0-9]{16}-[a-z0-9]{16}"]),
    Key("service_key", "DTRACK_KEY", ByForm, &["od~t_[A-Za-z0-9]{32}"]),
    Key("service_key", "SWARM_KEY", ByForm, &["SWM~TKN-1-[a-z0-9]{50}-[a-z0-9]{25}"]),
    Key("service_key", "LLAMA_CLOUD_KEY", ByForm, &["ll~x-[A-Za-z0-9]{48}"]),
    Key("service_key", "TWITCH_STREAM_KEY", ByForm, &["li~ve_[1-9][0-9]{8}_[A-Za-z0-9]{30}"]),
    Key("service_key", "CLICKUP_KEY", ByForm, &["p~k_[1-9][0-9]{6}_[A-Z0-9]{32}"]),
    Key("service_key", "ZOHO_KEY", ByForm, &["10~00.[a-f0-9]{32}.[a-f0-9]{32}"]),
    Key("service_key", "MAXMIND_KEY", ByForm, &["[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_m~mk"]),
    Key("service_key", "WUNDERGRAPH_KEY", ByForm, &["cos~mo_[a-f0-9]{32}"]),
    Key("service_key", "NATS_SEED_KEY", ByForm, &["S~UA[A-Z2-7]{55}"]),
    Key("service_key", "ATLAS_KEY", ByForm, &["mdb~_sa_sk_[A-Za-z0-9]{40}"]),
    Key("service_key", "DN_KEY", ByForm, &["dn~key-[A-Z0-9]{26}-[A-Z0-9]{52}"]),
];

/// Keys that nothing but the name tells, of services that no detector is for.
pub const UNNAMED: &[Key] = &[
    Key("generic_secret", "ADAFRUIT_API_KEY", ByName, &["[A-Za-z0-9]{32}"]),
    Key("generic_secret", "ASANA_CLIENT_SECRET", ByName, &["[a-z0-9]{32}"]),
    Key("generic_secret", "BITTREX_SECRET_KEY", ByName, &["[a-z0-9]{32}"]),
    Key(
        "generic_secret",
        "CODECOV_TOKEN",
        ByName,
        &["[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-8[a-f0-9]{3}-[a-f0-9]{12}", "[a-z0-9]{32}"],
    ),
    Key("generic_secret", "CONFLUENT_API_SECRET", ByName, &["[A-Za-z0-9+/]{64}"]),
    Key("generic_secret", "DRONE_TOKEN", ByName, &["[A-Za-z0-9]{32}"]),
    Key("generic_secret", "FASTLY_API_TOKEN", ByName, &["[A-Za-z0-9_-]{31}[A-Za-z0-9]"]),
    Key("generic_secret", "FINNHUB_TOKEN", ByName, &["[a-z0-9]{20}"]),
    Key("generic_secret", "INTERCOM_ACCESS_TOKEN", ByName, &["[A-Za-z0-9]{60}"]),
    Key("generic_secret", "KRAKEN_PRIVATE_KEY", ByName, &["[A-Za-z0-9+/]{86}=="]),
    Key("generic_secret", "SNYK_TOKEN", ByName, &["[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-8[a-f0-9]{3}-[a-f0-9]{12}"]),
    Key("generic_secret", "TRAVIS_TOKEN", ByName, &["[A-Za-z0-9]{22}"]),
    Key("generic_secret", "TWITCH_CLIENT_SECRET", ByName, &["[a-z0-9]{30}"]),
    Key("generic_secret", "TWITTER_API_SECRET", ByName, &["[A-Za-z0-9]{50}"]),
    Key("generic_secret", "ZENDESK_API_TOKEN", ByName, &["[A-Za-z0-9]{40}"]),
    Key("generic_secret", "SESSION_SECRET", ByName, &["[a-f0-9]{64}"]),
    Key("generic_secret", "ENCRYPTION_KEY", ByName, &["[A-Za-z0-9+/]{43}="]),
    Key("generic_secret", "client_secret", ByName, &["[a-f0-9]{64}", "[A-Za-z0-9_-]{31}[A-Za-z0-9]"]),
    Key("generic_secret", "SECRET_KEY_BASE", ByName, &["[a-f0-9]{128}"]),
];

/// Forms of keys that are one word behind their prefix.
pub const ALL: &[&[Key]] = &[CLOUD, SOURCE, CHAT, PAYMENT, LLM, SERVICE, INFRASTRUCTURE, MINOR, UNNAMED];
