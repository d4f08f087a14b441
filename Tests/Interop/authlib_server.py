"""An authorization server made with Authlib and Flask: its refresh tokens are for one use, its memory is a list."""

import os
import secrets
import threading
import time

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from flask import Flask, Response, request
from werkzeug.serving import WSGIRequestHandler, make_server

import requests

CLIENT_ID, SCOPE, USER = "the-keeper", "measurements", "alice"


class Quiet(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        pass


class Client(ClientMixin):
    def __init__(self, secret: str) -> None:
        self.secret = secret

    def get_client_id(self): return CLIENT_ID
    def get_default_redirect_uri(self): return None
    def get_allowed_scope(self, scope): return SCOPE if SCOPE in scope.split() else ""
    def check_redirect_uri(self, redirect_uri): return redirect_uri.startswith("http://127.0.0.1:")
    def check_client_secret(self, client_secret): return secrets.compare_digest(client_secret, self.secret)
    def check_endpoint_auth_method(self, method, endpoint): return method == "client_secret_post"
    def check_response_type(self, response_type): return response_type == "code"
    def check_grant_type(self, grant_type): return True


class Code(AuthorizationCodeMixin):
    def __init__(self, code: str, payload) -> None:
        self.code = code
        self.redirect_uri = payload.redirect_uri
        self.code_challenge = payload.data["code_challenge"]
        self.code_challenge_method = payload.data["code_challenge_method"]

    def get_redirect_uri(self): return self.redirect_uri
    def get_scope(self): return SCOPE


class Token(TokenMixin):
    def __init__(self, values: dict) -> None:
        self.values = values
        self.ends = time.time() + values["expires_in"]
        self.is_over = False

    def check_client(self, client): return True
    def get_scope(self): return self.values.get("scope", "")
    def get_expires_in(self): return self.values["expires_in"]
    def is_expired(self): return self.ends < time.time()
    def is_revoked(self): return self.is_over
    def get_user(self): return USER


class AuthlibServer:
    """Runs in a thread; `lifetime` is that of the next access tokens, in seconds."""

    authorization, token, revocation, userinfo = "/authorize", "/token", "/revoke", "/me"

    def __init__(self, client_secret: str) -> None:
        os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # http, on loopback
        self.lifetime = 3600
        self.tokens: list[Token] = []
        self.codes: dict[str, Code] = {}
        client = Client(client_secret)
        outer, app = self, Flask(__name__)
        app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
        app.config["OAUTH2_ACCESS_TOKEN_GENERATOR"] = True

        def save(token, request):
            token["expires_in"] = self.lifetime
            self.tokens.append(Token(token))

        server = AuthorizationServer(
            app, query_client=lambda name: client if name == CLIENT_ID else None, save_token=save)

        class CodeGrant(grants.AuthorizationCodeGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_post"]

            def save_authorization_code(self, code, request): outer.codes[code] = Code(code, request.payload)
            def query_authorization_code(self, code, client): return outer.codes.get(code)
            def delete_authorization_code(self, authorization_code): outer.codes.pop(authorization_code.code)
            def authenticate_user(self, authorization_code): return USER

        class Refresh(grants.RefreshTokenGrant):
            INCLUDE_NEW_REFRESH_TOKEN = True
            TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_post"]

            def authenticate_refresh_token(self, refresh_token):
                token = outer.find(refresh_token)
                return token if token and not token.is_over else None

            def authenticate_user(self, refresh_token): return USER
            def revoke_old_credential(self, refresh_token): refresh_token.is_over = True

        class ForItself(grants.ClientCredentialsGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_post"]

        class Revocation(RevocationEndpoint):
            CLIENT_AUTH_METHODS = ["client_secret_post"]

            def query_token(self, token_string, token_type_hint): return outer.find(token_string)
            def revoke_token(self, token, request): token.is_over = True

        server.register_grant(CodeGrant, [CodeChallenge(required=True)])
        server.register_grant(Refresh)
        server.register_grant(ForItself)
        server.register_endpoint(Revocation)

        @app.get(self.authorization)
        def authorize():
            return server.create_authorization_response(
                grant=server.get_consent_grant(end_user=USER), grant_user=USER)

        app.post(self.token, endpoint="token")(lambda: server.create_token_response())
        app.post(self.revocation, endpoint="revoke")(
            lambda: server.create_endpoint_response(Revocation.ENDPOINT_NAME))

        @app.get(self.userinfo)
        def me():
            token = self.find(request.headers.get("authorization", "").removeprefix("Bearer "))
            return Response(status=401 if token is None or token.is_over or token.is_expired() else 200)

        self.server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def find(self, text: str) -> Token | None:
        return next((token for token in self.tokens
                     if text in (token.values["access_token"], token.values.get("refresh_token"))), None)

    def go(self, link: str) -> str:
        """Its user is signed in and always allows."""
        answer = requests.get(link, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    def register(self, redirect_uri: str) -> None:
        """It takes any port of the loopback address."""

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
