//! What something may be about.

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
    /// German and Austrian social insurance.
    Rentenversicherung,
    /// Czech and Slovak birth numbers.
    RodneCislo,
    /// Romanian personal numbers.
    Cnp,
    /// Bulgarian civil numbers.
    Egn,
    /// Croatian personal numbers.
    Oib,
    /// Estonian and Lithuanian personal codes.
    Isikukood,
    /// Greek social security numbers.
    Amka,
    /// Turkish identity numbers.
    Kimlik,
    /// South African identity numbers.
    SouthAfrican,
    /// Thai identity numbers.
    Thai,
    /// Israeli identity numbers.
    Zehut,
    /// Japanese individual numbers.
    MyNumber,
    /// Argentine CUIT and CUIL.
    Cuit,
    /// Driving licences.
    DriverLicense,
    /// Bank accounts by their number within a bank.
    BankAccount,
    /// Passports.
    Passport,
    /// Medical records.
    MedicalRecord,
    /// Telephone numbers.
    Phone,
    /// Places on earth.
    Geo,
    /// Payment cards.
    Card,
    /// Chilean RUT.
    Rut,
    /// Korean registration numbers.
    Rrn,
    /// Icelandic personal numbers.
    Kennitala,
    /// Malaysian identity cards.
    Mykad,
    /// Pakistani identity cards.
    Cnic,
    /// Numbers of citizens in the states that were Yugoslavia.
    Jmbg,
    /// Ukrainian taxpayers.
    Rnokpp,
    /// Latin American identity cards.
    Cedula,
    /// Colombian taxpayers.
    Nit,
    /// Indonesian identity numbers.
    Nik,
    /// Latvian personal codes.
    PersonasKods,
    /// German health insurance.
    Kvnr,
    /// Mexican taxpayers.
    Rfc,
    /// Hong Kong identity cards.
    Hkid,
    /// Taiwanese identity cards.
    Taiwanese,
    /// Identity cards of the Emirates.
    Emirates,
    /// Russian insurance numbers.
    Snils,
    /// Russian taxpayers.
    Inn,
    /// Hungarian insurance numbers.
    Taj,
    /// Indian voter cards.
    Epic,
    /// Nigerian identity numbers.
    Nin,
    /// Wallets of digital money.
    Wallet,
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
    /// Vault.
    Vault,
    /// Vercel.
    Vercel,
    /// Mailgun.
    Mailgun,
    /// Pinecone.
    Pinecone,
    /// Credentials of any kind.
    Secret,
    /// Something else, in spite of a word above.
    Nothing,
}
