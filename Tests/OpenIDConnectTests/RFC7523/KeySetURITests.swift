import Foundation
import Logging
import OpenIDConnect
import Synchronization
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultCore

/// Serves what the test puts there, and counts.
private final class ScriptedFetcher: DocumentFetching {
    private let state = Mutex<(answer: Result<[UInt8], DocumentFailure>, requests: [DocumentRequest])>(
        (.failure(.connect), []))

    var requests: [DocumentRequest] { state.withLock { $0.requests } }

    func serve(_ keys: [[String: Any]]) throws {
        let body = Array(try keySet(keys).utf8)
        state.withLock { $0.answer = .success(body) }
    }

    func serve(_ text: String) { state.withLock { $0.answer = .success(Array(text.utf8)) } }

    func fail(_ failure: DocumentFailure) { state.withLock { $0.answer = .failure(failure) } }

    func fetch(_ request: DocumentRequest) async throws(DocumentFailure) -> [UInt8] {
        let answer = state.withLock { state in
            state.requests.append(request)
            return state.answer
        }
        return try answer.get()
    }
}

@Suite(.bounded) struct `A client's keys are those that lie where it said` {
    /// An issuer with one client, whose keys lie at a URL.
    private struct Setting {
        static let url = "https://keys.app.example/jwks.json"
        let fetcher = ScriptedFetcher()
        let clock = SettableClock()
        let vault: Vault
        let issuer: TokenIssuer

        init(url: String = Self.url, innerHosts: Set<String> = []) async throws {
            vault = try await Vault.temporary(clock: clock)
            let documents = ClientDocuments(
                fetcher, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
                innerHosts: innerHosts, clock: clock)
            issuer = TokenIssuer(
                vault: vault, issuer: Claims.issuer, assertions: AssertionVerifier(), documents: documents,
                registration: SelfRegistration(scope: ScopeSet(parsing: "basic")))
            var registration = ClientRegistration(name: "app")
            registration.authenticationMethods = [.privateKeyJWT]
            registration.grantTypes = [.clientCredentials]
            registration.keySetURI = url
            registration.scope = try #require(ScopeSet(parsing: "basic"))
            _ = try await vault.clients.add(registration, clientID: Claims.client)
        }

        /// Whether an assertion signed by `key` is accepted.
        func accepts(_ key: ClientKey) async throws -> Bool {
            let code = try await refusal(key)
            #expect(code ?? .invalidClient == .invalidClient)
            return code == nil
        }

        func refusal(_ key: ClientKey) async throws -> OAuthError.Code? {
            let now = clock.now().secondsSince1970
            let claims = Claims().with("iat", now).with("exp", now + 60).with("jti", UUID().uuidString)
            let assertion = SecretBytes(copying: try key.sign(claims))
            do { _ = try await issuer.issue(for: .assertion(assertion)) } catch { return error.code }
            return nil
        }
    }

    @Test func `one fetch serves for ten minutes, and the next one sees what changed`() async throws {
        let setting = try await Setting()
        let (old, new) = (try await ClientKey.es256("old"), try await ClientKey.es256("new"))
        try setting.fetcher.serve([old.jwk])
        #expect(try await setting.accepts(old))
        #expect(try await setting.accepts(old))
        #expect(setting.fetcher.requests.map(\.url.text) == [Setting.url])
        #expect(setting.fetcher.requests.allSatisfy { $0.kind == .keys && !$0.mayBeInside })
        try setting.fetcher.serve([new.jwk])
        setting.clock.advance(by: .seconds(601))
        #expect(try await !setting.accepts(old))
        #expect(setting.fetcher.requests.count == 2)
    }

    @Test func `an unknown key is looked for once a minute`() async throws {
        let setting = try await Setting()
        let (old, new) = (try await ClientKey.es256("old"), try await ClientKey.es256("new"))
        let strange = try await ClientKey.es256("strange")
        try setting.fetcher.serve([old.jwk])
        #expect(try await setting.accepts(old))
        try setting.fetcher.serve([old.jwk, new.jwk])
        #expect(try await !setting.accepts(new))
        #expect(setting.fetcher.requests.count == 1, "it was read just now")
        setting.clock.advance(by: .seconds(61))
        #expect(try await setting.accepts(new))
        for _ in 0..<20 { #expect(try await !setting.accepts(strange)) }
        #expect(setting.fetcher.requests.count == 2)
    }

    @Test func `the last good set serves for a day while its server fails`() async throws {
        let setting = try await Setting()
        let key = try await ClientKey.es256("one")
        try setting.fetcher.serve([key.jwk])
        #expect(try await setting.accepts(key))
        setting.clock.advance(by: .seconds(23 * 3600))
        setting.fetcher.fail(.timeout)
        for _ in 0..<5 { #expect(try await setting.accepts(key)) }
        #expect(setting.fetcher.requests.count == 2, "and is not asked again at once")
        setting.fetcher.serve("<html>")
        setting.clock.advance(by: .seconds(61))
        #expect(try await setting.accepts(key))
        setting.clock.advance(by: .seconds(3600))
        #expect(try await !setting.accepts(key))
    }

    @Test func `one that was never read is asked for once a minute`() async throws {
        let setting = try await Setting()
        let key = try await ClientKey.es256("one")
        setting.fetcher.fail(.address)
        for _ in 0..<5 { #expect(try await !setting.accepts(key)) }
        #expect(setting.fetcher.requests.count == 1)
        setting.clock.advance(by: .seconds(61))
        try setting.fetcher.serve([key.jwk])
        #expect(try await setting.accepts(key))
    }

    @Test(arguments: [DocumentFailure.busy, .unavailable])
    func `a fetcher that has no time is no wrong guess of the client`(_ failure: DocumentFailure) async throws
    {
        let setting = try await Setting()
        let key = try await ClientKey.es256("one")
        setting.fetcher.fail(failure)
        for _ in 0..<30 {
            #expect(try await setting.refusal(key) == .temporarilyUnavailable)
        }
        try setting.fetcher.serve([key.jwk])
        #expect(try await setting.accepts(key), "nothing was counted against it")
        #expect(setting.fetcher.requests.allSatisfy { $0.isKnown })
    }

    @Test func `a host inside is for those the operator named`() async throws {
        let url = "https://keys.corp.example/jwks.json"
        let allowed: [Set<String>] = [["keys.corp.example"], ["corp.example"], []]
        for hosts in allowed {
            let setting = try await Setting(url: url, innerHosts: hosts)
            #expect(try await !setting.accepts(try await ClientKey.es256()))
            #expect(setting.fetcher.requests.map(\.mayBeInside) == [hosts.contains("keys.corp.example")])
        }
    }

    @Test func `many at once are one fetch, and strangers none`() async throws {
        let setting = try await Setting()
        let key = try await ClientKey.es256("one")
        try setting.fetcher.serve([key.jwk])
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<20 { group.addTask { try await setting.accepts(key) } }
            for try await accepted in group { #expect(accepted) }
        }
        #expect(setting.fetcher.requests.count == 1)
        _ = try await setting.vault.clients.disable("app")
        setting.clock.advance(by: .seconds(601))
        #expect(try await !setting.accepts(key))
        #expect(setting.fetcher.requests.count == 1, "a client that is switched off makes us ask nothing")
    }

    @Test func `a client of a document has the keys that its document names now`() async throws {
        let setting = try await Setting(innerHosts: ["keys.app.example"])
        let (old, new) = (try await ClientKey.es256("old"), try await ClientKey.es256("new"))
        let url = "https://app.example/client.json"
        func document(_ keys: [String: Any]) throws -> String {
            let members: [String: Any] = [
                "client_id": url, "redirect_uris": ["https://app.example/callback"],
                "token_endpoint_auth_method": "private_key_jwt",
            ]
            return String(
                decoding: try JSONSerialization.data(withJSONObject: members.merging(keys) { $1 }),
                as: UTF8.self)
        }
        // As it is after the first consent.
        var registration = ClientRegistration(name: "app.example")
        registration.authenticationMethods = [.privateKeyJWT]
        registration.redirectURIs = ["https://app.example/callback"]
        registration.keySet = try keySet([old.jwk])
        registration.scope = try #require(ScopeSet(parsing: "basic"))
        let user = try await setting.vault.users.add("alice")
        let client = Client(registration, clientID: url, registeredAt: setting.clock.now())
        _ = try await setting.vault.clients.keep(
            client, allowedBy: user.id, through: .http, requestID: nil)

        /// `invalid_grant` says that the client was authenticated.
        func accepts(_ key: ClientKey) async throws -> Bool {
            let now = setting.clock.now().secondsSince1970
            var claims = Claims().with("iat", now).with("exp", now + 60).with("jti", UUID().uuidString)
            claims = claims.with("iss", url).with("sub", url)
            let assertion = ClientCredentials.assertion(SecretBytes(copying: try key.sign(claims)))
            do { _ = try await setting.issuer.refresh(SecretBytes(copying: "tv_rt_x"), for: assertion) } catch
            {
                return error.code == .invalidGrant
            }
            return false
        }
        setting.fetcher.serve(try document(["jwks": ["keys": [old.jwk]]]))
        #expect(try await accepts(old))
        setting.fetcher.serve(try document(["jwks": ["keys": [new.jwk]]]))
        #expect(try await accepts(old), "for ten minutes")
        setting.clock.advance(by: .seconds(601))
        #expect(try await !accepts(old))
        #expect(try await accepts(new))
        // What it names is fetched from outside, whoever else may be inside.
        setting.fetcher.serve(try document(["jwks_uri": Setting.url]))
        setting.clock.advance(by: .seconds(601))
        #expect(try await !accepts(new), "a document is no key set")
        #expect(setting.fetcher.requests.allSatisfy { !$0.mayBeInside })
        #expect(setting.fetcher.requests.last?.url.text == Setting.url)
        // One that is not readable any more has no keys.
        setting.fetcher.fail(.tls)
        setting.clock.advance(by: .seconds(2 * 86400))
        #expect(try await !accepts(new))
    }
}
