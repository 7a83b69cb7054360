"""Checks tokens, and answers the OAuth endpoints that issue and describe them. Pure: times come in."""

from typing import Any
from urllib.parse import parse_qs, unquote

from uploader.mockserver.account.behaviour_switches import AccountInfo, Auth, Rules
from uploader.mockserver.bodies import error_bodies
from uploader.mockserver.bodies.batch_request import read_object
from uploader.mockserver.bodies.error_bodies import Answer
from uploader.mockserver.request_and_reply import Request
from uploader.mockserver.routes import Route

EXPIRED_SECONDS_AGO = 75  # for the tokens that a scenario lists as expired: a recorded value
USER_ID = 26892217


def bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


class Tokens:
    """The tokens that the mock server issued; access tokens expire by the wall clock."""

    def __init__(self) -> None:
        self._expires_at: dict[str, float] = {}
        self._replaced: set[str] = set()  # refresh tokens that are no longer valid
        self._rotated: set[str] = set()  # refresh tokens that replaced them
        self.refreshes: list[float] = []  #: when access tokens were issued, by the wall clock

    def app_of(self, request: Request) -> str:
        """The app whose quota a request uses; all tokens from refreshes belong to one app."""
        token = bearer(request)
        return "the app that refreshes" if token in self._expires_at else token

    def check(self, request: Request, route: Route, auth: Auth, rules: Rules, wall: float) -> Answer | None:
        token = bearer(request)
        if not token:
            return error_bodies.no_credentials()
        if refused := self._check_token(token, auth, wall):
            return refused
        if missing := [scope for scope in route.scopes if scope not in auth.scopes]:
            return error_bodies.missing_scopes(missing, rules.scope_error_shape)
        return None

    def _check_token(self, token: str, auth: Auth, wall: float) -> Answer | None:
        if token in auth.expired:
            return error_bodies.expired_token(EXPIRED_SECONDS_AGO, wall)
        if token in self._expires_at:
            overdue = wall - self._expires_at[token]
            return error_bodies.expired_token(int(overdue), wall) if overdue >= 0 else None
        return error_bodies.garbage_token() if auth.tokens is not None and token not in auth.tokens else None

    def answer(self, request: Request, route: Route, auth: Auth, account: AccountInfo, wall: float) -> Answer:
        match route.endpoint:
            case "token_info":
                return self._token_info(request, auth, account, wall)
            case "refresh":
                return self._refresh(request, route, auth, account, wall)
            case "introspect":
                return self._introspect(request, auth, account, wall)
            case _:
                return self._legacy(unquote(route.argument), auth, account, wall)

    def _token_info(self, request: Request, auth: Auth, account: AccountInfo, wall: float) -> Answer:
        document = read_object(request.body)
        if isinstance(document, Answer):
            return document
        token = document.get("tokenKey")
        if not isinstance(token, str):
            return error_bodies.missing_fields(["tokenKey"])
        # Tokens of the European data centre need a bearer token to be described.
        if token.startswith("pat-eu1") and not bearer(request):
            return error_bodies.no_credentials()
        if refused := self._check_token(token, auth, wall):
            return refused
        body = {
            "userId": USER_ID,
            "hubId": account.portal_id,
            "appId": account.app_id,
            "scopes": list(auth.scopes),
        }
        return Answer(200, body)

    def _refresh(
        self, request: Request, route: Route, auth: Auth, account: AccountInfo, wall: float
    ) -> Answer:
        form = _form(request)
        if refused := _check_client(form, auth):
            return refused
        if form.get("grant_type") != "refresh_token":
            return error_bodies.oauth_error(
                "unsupported_grant_type", "BAD_GRANT_TYPE", "grant_type must be refresh_token"
            )
        refresh_token = form.get("refresh_token", "")
        if not self._knows(refresh_token, auth):
            message = "refresh token is invalid, expired or revoked"
            return error_bodies.oauth_error("invalid_grant", "BAD_REFRESH_TOKEN", message)
        access_token = f"mock-access-{len(self._expires_at) + 1}"
        self._expires_at[access_token] = wall + auth.token_lifetime_seconds
        self.refreshes.append(wall)
        if auth.rotates_refresh_tokens:
            self._replaced.add(refresh_token)
            refresh_token = f"mock-refresh-{len(self._expires_at)}"
            self._rotated.add(refresh_token)
        body: dict[str, Any] = {
            "token_type": "bearer",
            "refresh_token": refresh_token,  # unchanged unless it rotates, as in a 2026 test
            "access_token": access_token,
            "hub_id": account.portal_id,
            "scopes": list(auth.scopes),
            "expires_in": auth.token_lifetime_seconds,
        }
        if route.version != "v1":
            body |= {"token_use": "access_token", "user_id": USER_ID}
        return Answer(200, body)

    def _knows(self, refresh_token: str, auth: Auth) -> bool:
        if not refresh_token or refresh_token in self._replaced:
            return False
        if refresh_token in self._rotated or auth.refresh_tokens is None:
            return True
        return refresh_token in auth.refresh_tokens

    def _introspect(self, request: Request, auth: Auth, account: AccountInfo, wall: float) -> Answer:
        form = _form(request)
        if refused := _check_client(form, auth):
            return refused
        # The guide names the field after the kind of token, the specification `token`.
        token = form.get("token") or form.get("access_token") or form.get("refresh_token") or ""
        is_refresh = "refresh_token" in (form.get("token_type_hint"), *(form if "token" not in form else ()))
        if is_refresh:
            active = self._knows(token, auth)
        else:
            active = bool(token) and self._check_token(token, auth, wall) is None
        if not active:
            return Answer(200, {"active": False})
        body = self._explain(token, auth, account, wall) | {
            "active": True,
            "client_id": form["client_id"],
            "token_use": "refresh_token" if is_refresh else "access_token",
            "token_type": "Bearer",
            "is_private_distribution": True,
        }
        return Answer(200, body)

    def _legacy(self, token: str, auth: Auth, account: AccountInfo, wall: float) -> Answer:
        if self._check_token(token, auth, wall):
            return error_bodies.error(404, "access token is invalid or expired", "OBJECT_NOT_FOUND")
        return Answer(200, self._explain(token, auth, account, wall) | {"token_type": "access"})

    def _explain(self, token: str, auth: Auth, account: AccountInfo, wall: float) -> dict[str, Any]:
        expires_at = self._expires_at.get(token, wall + auth.token_lifetime_seconds)
        return {
            "token": token,
            "user": "mock@example.com",
            "hub_domain": "mock.example.com",
            "scopes": list(auth.scopes),
            "hub_id": account.portal_id,
            "app_id": account.app_id,
            "expires_in": int(expires_at - wall),
            "user_id": USER_ID,
        }


def _form(request: Request) -> dict[str, str]:
    fields = parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in fields.items()}


def _check_client(form: dict[str, str], auth: Auth) -> Answer | None:
    for name, wanted in (("client_id", auth.client_id), ("client_secret", auth.client_secret)):
        given = form.get(name, "")
        if not given or (wanted is not None and given != wanted):
            return error_bodies.oauth_error(
                "invalid_client", f"BAD_{name.upper()}", f"{name} is missing or wrong"
            )
    return None
