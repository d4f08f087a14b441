import AsyncHTTPClient
import Foundation
import JWTKit
import NIOCore
import NIOHTTP1
import Synchronization
import TestSupport
import Testing

/// Clients of a running service: each refreshes one grant by HTTP until it is told to stop, and looks at what it got.
final class ServedCrowd: Sendable {
    struct Counts: Sendable {
        var refreshes = 0
        /// Answers of 503, after which the same token is presented again.
        var putOff = 0
        var introspections = 0
        var idTokens = 0
        /// Whatever else was answered: there must be none.
        var failures: [String] = []
    }

    private struct State {
        var tokens: [String]
        var counts = Counts()
    }

    private let url: String
    private let authorization: String
    private let http: HTTPClient
    private let state: Mutex<State>

    /// - Parameter tokens: a refresh token for each client.
    init(_ tokens: [String], at url: String, client: String, secret: String) {
        self.url = url
        authorization = "Basic " + Data("\(client):\(secret)".utf8).base64EncodedString()
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = tokens.count
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        state = Mutex(State(tokens: tokens))
    }

    var counts: Counts { state.withLock { $0.counts } }

    func end() async throws { try await http.shutdown() }

    func refreshUntilCancelled() async {
        await withTaskGroup { group in
            for number in state.withLock({ $0.tokens.indices }) {
                group.addTask { [self] in
                    var round = 0
                    while !Task.isCancelled, await turn(number, looksCloser: round % 8 == number % 8) {
                        round += 1
                        // A crowd, not a flood: rotations make way for whoever writes.
                        try? await Waiting.pass(.milliseconds(20))
                    }
                }
            }
        }
    }

    /// Each client presents its last token once more, twice: its successor, and then the same one again.
    func resume() async throws {
        for (number, token) in state.withLock({ $0.tokens }).enumerated() {
            var found: [String] = []
            while found.count < 2 {
                let (status, answer) = try await refresh(token)
                if status == 503 { continue }
                try #require(status == 200, "client \(number): \(status) \(answer)")
                found.append(try #require(answer["refresh_token"] as? String))
            }
            #expect(found[0] == found[1], "client \(number): another successor")
            #expect(found[0] != token)
            state.withLock { $0.tokens[number] = found[0] }
        }
    }

    /// - Returns: false when the client was refused.
    private func turn(_ number: Int, looksCloser: Bool) async -> Bool {
        do {
            let (status, answer) = try await refresh(state.withLock { $0.tokens[number] })
            if status == 503 {
                state.withLock { $0.counts.putOff += 1 }
                return true
            }
            guard status == 200, let token = answer["refresh_token"] as? String,
                let access = answer["access_token"] as? String
            else { return fail("client \(number): \(status) \(answer["error"] ?? "")") }
            state.withLock { state in
                state.tokens[number] = token
                state.counts.refreshes += 1
            }
            guard looksCloser else { return true }
            guard try await isActive(access, number) else { return false }
            return try await verify(answer["id_token"] as? String, number)
        } catch {
            // Told to stop while it waited: an answer that it never got, as when a line breaks.
            if Task.isCancelled { return false }
            return fail("client \(number): \(error)")
        }
    }

    private func fail(_ sentence: String) -> Bool {
        state.withLock { $0.counts.failures.append(sentence) }
        return false
    }

    private func refresh(_ token: String) async throws -> (status: Int, answer: [String: Any]) {
        try await post("/oauth2/token", "grant_type=refresh_token&refresh_token=\(token)")
    }

    private func isActive(_ accessToken: String, _ number: Int) async throws -> Bool {
        let (status, answer) = try await post("/oauth2/introspect", "token=\(accessToken)")
        if status == 503 {
            state.withLock { $0.counts.putOff += 1 }
            return true
        }
        guard status == 200, answer["active"] as? Bool == true else {
            return fail("client \(number): introspection of a fresh token: \(status) \(answer)")
        }
        state.withLock { $0.counts.introspections += 1 }
        return true
    }

    /// The key that the id_token names is published, and made its signature.
    private func verify(_ idToken: String?, _ number: Int) async throws -> Bool {
        guard let idToken else { return fail("client \(number): no id_token") }
        let (status, published) = try await send(HTTPClientRequest(url: url + "/oauth2/jwks"))
        guard status == 200 else { return fail("client \(number): the key set: \(status)") }
        do {
            let keys = JWTKeyCollection()
            try await keys.add(jwksJSON: String(decoding: published, as: UTF8.self))
            _ = try await keys.verify(idToken, as: AnyClaims.self)
        } catch { return fail("client \(number): an id_token: \(error)") }
        state.withLock { $0.counts.idTokens += 1 }
        return true
    }

    private func post(_ path: String, _ form: String) async throws -> (Int, [String: Any]) {
        var request = HTTPClientRequest(url: url + path)
        request.method = .POST
        request.headers.add(name: "Authorization", value: authorization)
        request.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
        request.body = .bytes(ByteBuffer(string: form))
        let (status, body) = try await send(request)
        return (status, (try? JSONSerialization.jsonObject(with: body) as? [String: Any]) ?? [:])
    }

    private func send(_ request: HTTPClientRequest) async throws -> (Int, Data) {
        let response = try await http.execute(request, timeout: .seconds(60))
        let body = try await response.body.collect(upTo: 1 << 20)
        if response.status.code == 503 {
            #expect(response.headers.first(name: "Retry-After") != nil, "503 says when to come again")
        }
        return (Int(response.status.code), Data(body.readableBytesView))
    }

    /// No claim is looked at: the signature is what is asked for.
    private struct AnyClaims: JWTPayload {
        func verify(using algorithm: some JWTAlgorithm) async throws {}
    }
}
