//! From serialized descriptor sets to the types that they describe.

use std::collections::HashMap;

use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto,
};
use sha2::{Digest, Sha256};

use super::{Descriptors, Enumeration, Field, Kind, Message, Method, Number, Pool};

/// Types, fields, values and methods of all sets together.
const MOST: usize = 200_000;
/// The longest name of anything.
const LONGEST_NAME: usize = 256;

/// Why bytes are no descriptor set that is used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DescriptorError {
    /// It is something else.
    #[error(
        "no compiled descriptor set ({0}): write one with `protoc --include_imports --descriptor_set_out=FILE` or \
         `buf build -o FILE`"
    )]
    Malformed(String),
    /// There is no file in it.
    #[error("there is no file in it")]
    Empty,
    /// Something that it names is in none of the sets.
    #[error("`{user}` names `{missing}`, which is in no set: write the set with `--include_imports`")]
    Missing {
        /// The field or method.
        user: String,
        /// The type.
        missing: String,
    },
    /// One name, two things.
    #[error("`{0}` is in it, or in another set, in two forms: which of them is meant, nobody can say")]
    Twice(String),
    /// A name that no compiler writes.
    #[error("`{0}` is no name of a type, a field or a method")]
    Name(String),
    /// A type of field that is none.
    #[error("field `{0}` has no type that is known")]
    Field(String),
    /// Larger than what describes an interface.
    #[error("it is too large: {0}")]
    TooLarge(String),
}

type Numbered = (usize, DescriptorError);

/// What the sets describe.
pub(super) fn pool(sets: &[&[u8]]) -> Result<Pool, Numbered> {
    if sets.len() > Descriptors::MOST {
        let why = format!("at most {} sets are read", Descriptors::MOST);
        return Err((Descriptors::MOST, DescriptorError::TooLarge(why)));
    }
    let (mut files, mut digest) = (Vec::<(usize, FileDescriptorProto)>::new(), Sha256::new());
    let mut places: HashMap<String, usize> = HashMap::new();
    for (number, bytes) in sets.iter().enumerate() {
        digest.update(bytes.len().to_le_bytes());
        digest.update(bytes);
        for file in files_of(bytes).map_err(|error| (number, error))? {
            let known = places.get(file.name()).and_then(|at| files.get(*at));
            match known {
                None => {
                    places.insert(file.name().to_owned(), files.len());
                    files.push((number, file));
                }
                Some((_, same)) if *same == file => {}
                Some(_) => return Err((number, DescriptorError::Twice(file.name().to_owned()))),
            }
        }
    }
    let mut builder =
        Builder { pool: Pool { digest: digest.finalize().into(), ..Pool::default() }, ..Builder::default() };
    for (number, file) in &files {
        builder.declare(file).map_err(|error| (*number, error))?;
    }
    for (number, file) in &files {
        builder.describe(file).map_err(|error| (*number, error))?;
    }
    Ok(builder.pool)
}

/// The files of a set, without their comments.
fn files_of(bytes: &[u8]) -> Result<Vec<FileDescriptorProto>, DescriptorError> {
    if bytes.len() > Descriptors::LONGEST {
        let why = format!("{} bytes (at most {})", bytes.len(), Descriptors::LONGEST);
        return Err(DescriptorError::TooLarge(why));
    }
    let set = FileDescriptorSet::decode(bytes).map_err(|error| DescriptorError::Malformed(error.to_string()))?;
    if set.file.is_empty() {
        return Err(DescriptorError::Empty);
    }
    Ok(set.file.into_iter().map(|file| FileDescriptorProto { source_code_info: None, ..file }).collect())
}

#[derive(Default)]
struct Builder {
    pool: Pool,
    enums: HashMap<Box<str>, u32>,
    count: usize,
}

impl Builder {
    /// Gives every type of a file its number.
    fn declare(&mut self, file: &FileDescriptorProto) -> Result<(), DescriptorError> {
        let package = file.package();
        file.message_type.iter().try_for_each(|message| self.declare_message(package, message))?;
        file.enum_type.iter().try_for_each(|one| self.declare_enum(package, one))
    }

    fn declare_message(&mut self, scope: &str, message: &DescriptorProto) -> Result<(), DescriptorError> {
        let name = self.named(scope, message.name())?;
        let entry = message.options.as_ref().is_some_and(|options| options.map_entry());
        let number = self.pool.messages.len().try_into().unwrap_or(u32::MAX);
        self.pool.messages.push(Message { name: name.as_str().into(), fields: Vec::new(), entry });
        self.pool.names.insert(name.as_str().into(), number);
        message.nested_type.iter().try_for_each(|inner| self.declare_message(&name, inner))?;
        message.enum_type.iter().try_for_each(|one| self.declare_enum(&name, one))
    }

    fn declare_enum(&mut self, scope: &str, one: &EnumDescriptorProto) -> Result<(), DescriptorError> {
        let name = self.named(scope, one.name())?;
        let mut values = HashMap::new();
        for value in &one.value {
            self.counted()?;
            // Of two names for a number the first is the one that JSON shows.
            values.entry(value.number()).or_insert_with(|| value.name().into());
        }
        self.enums.insert(name.into(), self.pool.enums.len().try_into().unwrap_or(u32::MAX));
        self.pool.enums.push(Enumeration { values });
        Ok(())
    }

    /// The full name of something new.
    fn named(&mut self, scope: &str, name: &str) -> Result<String, DescriptorError> {
        self.counted()?;
        let full = joined(scope, name)?;
        if self.pool.names.contains_key(full.as_str()) || self.enums.contains_key(full.as_str()) {
            return Err(DescriptorError::Twice(full));
        }
        Ok(full)
    }

    fn counted(&mut self) -> Result<(), DescriptorError> {
        self.count += 1;
        if self.count > MOST {
            return Err(DescriptorError::TooLarge(format!("more than {MOST} types, fields and values")));
        }
        Ok(())
    }

    /// Reads what the types of a file consist of.
    fn describe(&mut self, file: &FileDescriptorProto) -> Result<(), DescriptorError> {
        let proto3 = file.syntax() == "proto3";
        file.message_type.iter().try_for_each(|message| self.describe_message(file.package(), message, proto3))?;
        file.service.iter().try_for_each(|service| self.describe_service(file.package(), service))
    }

    fn describe_message(
        &mut self,
        scope: &str,
        message: &DescriptorProto,
        proto3: bool,
    ) -> Result<(), DescriptorError> {
        let name = joined(scope, message.name())?;
        let mut fields = Vec::with_capacity(message.field.len());
        for field in &message.field {
            self.counted()?;
            fields.push(self.field(&name, field, proto3)?);
        }
        fields.sort_by_key(|field: &Field| field.number);
        if let Some([first, ..]) = fields.array_windows::<2>().find(|[one, two]| one.number == two.number) {
            return Err(DescriptorError::Twice(format!("{name}.{}", first.name)));
        }
        let number = self.pool.names.get(name.as_str()).copied();
        if let Some(message) = number.and_then(|number| self.pool.messages.get_mut(number as usize)) {
            message.fields = fields;
        }
        message.nested_type.iter().try_for_each(|inner| self.describe_message(&name, inner, proto3))
    }

    fn field(&self, message: &str, field: &FieldDescriptorProto, proto3: bool) -> Result<Field, DescriptorError> {
        let name = joined(message, field.name())?;
        let kind = self.kind(&name, field)?;
        let number = u32::try_from(field.number()).ok().filter(|number| (1..=0x1fff_ffff).contains(number));
        let repeated = field.label() == Label::Repeated;
        let json = if field.json_name().is_empty() { camel(field.name()) } else { field.json_name().to_owned() };
        if json.len() > LONGEST_NAME {
            return Err(DescriptorError::Name(name));
        }
        Ok(Field {
            number: number.ok_or_else(|| DescriptorError::Field(name.clone()))?,
            name: field.name().into(),
            json: json.into(),
            kind,
            repeated,
            implicit: repeated || proto3 && field.oneof_index.is_none() && !matches!(kind, Kind::Message(_)),
            choice: field.oneof_index.filter(|_| !field.proto3_optional()),
        })
    }

    fn kind(&self, name: &str, field: &FieldDescriptorProto) -> Result<Kind, DescriptorError> {
        let unknown = || DescriptorError::Field(name.to_owned());
        let number = match Type::try_from(field.r#type.unwrap_or_default()).map_err(|_| unknown())? {
            Type::String => return Ok(Kind::String),
            Type::Bytes => return Ok(Kind::Bytes),
            Type::Message | Type::Group => return self.message(name, field.type_name()).map(Kind::Message),
            Type::Enum => {
                let known = self.enums.get(plain(field.type_name())).copied();
                Number::Enum(known.ok_or_else(|| missing(name, field.type_name()))?)
            }
            Type::Double => Number::Double,
            Type::Float => Number::Float,
            Type::Int64 => Number::Int64,
            Type::Uint64 => Number::Uint64,
            Type::Int32 => Number::Int32,
            Type::Uint32 => Number::Uint32,
            Type::Fixed64 => Number::Fixed64,
            Type::Fixed32 => Number::Fixed32,
            Type::Sfixed64 => Number::Sfixed64,
            Type::Sfixed32 => Number::Sfixed32,
            Type::Sint64 => Number::Sint64,
            Type::Sint32 => Number::Sint32,
            Type::Bool => Number::Bool,
        };
        Ok(Kind::Number(number))
    }

    fn message(&self, user: &str, name: &str) -> Result<u32, DescriptorError> {
        self.pool.names.get(plain(name)).copied().ok_or_else(|| missing(user, name))
    }

    fn describe_service(&mut self, package: &str, service: &ServiceDescriptorProto) -> Result<(), DescriptorError> {
        let name = joined(package, service.name())?;
        for method in &service.method {
            self.counted()?;
            let path = format!("{name}/{}", identifier(method.name())?);
            let (input, output) =
                (self.message(&path, method.input_type())?, self.message(&path, method.output_type())?);
            let described = Method { input, output, streaming: method.client_streaming() };
            if self.pool.methods.insert(path.as_str().into(), described).is_some() {
                return Err(DescriptorError::Twice(path));
            }
        }
        Ok(())
    }
}

fn missing(user: &str, name: &str) -> DescriptorError {
    DescriptorError::Missing { user: user.to_owned(), missing: plain(name).to_owned() }
}

/// A full name without the dot that stands before it.
fn plain(name: &str) -> &str {
    name.strip_prefix('.').unwrap_or(name)
}

fn identifier(name: &str) -> Result<&str, DescriptorError> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let formed = name.bytes().all(known) && !name.is_empty() && name.len() <= LONGEST_NAME;
    if formed { Ok(name) } else { Err(DescriptorError::Name(name.chars().take(64).collect())) }
}

/// The name of something within a package or a type.
fn joined(scope: &str, name: &str) -> Result<String, DescriptorError> {
    let name = identifier(name)?;
    let full = if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") };
    if full.len() > 8 * LONGEST_NAME {
        return Err(DescriptorError::Name(name.to_owned()));
    }
    Ok(full)
}

/// As JSON calls a field that says nothing else: `user_id` is `userId`.
fn camel(name: &str) -> String {
    let mut upper = false;
    let letter = |letter: char| match (letter, upper) {
        ('_', _) => {
            upper = true;
            None
        }
        (letter, after) => {
            upper = false;
            Some(if after { letter.to_ascii_uppercase() } else { letter })
        }
    };
    name.chars().filter_map(letter).collect()
}
