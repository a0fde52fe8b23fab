//! The protocols that are told apart.

/// What a request is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Model Context Protocol, over streamable HTTP or HTTP with SSE.
    Mcp,
    /// Agent2Agent, its JSON-RPC binding.
    A2a,
    /// JSON-RPC 2.0 of any other kind.
    JsonRpc,
    /// `POST .../chat/completions`, OpenAI's and compatible ones.
    OpenAiChat,
    /// `POST .../responses`.
    OpenAiResponses,
    /// `POST .../completions` and `.../embeddings`, which call no tools.
    OpenAiOther,
    /// `POST /v1/messages`.
    Anthropic,
    /// `...:generateContent`, `...:streamGenerateContent` and their kin.
    Gemini,
    /// `POST /model/ID/converse`, `/converse-stream`.
    BedrockConverse,
    /// `POST /model/ID/invoke`, `/invoke-with-response-stream`.
    BedrockInvoke,
    /// `POST /api/chat`, `/api/generate`.
    Ollama,
    GraphQl,
    /// gRPC, gRPC-Web and Connect.
    Grpc,
    /// An AWS service, by its host or its signature.
    Aws,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Mcp,
        Self::A2a,
        Self::JsonRpc,
        Self::OpenAiChat,
        Self::OpenAiResponses,
        Self::OpenAiOther,
        Self::Anthropic,
        Self::Gemini,
        Self::BedrockConverse,
        Self::BedrockInvoke,
        Self::Ollama,
        Self::GraphQl,
        Self::Grpc,
        Self::Aws,
    ];

    /// The word for records, metrics and the documentation.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mcp => "mcp",
            Self::A2a => "a2a",
            Self::JsonRpc => "jsonrpc",
            Self::OpenAiChat => "openai_chat",
            Self::OpenAiResponses => "openai_responses",
            Self::OpenAiOther => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::BedrockConverse => "bedrock_converse",
            Self::BedrockInvoke => "bedrock_invoke",
            Self::Ollama => "ollama",
            Self::GraphQl => "graphql",
            Self::Grpc => "grpc",
            Self::Aws => "aws",
        }
    }

    /// Whether it asks a model for something.
    #[must_use]
    pub fn is_llm(self) -> bool {
        matches!(
            self,
            Self::OpenAiChat
                | Self::OpenAiResponses
                | Self::OpenAiOther
                | Self::Anthropic
                | Self::Gemini
                | Self::BedrockConverse
                | Self::BedrockInvoke
                | Self::Ollama
        )
    }

    /// Whether its messages are JSON-RPC.
    #[must_use]
    pub fn is_json_rpc(self) -> bool {
        matches!(self, Self::Mcp | Self::A2a | Self::JsonRpc)
    }

    /// Whether its answers say more than a status does.
    #[must_use]
    pub fn answers_tell(self) -> bool {
        self.is_llm() || self == Self::Mcp
    }

    /// `gen_ai.provider.name` (OpenTelemetry semantic conventions for generative AI), by the protocol and the host it is spoken to.
    #[must_use]
    pub fn provider(self, host: &str) -> Option<&'static str> {
        const HOSTS: [(&str, &str); 11] = [
            ("openai.azure.com", "azure.ai.openai"),
            ("services.ai.azure.com", "azure.ai.inference"),
            ("groq.com", "groq"),
            ("x.ai", "x_ai"),
            ("mistral.ai", "mistral_ai"),
            ("deepseek.com", "deepseek"),
            ("perplexity.ai", "perplexity"),
            ("cohere.com", "cohere"),
            ("cohere.ai", "cohere"),
            ("aiplatform.googleapis.com", "gcp.vertex_ai"),
            ("generativelanguage.googleapis.com", "gcp.gemini"),
        ];
        if !self.is_llm() {
            return None;
        }
        let below = |domain: &str| {
            host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.') || rest.ends_with('-'))
        };
        let by_host = HOSTS.iter().find(|(domain, _)| below(domain)).map(|(_, name)| *name);
        by_host.or(match self {
            Self::Anthropic => Some("anthropic"),
            Self::Gemini => Some("gcp.gemini"),
            Self::BedrockConverse | Self::BedrockInvoke => Some("aws.bedrock"),
            Self::Ollama => Some("ollama"),
            _ => Some("openai"),
        })
    }
}
