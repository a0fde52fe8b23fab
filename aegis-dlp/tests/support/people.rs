//! The messages of `proto/people.proto`, and what a compiler says of them.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::HashMap;

use prost::{Message, Oneof};

/// As protoc writes them.
pub const PEOPLE: &[u8] = include_bytes!("proto/people.binpb");
pub const LEGACY: &[u8] = include_bytes!("proto/legacy.binpb");

#[derive(Clone, PartialEq, Message)]
pub struct Person {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub ssn: String,
    #[prost(uint64, tag = "3")]
    pub card: u64,
    #[prost(int32, tag = "4")]
    pub ssn_number: i32,
    #[prost(sint64, tag = "5")]
    pub balance: i64,
    #[prost(fixed64, tag = "6")]
    pub card_fixed: u64,
    #[prost(double, tag = "7")]
    pub card_double: f64,
    #[prost(uint64, repeated, tag = "8")]
    pub cards: Vec<u64>,
    #[prost(int64, repeated, packed = "false", tag = "9")]
    pub cards_unpacked: Vec<i64>,
    #[prost(map = "string, string", tag = "10")]
    pub attributes: HashMap<String, String>,
    #[prost(map = "string, int64", tag = "11")]
    pub numbers: HashMap<String, i64>,
    #[prost(message, optional, boxed, tag = "12")]
    pub friend: Option<Box<Person>>,
    #[prost(message, repeated, tag = "13")]
    pub children: Vec<Person>,
    #[prost(oneof = "Contact", tags = "14, 15")]
    pub contact: Option<Contact>,
    #[prost(bytes = "vec", tag = "16")]
    pub photo: Vec<u8>,
    #[prost(int32, tag = "17")]
    pub level: i32,
    #[prost(bool, tag = "18")]
    pub active: bool,
    #[prost(string, optional, tag = "21")]
    pub note: Option<String>,
    #[prost(float, tag = "22")]
    pub weight: f32,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum Contact {
    #[prost(string, tag = "14")]
    Email(String),
    #[prost(uint32, tag = "15")]
    Phone(u32),
}

#[derive(Clone, PartialEq, Message)]
pub struct Answer {
    #[prost(string, tag = "1")]
    pub ssn: String,
    #[prost(uint64, tag = "2")]
    pub card: u64,
}

/// Fields that the descriptors do not have, and one of another type than they say.
#[derive(Clone, PartialEq, Message)]
pub struct Stranger {
    #[prost(string, tag = "99")]
    pub text: String,
    #[prost(uint64, tag = "1")]
    pub name: u64,
}
