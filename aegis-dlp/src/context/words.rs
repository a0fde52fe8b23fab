//! The words that say what something is.

/// What a number, a date or a word may be said to be.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Topic {
    /// What is a date of birth.
    Birth,
    /// US social security numbers.
    SocialSecurity,
    /// US taxpayer numbers.
    Itin,
    /// US bank routing numbers.
    Routing,
    /// UK national insurance numbers.
    Nino,
    /// UK NHS numbers.
    Nhs,
    /// German tax ids.
    SteuerId,
    /// French social security numbers.
    Nir,
    /// Spanish identity documents.
    Dni,
    /// Italian tax codes.
    CodiceFiscale,
    /// Dutch citizen service numbers.
    Bsn,
    /// Belgian national numbers.
    Rijksregister,
    /// Polish PESEL.
    Pesel,
    /// Swedish, Norwegian personal numbers.
    Personnummer,
    /// Danish personal numbers.
    Cpr,
    /// Portuguese tax numbers.
    Nif,
    /// Canadian social insurance numbers.
    Sin,
    /// Brazilian CPF.
    Cpf,
    /// Indian Aadhaar.
    Aadhaar,
    /// Indian PAN.
    Pan,
    /// Australian tax file numbers.
    Tfn,
    /// Australian Medicare cards.
    Medicare,
    /// Irish PPS numbers.
    Pps,
    /// Passports.
    Passport,
    /// Medical records.
    MedicalRecord,
    /// Telephone numbers.
    Phone,
    /// Places on earth.
    Geo,
    /// Bank accounts.
    Iban,
    /// AWS secret access keys.
    AwsSecret,
    /// Azure keys.
    AzureKey,
    /// Twilio.
    Twilio,
    /// Datadog.
    Datadog,
    /// Cohere.
    Cohere,
    /// Mistral.
    Mistral,
    /// Okta.
    Okta,
    /// Auth0.
    Auth0,
    /// Heroku.
    Heroku,
    /// Cloudflare.
    Cloudflare,
    /// IBM Cloud.
    Ibm,
    /// PagerDuty.
    PagerDuty,
    /// Algolia.
    Algolia,
    /// Together AI.
    Together,
    /// Weights & Biases.
    Wandb,
    /// Deepgram.
    Deepgram,
    /// PayPal.
    Paypal,
    /// New Relic.
    NewRelic,
    /// Credentials of any kind.
    Secret,
    /// Something else, in spite of a word above.
    Nothing,
}

/// The words of a topic: those that also count inside of a longer one ("birthdate"), and those that stand alone.
pub(super) type Words = (Topic, &'static [&'static str], &'static [&'static str]);

/// Of one that begins like another, the longer one is found.
pub(super) const WORDS: &[Words] = &[
    (
        Topic::Birth,
        &["birth", "geburtsdatum", "geburtstag", "naissance", "nacimiento", "nascita", "nascimento"],
        &["born", "dob", "d.o.b", "geboren", "né le", "née le"],
    ),
    (Topic::SocialSecurity, &["social sec", "social_sec", "social-sec", "socialsec"], &["ssn"]),
    (Topic::Itin, &["taxpayer id", "taxpayer_id", "individual taxpayer"], &["itin"]),
    (Topic::Routing, &["routing"], &["aba", "rtn"]),
    (Topic::Nino, &["national insurance", "national_insurance", "nationalinsurance"], &["nino", "ni number"]),
    (Topic::Nhs, &[], &["nhs"]),
    (
        Topic::SteuerId,
        &["steuer-id", "steuerid", "steuer_id", "steueridentifikation", "steuerliche identifikation", "steuernummer"],
        &["idnr", "tin", "tax id", "tax_id"],
    ),
    (Topic::Nir, &["curité sociale", "securite sociale"], &["nir", "insee"]),
    (Topic::Dni, &["documento nacional"], &["dni", "nie"]),
    (Topic::CodiceFiscale, &["codice fiscale", "codice_fiscale", "codicefiscale"], &[]),
    (Topic::Bsn, &["burgerservice"], &["bsn", "sofinummer", "sofi-nummer"]),
    (Topic::Rijksregister, &["rijksregister", "registre national"], &["insz", "niss"]),
    (Topic::Pesel, &[], &["pesel"]),
    (
        Topic::Personnummer,
        &[
            "personnummer",
            "personal identity number",
            "samordningsnummer",
            "fødselsnummer",
            "fodselsnummer",
            "foedselsnummer",
        ],
        &["fnr"],
    ),
    (Topic::Cpr, &["cpr-nummer", "cpr nummer"], &["cpr"]),
    (Topic::Nif, &["contribuinte"], &["nif"]),
    (Topic::Sin, &["social insurance", "social_insurance", "socialinsurance", "assurance sociale"], &["sin", "nas"]),
    (Topic::Cpf, &["cadastro de pessoas"], &["cpf"]),
    (Topic::Aadhaar, &["aadhaar", "aadhar"], &["uidai"]),
    (Topic::Pan, &["permanent account number"], &["pan"]),
    (Topic::Tfn, &["tax file"], &["tfn"]),
    (Topic::Medicare, &["medicare"], &[]),
    (Topic::Pps, &["personal public service"], &["pps", "ppsn", "pps no"]),
    (
        Topic::Passport,
        &["passport", "passeport", "reisepass", "pasaporte", "passaporto", "paspoort", "passaporte", "paszport"],
        &[],
    ),
    (
        Topic::MedicalRecord,
        &[
            "medical record",
            "medical_record",
            "medicalrecord",
            "patient id",
            "patient_id",
            "patientid",
            "patient number",
            "patient no",
            "patient_number",
            "chart number",
            "health record",
            "patientennummer",
        ],
        &["mrn"],
    ),
    (
        Topic::Phone,
        &["phone", "telefon", "telefono", "teléfono", "téléphone", "whatsapp", "handynummer", "mobilnummer"],
        &["tel", "mobile", "cell", "fax", "call", "sms", "handy", "mobil", "móvil", "movil", "portable", "msisdn"],
    ),
    (
        Topic::Geo,
        &["latitude", "longitude", "coordinates"],
        &["lat", "lon", "lng", "geo", "location", "gps", "latlng", "coords"],
    ),
    (Topic::Iban, &[], &["iban"]),
    (
        Topic::AwsSecret,
        &[
            "secret key",
            "secret_key",
            "secretkey",
            "secret-key",
            "secret.key",
            "secret access key",
            "secret_access_key",
            "secretaccesskey",
            "secret-access-key",
            "secret accesskey",
        ],
        &[],
    ),
    (
        Topic::AzureKey,
        &[
            "accountkey",
            "account_key",
            "account key",
            "sharedaccesskey",
            "storage_key",
            "storagekey",
            "storage key",
            "azure",
        ],
        &[],
    ),
    (Topic::Twilio, &["twilio"], &[]),
    (Topic::Datadog, &["datadog"], &["dd_api_key", "dd_app_key", "dd-api-key", "dd-application-key"]),
    (Topic::Cohere, &["cohere"], &["co_api_key"]),
    (Topic::Mistral, &["mistral"], &[]),
    (Topic::Okta, &["okta"], &["ssws"]),
    (Topic::Auth0, &["auth0"], &[]),
    (Topic::Heroku, &["heroku"], &[]),
    (Topic::Cloudflare, &["cloudflare"], &["cf_api_token", "cf_api_key", "x-auth-key"]),
    (Topic::Ibm, &["ibm_cloud", "ibmcloud", "ibm cloud", "bluemix", "iam_apikey", "ibm-cloud"], &[]),
    (Topic::PagerDuty, &["pagerduty", "pager_duty"], &["pd_api_key"]),
    (Topic::Algolia, &["algolia"], &[]),
    (Topic::Together, &["together_api", "together ai", "togetherai", "together.ai"], &[]),
    (Topic::Wandb, &["wandb"], &[]),
    (Topic::Deepgram, &["deepgram"], &[]),
    (Topic::Paypal, &["paypal"], &[]),
    (Topic::NewRelic, &["newrelic", "new_relic", "new relic"], &[]),
    (
        Topic::Secret,
        &[
            "api_key",
            "apikey",
            "api-key",
            "api key",
            "access_key",
            "accesskey",
            "access-key",
            "access key",
            "secret",
            "private_key",
            "privatekey",
            "private key",
            "access_token",
            "accesstoken",
            "access-token",
            "access token",
            "auth_token",
            "authtoken",
            "auth-token",
            "auth token",
            "api_token",
            "apitoken",
            "api-token",
            "api token",
            "refresh_token",
            "refreshtoken",
            "client_token",
            "bot_token",
            "bottoken",
            "session_token",
            "sessiontoken",
            "bearer",
            "credential",
            "passphrase",
            "encryption_key",
            "encryptionkey",
            "signing_key",
            "signingkey",
            "master_key",
            "masterkey",
            "license_key",
            "webhook_key",
            "service_key",
            "servicekey",
            "subscription-key",
            "subscription_key",
        ],
        &["token", "auth", "authorization"],
    ),
    (
        Topic::Nothing,
        &[
            "page_token",
            "pagetoken",
            "page token",
            "next_token",
            "nexttoken",
            "continuation_token",
            "continuationtoken",
            "csrf_token",
            "csrftoken",
            "csrf-token",
            "xsrf-token",
            "sync_token",
            "synctoken",
            "cursor_token",
            "secretary",
            "secret_name",
            "secretname",
            "secret_arn",
            "secretarn",
            "access_key_id",
            "accesskeyid",
            "access key id",
            "access-key-id",
            "public_key",
            "key_id",
            "token_type",
            "token_count",
            "tokenizer",
            "tokens",
        ],
        &[],
    ),
];
