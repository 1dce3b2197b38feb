"""What signing in and the account's own page take and answer. Times are seconds since 1970."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, SecretStr

from streamer.web.inputs import Body

#: Far more than anything of the kind has; what is longer is no attempt worth looking at.
Short = Annotated[str, Field(max_length=256)]
Secret = Annotated[SecretStr, Field(max_length=4096)]


class OidcModel(BaseModel):
    """Where signing in with a provider begins."""

    label: str
    url: str


class SessionModel(BaseModel):
    """Who is signed in; without a name: nobody.

    `standing` is `full`; or `prove`, `enroll`: a second factor must be shown or set up before anything else.
    `actions` are those allowed on the server as a whole. `csrf_token` goes into the X-CSRF-Token of whatever
    changes something.
    """

    name: str = ""
    id: str = ""
    standing: str = ""
    method: str = ""
    two_factors: bool = False
    csrf_token: str = ""
    proven_at: float | None = None
    expires_at: float | None = None
    actions: list[str] = []
    oidc: OidcModel | None = None
    passkeys: bool = False


class SecondStepModel(BaseModel):
    """The password was right; one of `factors` is to be shown: `totp`, `passkey` or `recovery`."""

    ticket: str
    factors: list[str]


class LoginModel(BaseModel):
    """Either a session or a second step."""

    session: SessionModel | None = None
    second_step: SecondStepModel | None = None


class CeremonyModel(BaseModel):
    """For `PublicKeyCredential.parseRequestOptionsFromJSON` or `parseCreationOptionsFromJSON`."""

    ticket: str
    options: dict[str, Any]


class PasswordBody(Body):
    """A name and a password, and a code where one is known to be needed."""

    name: Short
    password: Secret
    code: Short = ""


class FactorBody(Body):
    """The second step: a code of the app, a recovery code, or a passkey's answer."""

    ticket: Short
    code: Short = ""
    passkey_ticket: Short = ""
    passkey: dict[str, Any] | None = None


class PasskeyOptionsBody(Body):
    """The ticket of a second step, or nothing to sign in by passkey alone."""

    ticket: Short = ""


class PasskeyBody(Body):
    """The browser's answer, as its `toJSON` gives it."""

    ticket: Short
    passkey: dict[str, Any]


class SetupTokenBody(Body):
    """What stands behind the # of the set-up link."""

    token: Short


class SetupBody(Body):
    """The first administrator."""

    token: Short
    name: Short
    password: Secret


class ConfirmBody(Body):
    """What proves again who is there: the password, a factor, or both."""

    password: Secret | None = None
    code: Short = ""
    passkey_ticket: Short = ""
    passkey: dict[str, Any] | None = None


class NewPasswordBody(Body):
    """A new password in place of the present one."""

    old: Secret
    new: Secret


class CodeBody(Body):
    """A code of the authenticator app."""

    code: Short


class NewPasskeyBody(Body):
    """A passkey that was just made, and what its owner calls it."""

    ticket: Short
    passkey: dict[str, Any]
    label: Annotated[str, Field(max_length=128)] = ""


class PasskeyModel(BaseModel):
    """A passkey."""

    id: str
    label: str
    created_at: float
    used_at: float | None


class AccountModel(BaseModel):
    """One's own account. `factor_required`: a group demands a second factor, so the last cannot go."""

    id: str
    name: str
    full_name: str
    email: str
    groups: list[str]
    has_password: bool
    providers: list[str]
    totp: bool
    passkeys: list[PasskeyModel]
    recovery_codes_left: int
    factor_required: bool
    password_min_characters: int


class TotpModel(BaseModel):
    """What goes into the authenticator app; shown once. `qr_svg` is an image, as a data: URI."""

    seed: str
    uri: str
    qr_svg: str


class RecoveryCodesModel(BaseModel):
    """Codes that stand in for the second factor, once each; shown once. None where there are some already."""

    recovery_codes: list[str]


class OwnSessionModel(BaseModel):
    """A session. `id` names it, for ending it; it opens nothing. `address` is the network it began in."""

    id: str
    current: bool
    method: str
    two_factors: bool
    address: str
    agent: str
    created_at: float
    seen_at: float
    expires_at: float


class OwnSessionsModel(BaseModel):
    """All of one's sessions, the one used last first."""

    sessions: list[OwnSessionModel]


class EndedModel(BaseModel):
    """How many sessions were ended."""

    ended: int
