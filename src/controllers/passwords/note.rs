//! What the Secret with a first password looks like.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::Owner;
use crate::api;

/// Key of the password in the Secret's data.
const PASSWORD: &str = "password";
/// The longest value of a label.
const LONGEST_LABEL: usize = 63;
/// How much of a name is in the Secret's, for people to recognise it.
const SHOWN: usize = 80;

/// Name of the Secret: the same for the same person, App and system, and for nothing else.
pub(super) fn name(owner: &Owner<'_>) -> String {
    let Owner { user, uid, app, target } = owner;
    let digest = Sha256::digest(format!("{uid}\n{app}\n{target}").as_bytes());
    let digest = digest.iter().take(5).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let shown = |name: &str| name.chars().take(SHOWN).collect::<String>().replace('.', "-");
    format!("{}-{}-password-{digest}", shown(&user.name), shown(app))
}

/// The Secret. Its content can never be changed, and it goes with its User.
pub(super) fn secret(owner: &Owner<'_>, password: &SecretString, remove_at: Timestamp) -> Secret {
    let Owner { user, uid, app, target } = owner;
    let short =
        |key: &str, value: &str| (value.len() <= LONGEST_LABEL).then(|| (key.to_owned(), value.to_owned()));
    let labels = [
        Some((api::INITIAL_PASSWORD_LABEL.to_owned(), String::new())),
        short(api::USER_LABEL, &user.name),
        short(api::APP_NOTE, app),
    ];
    let notes = [
        (api::APP_NOTE, (*app).to_owned()),
        (api::TARGET_NOTE, (*target).to_owned()),
        (api::REMOVE_AT, written(remove_at)),
    ];
    Secret {
        metadata: ObjectMeta {
            name: Some(name(owner)),
            namespace: Some(user.namespace.to_string()),
            labels: Some(labels.into_iter().flatten().collect()),
            annotations: Some(notes.map(|(key, value)| (key.to_owned(), value)).into()),
            owner_references: Some(vec![OwnerReference {
                api_version: format!("{}/{}", api::GROUP, api::VERSION),
                kind: "User".to_owned(),
                name: user.name.to_string(),
                uid: (*uid).to_owned(),
                ..OwnerReference::default()
            }]),
            ..ObjectMeta::default()
        },
        type_: Some(api::INITIAL_PASSWORD_TYPE.to_owned()),
        immutable: Some(true),
        data: Some(BTreeMap::from([(
            PASSWORD.to_owned(),
            ByteString(password.expose_secret().as_bytes().to_vec()),
        )])),
        ..Secret::default()
    }
}

/// An instant as it stands in the annotation: whole seconds.
pub(super) fn written(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// The password in a Secret, if it is the one that was written for this account.
pub(super) fn password(secret: Secret, owner: &Owner<'_>) -> Option<SecretString> {
    let ours = secret.type_.as_deref() == Some(api::INITIAL_PASSWORD_TYPE)
        && secret.immutable == Some(true)
        && Kept::of(&secret.metadata).is_some_and(|kept| {
            kept.uid == owner.uid && kept.app == owner.app && kept.target == owner.target
        });
    let value = secret.data.filter(|_| ours)?.remove(PASSWORD)?;
    String::from_utf8(value.0).ok().filter(|text| !text.is_empty()).map(SecretString::from)
}

/// What the metadata of such a Secret say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// Name of the User.
    pub(super) user: String,
    /// `metadata.uid` of the User.
    pub(super) uid: String,
    /// Name of the App.
    pub(super) app: String,
    /// Hash of the system that the password is for.
    pub(super) target: String,
    /// When it is removed.
    pub(super) remove_at: Option<Timestamp>,
    /// `metadata.uid` of the Secret.
    pub(super) secret: String,
}

impl Kept {
    /// `None`: it is not one that Tenure wrote.
    pub(super) fn of(meta: &ObjectMeta) -> Option<Self> {
        meta.labels.as_ref()?.get(api::INITIAL_PASSWORD_LABEL)?;
        let owner = meta.owner_references.iter().flatten().find(|owner| owner.kind == "User")?;
        let notes = meta.annotations.as_ref()?;
        Some(Self {
            user: owner.name.clone(),
            uid: owner.uid.clone(),
            app: notes.get(api::APP_NOTE)?.clone(),
            target: notes.get(api::TARGET_NOTE)?.clone(),
            remove_at: notes.get(api::REMOVE_AT).and_then(|at| at.parse().ok()),
            secret: meta.uid.clone().unwrap_or_default(),
        })
    }
}
